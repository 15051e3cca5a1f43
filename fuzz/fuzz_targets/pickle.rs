//! A pickle, as django-cryptography's values are.
#![no_main]

mod pickle_body;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    pickle_body::run(data);
});
