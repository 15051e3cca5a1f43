//! A stored value that begins as Fernet tokens do.
#![no_main]

mod fernet_body;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    fernet_body::run(data);
});
