//! Streams of objects: there and back, any part of one, and everything that is not
//! the object that was sealed.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

mod damage;
mod failing;
mod old;
mod ranges;
mod streams;

use atrest_core::{Key, Keyring};
use atrest_media::MediaError;

const CHUNK: usize = 16_384;
const SLOT: usize = CHUNK + 16;
const PROLOGUE: usize = 72;
const PIECE: usize = 64 * CHUNK;
const ID: &[u8] = b"gate/clip.mp4";

fn keyring() -> Keyring {
    Keyring::new(Key::from_bytes([7; 32]), vec![]).unwrap()
}

/// Bytes of which no two chunks are the same.
fn bytes(length: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let mut out = Vec::with_capacity(length + 8);
    while out.len() < length {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        out.extend_from_slice(&state.to_be_bytes());
    }
    out.truncate(length);
    out
}

fn seal(clear: &[u8], threads: usize) -> Vec<u8> {
    let mut object = Vec::new();
    atrest_media::seal(clear, &mut object, &keyring(), ID, threads, &|_| {}).unwrap();
    object
}

fn open(object: &[u8], threads: usize) -> Result<Vec<u8>, MediaError> {
    let mut clear = Vec::new();
    atrest_media::open(object, &mut clear, &keyring(), ID, threads, &|_| {}).map(|_| clear)
}
