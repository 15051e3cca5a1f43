//! Ranges and conditions of a request.
#![no_main]

mod http_body;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    http_body::run(data);
});
