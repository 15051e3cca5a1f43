//! The name of an object in a request.
#![no_main]

mod clip_name_body;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    clip_name_body::run(data);
});
