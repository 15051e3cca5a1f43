//! The backup reader on arbitrary files, and on arbitrary authentic frames.
#![no_main]

mod backup_body;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    backup_body::run(data);
});
