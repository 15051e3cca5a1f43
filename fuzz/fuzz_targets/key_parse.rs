//! A key as people write it.
#![no_main]

mod key_parse_body;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    key_parse_body::run(data);
});
