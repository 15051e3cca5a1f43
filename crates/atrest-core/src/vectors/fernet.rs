//! github.com/fernet/spec: generate, verify, invalid.

use serde_json::Value;

use crate::{Context, FieldOpener, Form, Key, Keyring, Stored, Suite};

fn vectors(json: &str) -> Vec<Value> {
    serde_json::from_str(json).unwrap()
}

fn text<'a>(vector: &'a Value, name: &str) -> &'a str {
    vector[name].as_str().unwrap()
}

/// 1985-10-26T01:20:00-07:00, which is every vector's `now`, give or take seconds.
const NOW: u64 = 499_162_800;

#[test]
fn fernet_spec_generate() {
    let vectors = vectors(include_str!("../../tests/data/fernet_generate.json"));
    for vector in &vectors {
        assert_eq!(text(vector, "now"), "1985-10-26T01:20:00-07:00");
        let iv: Vec<u8> = serde_json::from_value(vector["iv"].clone()).unwrap();
        let key = Key::parse(text(vector, "secret")).unwrap();
        let fernet = crate::fernet::FernetKey::new(key.expose_secret());
        let mut token = Vec::new();
        let src = text(vector, "src").as_bytes();
        fernet.seal(
            NOW,
            &iv.try_into().unwrap(),
            src,
            &mut Vec::new(),
            &mut token,
        );
        assert_eq!(String::from_utf8(token).unwrap(), text(vector, "token"));
    }
    assert_eq!(vectors.len(), 1);
}

#[test]
fn fernet_spec_verify() {
    let vectors = vectors(include_str!("../../tests/data/fernet_verify.json"));
    for vector in &vectors {
        let (stored, clear) = read(vector);
        assert!(
            matches!(stored, Stored::Sealed(s) if s.suite == Suite::Fernet),
            "{vector}"
        );
        assert_eq!(clear, text(vector, "src").as_bytes());
    }
    assert_eq!(vectors.len(), 1);
}

/// Six are malformed or forged. The last two have a time that only a TTL would
/// refuse, and there is none: they open.
#[test]
fn fernet_spec_invalid() {
    let vectors = vectors(include_str!("../../tests/data/fernet_invalid.json"));
    let (mut refused, mut opened) = (0, Vec::new());
    for vector in &vectors {
        match read(vector) {
            (Stored::Sealed(_), _) => opened.push(text(vector, "desc")),
            (_, clear) if text(vector, "token").starts_with('%') => {
                // Not even the beginning of a token: what is not ours is plaintext.
                assert_eq!(clear, text(vector, "token").as_bytes());
                refused += 1;
            }
            (stored, clear) => {
                assert!(
                    matches!(stored, Stored::Undecryptable(_)),
                    "{vector}: {stored:?}"
                );
                assert_eq!(clear, b"", "{vector}");
                refused += 1;
            }
        }
    }
    assert_eq!(
        opened,
        ["far-future TS (unacceptable clock skew)", "expired TTL"]
    );
    assert_eq!((vectors.len(), refused), (8, 6));
}

fn read(vector: &Value) -> (Stored, Vec<u8>) {
    let keyring = Keyring::new(Key::parse(text(vector, "secret")).unwrap(), vec![]).unwrap();
    let mut clear = Vec::new();
    let token = text(vector, "token").as_bytes();
    let stored =
        FieldOpener::new(&keyring).read(Form::Text, &Context::new("any"), token, &mut clear);
    (stored, clear)
}
