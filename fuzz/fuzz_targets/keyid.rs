//! A key id as people write it.
#![no_main]

mod keyid_body;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    keyid_body::run(data);
});
