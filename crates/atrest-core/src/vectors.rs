//! Published vectors, run through the very functions that tokens go through.
//! Every test asserts how many it ran.

mod cbc;
mod cobblestone;
mod fernet;
mod gcm;
mod hash_mac;
mod shared;
mod spec;
mod xaes;

/// Bytes from lower-case hex.
fn hex(text: &str) -> Vec<u8> {
    assert!(text.len().is_multiple_of(2), "odd hex");
    (0..text.len())
        .step_by(2)
        .map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap())
        .collect()
}
