//! An object, whole.
#![no_main]

mod object_body;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    object_body::run(data);
});
