//! A stored value of a text column.
#![no_main]

mod token_text_body;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    token_text_body::run(data);
});
