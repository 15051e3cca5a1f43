//! What a build without a source says of its scheme, and what every build says of one
//! that is nearly a scheme.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, reason = "tests")]

use atrest_keys::{KeySourceError, Settings, source};

/// Schemes and features whose sources this build has not.
const LEFT_OUT: &[(&str, &str)] = &[
    #[cfg(not(feature = "aws"))]
    ("aws-kms", "aws"),
    #[cfg(not(feature = "aws"))]
    ("aws-secret", "aws"),
    #[cfg(not(feature = "aws"))]
    ("aws-ssm", "aws"),
    #[cfg(not(feature = "azure"))]
    ("azure-key", "azure"),
    #[cfg(not(feature = "azure"))]
    ("azure-secret", "azure"),
    #[cfg(not(feature = "gcp"))]
    ("gcp-kms", "gcp"),
    #[cfg(not(feature = "gcp"))]
    ("gcp-secret", "gcp"),
    #[cfg(not(feature = "vault"))]
    ("vault", "vault"),
    #[cfg(not(feature = "vault"))]
    ("vault-transit", "vault"),
];

#[test]
fn a_source_that_is_left_out_names_its_feature() {
    for (scheme, feature) in LEFT_OUT {
        let error = source::parse(&format!("{scheme}:x"), &Settings::new(".")).unwrap_err();
        assert!(matches!(error, KeySourceError::NotBuilt { .. }), "{error}");
        let text = error.to_string();
        assert!(text.contains(&format!("no {scheme}: key source")), "{text}");
        assert!(text.contains(&format!("--features {feature}")), "{text}");
    }
}

#[test]
fn a_scheme_that_is_nearly_one_is_named() {
    for (written, meant) in [
        ("azure-secert", "azure-secret"),
        ("azure_key", "azure-key"),
        ("GCP-secret", "gcp-secret"),
        ("gcp-kmss", "gcp-kms"),
        ("aws-kmss", "aws-kms"),
        ("vault-transti", "vault-transit"),
    ] {
        let error = source::parse(&format!("{written}:x"), &Settings::new(".")).unwrap_err();
        let text = error.to_string();
        if written.contains('_') {
            assert!(!text.contains(written), "{text}");
        } else {
            assert!(
                text.contains(&format!("did you mean `{meant}:`?")),
                "{text}"
            );
        }
    }
    // A passphrase with a colon in it.
    let error = source::parse("correcthorsebattery:staple", &Settings::new(".")).unwrap_err();
    assert!(!error.to_string().contains("correct"), "{error}");
}
