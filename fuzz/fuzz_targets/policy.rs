//! The policy parser on arbitrary text.
#![no_main]

mod policy_body;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    policy_body::run(data);
});
