//! Tokens that the real libraries made (tests/data/external_tokens.py says how).

use super::*;
use crate::{Form, Stored};

struct Golden {
    format: ExternalFormat,
    secrets: ExternalSecrets,
    form: Form,
    token: Vec<u8>,
    clear: String,
}

fn goldens() -> Vec<Golden> {
    let all: serde_json::Value =
        serde_json::from_str(include_str!("../../tests/data/external_tokens.json")).unwrap();
    let secrets = |list: &serde_json::Value| -> Vec<Zeroizing<String>> {
        let all = list.as_array().into_iter().flatten();
        all.map(|s| s.as_str().unwrap().to_owned().into()).collect()
    };
    let golden = |case: &serde_json::Value| {
        let token = case["token"].as_str().unwrap();
        let (form, token) = match case["form"].as_str().unwrap() {
            "text" => (Form::Text, token.as_bytes().to_vec()),
            _ => {
                let digit = |at| u8::from_str_radix(&token[at..at + 2], 16).unwrap();
                let bytes = (0..token.len()).step_by(2).map(digit);
                (Form::Bytes, bytes.collect())
            }
        };
        Golden {
            format: case["format"].as_str().unwrap().parse().unwrap(),
            secrets: ExternalSecrets {
                keys: secrets(&case["keys"]),
                salts: secrets(&case["salts"]),
                encryption_key: None,
            },
            form,
            token,
            clear: case["clear"].as_str().unwrap().to_owned(),
        }
    };
    all.as_array().unwrap().iter().map(golden).collect()
}

/// Every token of the real libraries opens, and no damaged one does.
#[test]
fn tokens_of_the_real_libraries() {
    let all = goldens();
    assert_eq!(all.len(), 23);
    let mut clear = Vec::new();
    for golden in &all {
        let keys = ExternalKeys::derive(golden.format, &golden.secrets).unwrap();
        let mut opener = keys.opener();
        let name = format!("{} of {:?}", golden.format, golden.clear);
        let read = opener.read(golden.form, &golden.token, &mut clear);
        let Some(Stored::Sealed(sealed)) = read else {
            panic!("{name}: {read:?}");
        };
        assert!(keys.holds(sealed.key), "{name}");
        assert_eq!(String::from_utf8_lossy(&clear), golden.clear, "{name}");
        for at in (0..golden.token.len()).step_by(7) {
            let mut other = golden.token.clone();
            other[at] ^= 2;
            let read = opener.read(golden.form, &other, &mut clear);
            let json_name = golden.token[0] == b'{' && other[at] != b'{';
            let opens = matches!(read, Some(Stored::Sealed(_)));
            assert!(!opens || json_name, "{name}: byte {at} changed");
            let cut = opener.read(golden.form, &golden.token[..at], &mut clear);
            assert!(
                !matches!(cut, Some(Stored::Sealed(_))),
                "{name}: cut at {at}"
            );
        }
    }
}

#[test]
fn another_key_opens_nothing() {
    let mut clear = Vec::new();
    for mut golden in goldens() {
        golden.secrets.keys = vec!["another secret".to_owned().into()];
        let keys = ExternalKeys::derive(golden.format, &golden.secrets).unwrap();
        let read = keys.opener().read(golden.form, &golden.token, &mut clear);
        assert!(
            !matches!(read, Some(Stored::Sealed(_))),
            "{}",
            golden.format
        );
        if let Some(Stored::Undecryptable(found)) = read {
            assert!(!found.key_known && clear.is_empty());
        } else {
            // Fernet's own: left to who knows other Fernet keys.
            assert_ne!(golden.format, ExternalFormat::DjangoCryptography);
        }
    }
}

#[test]
fn what_is_in_clear_is_none_of_theirs() {
    let mut clear = Vec::new();
    for golden in goldens() {
        let keys = ExternalKeys::derive(golden.format, &golden.secrets).unwrap();
        let mut opener = keys.opener();
        for text in [
            "",
            "in clear",
            "{}",
            "[1, 2]",
            "{\"a\": \"b\"}",
            "\"x",
            "gAAAAA",
            "null",
        ] {
            assert_eq!(
                opener.read(golden.form, text.as_bytes(), &mut clear),
                None,
                "{text}"
            );
        }
    }
}

/// A document of which one leaf does not open is not a value of any kind.
#[test]
fn json_with_one_damaged_leaf_is_undecryptable() {
    let golden = goldens()
        .into_iter()
        .find(|golden| golden.token.starts_with(b"{"))
        .unwrap();
    let keys = ExternalKeys::derive(golden.format, &golden.secrets).unwrap();
    let text = String::from_utf8(golden.token).unwrap();
    let mut clear = Vec::new();
    for other in [
        text.replacen("gAAAAA", "gAAAAB", 1),
        text.replacen("[]", "[1]", 1),
        text.replacen("[]", "[\"clear\"]", 1),
    ] {
        assert_ne!(other, text);
        let read = keys.opener().read(Form::Text, other.as_bytes(), &mut clear);
        assert!(matches!(read, Some(Stored::Undecryptable(_))), "{read:?}");
        assert!(clear.is_empty());
    }
}

#[test]
fn what_is_missing_or_too_much_is_said() {
    use ExternalFormat as F;
    let one = || vec!["x".to_owned().into()];
    let derive = |format, secrets| ExternalKeys::derive(format, &secrets).unwrap_err();
    for format in F::ALL {
        let error = derive(format, ExternalSecrets::default());
        assert_eq!(error, ExternalKeyError::NoKey(format));
        assert_eq!(format.to_string().parse(), Ok(format));
    }
    let (keys, salts) = (one(), one());
    let salted = ExternalSecrets {
        keys,
        salts,
        ..Default::default()
    };
    let error = derive(F::SqlalchemyUtils, salted);
    assert_eq!(error, ExternalKeyError::NoUseForSalt(F::SqlalchemyUtils));
    let secrets = || ExternalSecrets {
        keys: one(),
        ..Default::default()
    };
    let error = derive(F::DjangoFernetEncryptedFields, secrets());
    assert_eq!(error, ExternalKeyError::NoSalt);
    let error = derive(F::Fernet, secrets());
    assert!(matches!(error, ExternalKeyError::Key(_)));
    let twice = ExternalSecrets {
        keys: vec!["x".to_owned().into(), "x".to_owned().into()],
        ..Default::default()
    };
    assert!(matches!(
        derive(F::SqlalchemyUtils, twice),
        ExternalKeyError::Keyring(_)
    ));
}
