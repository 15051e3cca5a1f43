//! JSON whose leaves are tokens, as django-fernet-encrypted-fields stores it.
#![no_main]

mod json_leaves_body;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    json_leaves_body::run(data);
});
