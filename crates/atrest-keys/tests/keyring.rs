//! The keyring of a policy: order, places, and keys that stand twice.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

use atrest_core::{Key, KeyId};
use atrest_keys::{Environment, KeySourceError, LoadedKeyring, Settings, load_keyring};

const A: &str = "-_-_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxw=";
const B: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const C: &str = "ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8=";

fn id(text: &str) -> KeyId {
    Key::parse(text).unwrap().id()
}

fn load(
    variables: &[(&str, &str)],
    primary: &str,
    previous: &[&str],
) -> Result<LoadedKeyring, KeySourceError> {
    let env = Environment::new(
        variables
            .iter()
            .map(|(n, v)| ((*n).to_owned(), (*v).to_owned())),
    );
    let previous: Vec<String> = previous.iter().map(ToString::to_string).collect();
    load_keyring(primary, &previous, &env, &Settings::new("."))
}

#[test]
fn the_first_key_of_the_primary_source_seals_and_all_others_open() {
    let loaded = load(
        &[("NEW", &format!("{A},{B}")), ("OLD", C)],
        "env:NEW",
        &["env:OLD"],
    )
    .unwrap();
    assert_eq!(loaded.keyring.primary().id(), id(A));
    assert_eq!(
        loaded.keyring.keys().map(Key::id).collect::<Vec<_>>(),
        [id(A), id(B), id(C)]
    );
    let want = [(A, "NEW, key 1 of 2"), (B, "NEW, key 2 of 2"), (C, "OLD")];
    assert_eq!(
        loaded.origins,
        want.map(|(key, origin)| (id(key), origin.to_owned()))
    );
    assert_eq!(loaded.warnings, []);
    assert!(!format!("{loaded:?}").contains(A));
}

#[test]
fn one_key_in_two_places_is_refused_by_naming_both() {
    let hex_of_c: String = Key::parse(C)
        .unwrap()
        .expose_secret()
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect();
    for (variables, primary, previous, both) in [
        (
            vec![("NEW", A), ("OLD", A)],
            "env:NEW",
            vec!["env:OLD"],
            ["NEW", "OLD"],
        ),
        // The same key, spelt in another way.
        (
            vec![("NEW", C), ("OLD", &*hex_of_c)],
            "env:NEW",
            vec!["env:OLD"],
            ["NEW", "OLD"],
        ),
        (vec![("NEW", A)], "env:NEW", vec!["env:NEW"], ["NEW", "NEW"]),
        (
            vec![("NEW", A), ("X", B), ("Y", B)],
            "env:NEW",
            vec!["env:X", "env:Y"],
            ["X", "Y"],
        ),
    ] {
        let error = load(&variables, primary, &previous).unwrap_err();
        let message = error.to_string();
        let start = format!("{} and {} hold the same key (", both[0], both[1]);
        assert!(message.starts_with(&start), "{message}");
        assert!(message.contains("atrest key generate"), "{message}");
        assert!(!message.contains(A) && !message.contains(B), "{message}");
    }
    let listed = format!("[\"{A}\", \"{A}\"]");
    let message = load(&[("NEW", &listed)], "env:NEW", &[])
        .unwrap_err()
        .to_string();
    assert!(
        message.starts_with("NEW, key 1 of 2 and NEW, key 2 of 2 hold the same key"),
        "{message}"
    );
}

/// Two keys with one id, found by a search over counters and fixed here.
#[test]
fn two_keys_with_one_id_are_refused_by_naming_both() {
    let (x, y) = (
        "00009f0f00000000000000000000000000000000000000000000000000000000",
        "0000e8ca00000000000000000000000000000000000000000000000000000000",
    );
    assert_eq!(id(x), id(y));
    let error = load(
        &[("NEW", A), ("X", x), ("Y", y)],
        "env:NEW",
        &["env:X", "env:Y"],
    )
    .unwrap_err();
    assert!(matches!(error, KeySourceError::Keyring { .. }), "{error}");
    assert!(error.to_string().starts_with("X and Y: "), "{error}");
}

#[test]
fn a_wrong_source_among_many_is_the_one_that_is_named() {
    let message = load(&[("NEW", A)], "env:NEW", &["env:OLD"])
        .unwrap_err()
        .to_string();
    assert!(message.starts_with("OLD is not set; "), "{message}");
    let message = load(&[("NEW", A), ("OLD", "x")], "env:NEW", &["env:OLD"])
        .unwrap_err()
        .to_string();
    assert!(message.starts_with("OLD: "), "{message}");
}
