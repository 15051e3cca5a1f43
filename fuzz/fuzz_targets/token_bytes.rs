//! A stored value of a binary column.
#![no_main]

mod token_bytes_body;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    token_bytes_body::run(data);
});
