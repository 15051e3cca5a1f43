//! URIs and checksums, without a network.

use atrest_core::Key;

use super::{Kms, Secret, crc32c, decode};
use crate::{KeySourceError, RemoteProblem, Settings, source};

const KEY: &str = "projects/p-1/locations/europe-west6/keyRings/ring/cryptoKeys/root_1";

#[test]
fn a_uri_is_the_full_name() {
    let settings = Settings::new(".");
    for rest in [
        "projects/p-1/secrets/field-key",
        "projects/123456/secrets/field_key/versions/7",
        "projects/example.com:p/secrets/s/versions/latest",
        "projects/p/locations/europe-west6/secrets/s",
        "projects/p/locations/europe-west6/secrets/s/versions/2",
    ] {
        let source = source::parse(&format!("gcp-secret:{rest}"), &settings).unwrap();
        assert!(source.delivers());
        assert_eq!(source.name(), format!("gcp-secret:{rest}"));
    }
    let source = source::parse(&format!("gcp-kms:{KEY}"), &settings).unwrap();
    assert!(!source.delivers());
    assert_eq!(source.name(), format!("gcp-kms:{KEY}"));
}

#[test]
fn what_is_no_uri_is_refused_and_never_shown() {
    let hex = "5a".repeat(32);
    let base64 = Key::from_bytes([0x5a; 32]).to_base64url();
    let cases = [
        "",
        "secret",
        "projects/p/secrets/",
        "projects//secrets/s",
        "projects/p/secrets/s/",
        "projects/p/secrets/s/versions/",
        "projects/p/secrets/s/versions/1:destroy",
        "projects/p/secrets/../s",
        "projects/../secrets/s",
        "projects/p/secrets/s%2f",
        "projects/p/secrets/s?endpoint=http://127.0.0.1",
        "projects/p/locations/x.example/secrets/s",
        "https://secretmanager.googleapis.com/v1/projects/p/secrets/s",
        "projects/p/locations/l/keyRings/r",
        "projects/p/locations/l/keyRings/r/cryptoKeys/k/cryptoKeyVersions/1",
        "projects/p/locations/l/keyRings/r/cryptoKeys/k:x",
        &hex,
        &base64,
        &format!("projects/p/secrets/{hex}"),
        &format!("projects/p/locations/l/keyRings/r/cryptoKeys/{}", &*base64),
    ];
    for rest in cases {
        for (scheme, error) in [
            ("gcp-secret", Secret::parse(rest).unwrap_err()),
            ("gcp-kms", Kms::parse(rest).unwrap_err()),
        ] {
            assert!(matches!(error, KeySourceError::BadUri { .. }), "{rest}");
            let text = format!("{error} {error:?}");
            assert!(
                text.contains(&format!("write {scheme}:projects/PROJECT/")),
                "{text}"
            );
            assert!(!text.contains(&hex) && !text.contains(&*base64), "{text}");
        }
    }
}

#[test]
fn crc32c_is_castagnolis() {
    // RFC 3720 B.4: 32 bytes of zeroes, and of ones.
    assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa_u32.to_string());
    assert_eq!(crc32c(&[0xff; 32]), 0x62a8_ab43_u32.to_string());
}

#[test]
fn data_without_its_checksum_is_refused_as_damaged_on_the_way() {
    let sum = crc32c(b"abc");
    assert_eq!(&**decode("YWJj", Some(&sum)).unwrap(), b"abc");
    for (data, sum) in [
        ("YWJj", None),
        ("YWJj", Some("")),
        ("YWJk", Some(sum.as_str())),
        ("YWJ", Some(&sum)),
        ("", Some(&sum)),
    ] {
        assert_eq!(
            decode(data, sum).unwrap_err().problem,
            RemoteProblem::Failed
        );
    }
}
