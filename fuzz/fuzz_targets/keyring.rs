//! The readers of keyrings and of recovery shares on arbitrary text.
#![no_main]

mod keyring_body;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    keyring_body::run(data);
});
