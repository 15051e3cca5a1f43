//! What S3 servers answer: versions, tags, errors.
#![no_main]

mod s3_answer_body;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    s3_answer_body::run(data);
});
