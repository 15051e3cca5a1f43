//! Keyring files that are damaged, cut, foreign, of another version or of another root:
//! every one is refused, and the error says which it is.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod keyring_support;

use atrest_core::KeyId;
use atrest_keys::keyring::{KeyPurpose, KeyringError, OpenKeyring, check};
use keyring_support::{Place, at};

/// A keyring with something of everything.
async fn full() -> (Place, String) {
    let place = Place::new();
    let keyring = place.create().await;
    let old = keyring.data().primary().id();
    let keyring = place
        .store(keyring.rotate(KeyPurpose::Data, at(1)).unwrap())
        .await;
    let keyring = place
        .store(keyring.rotate(KeyPurpose::Data, at(2)).unwrap())
        .await;
    let keyring = place.store(keyring.destroy(old, at(3)).unwrap()).await;
    let keyring = place
        .store(keyring.ensure(KeyPurpose::Index, at(4)).unwrap().unwrap())
        .await;
    place
        .store(keyring.forget("0a0b", &[KeyId([9; 4])], at(5)).unwrap())
        .await;
    let text = place.file.read().unwrap().unwrap();
    (place, text)
}

fn open(place: &Place, text: &str) -> Result<OpenKeyring, KeyringError> {
    let root = place.root.source();
    OpenKeyring::open(text, "k", &*root, &place.root.uri(), &place.env)
}

#[tokio::test]
async fn every_changed_byte_is_refused() {
    let (place, text) = full().await;
    open(&place, &text).unwrap();
    let mut tried = 0;
    for at in 0..text.len() {
        for change in [1u8, 2, 16, 32] {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= change;
            let Ok(damaged) = String::from_utf8(bytes) else {
                continue; // a file that is not text is refused before
            };
            assert!(open(&place, &damaged).is_err(), "byte {at} ^ {change}");
            tried += 1;
        }
    }
    assert!(tried > 3 * text.len());
}

#[tokio::test]
async fn every_truncation_and_every_missing_or_doubled_line_is_refused() {
    let (place, text) = full().await;
    for length in 0..text.len() {
        assert!(open(&place, &text[..length]).is_err(), "cut at {length}");
    }
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    for at in 0..lines.len() {
        let mut fewer = lines.clone();
        fewer.remove(at);
        assert!(open(&place, &fewer.concat()).is_err(), "without line {at}");
        let mut more = lines.clone();
        more.insert(at, lines[at]);
        assert!(open(&place, &more.concat()).is_err(), "line {at} twice");
    }
    for other in [
        format!("{text}\n"),
        format!("{text} "),
        format!("\u{feff}{text}"),
    ] {
        assert!(open(&place, &other).is_err());
    }
}

#[tokio::test]
async fn other_versions_say_which_atrest_is_needed() {
    let (place, text) = full().await;
    for version in ["0", "2", "77"] {
        let other = text.replacen("\"version\":1", &format!("\"version\":{version}"), 1);
        let error = open(&place, &other).unwrap_err();
        assert!(matches!(error, KeyringError::Version { .. }), "{error}");
        assert!(
            error.to_string().contains(&format!("version {version}")),
            "{error}"
        );
    }
    // A later version may look quite different behind its first members.
    let later = "{\"atrest\":\"keyring\",\"version\":2,\"new\":[1]}\nwhatever\n";
    let error = check(later, "k").unwrap_err();
    assert!(
        matches!(error, KeyringError::Version { version: 2, .. }),
        "{error}"
    );
}

#[tokio::test]
async fn foreign_files_are_told_from_damaged_ones() {
    let (place, text) = full().await;
    for foreign in [
        "",
        "hello\n",
        "{}\n{}\n",
        "{\"atrest\":\"backup\"}\nx\n",
        "\n",
        "[1]\n",
    ] {
        let error = open(&place, foreign).unwrap_err();
        assert!(
            matches!(error, KeyringError::Foreign { .. }),
            "{foreign}: {error}"
        );
    }
    for (from, to) in [
        ("\"generation\":6", "\"generation\":0"),
        ("\"generation\":6", "\"generation\":6,\"colour\":1"),
        ("decrypt-only", "retired"),
        ("\"forgotten\":\"0a0b\"", "\"forgotten\":\"0A0B\""),
        ("09090909", "0909090"),
        ("T00:00:00Z", "T00:00:00.0Z"),
    ] {
        let other = text.replacen(from, to, 1);
        assert_ne!(other, text, "{from}");
        let error = open(&place, &other).unwrap_err();
        assert!(
            matches!(error, KeyringError::Damaged { .. }),
            "{from}: {error}"
        );
        assert!(error.to_string().contains("line"), "{error}");
    }
}

/// Two whole files of one keyring, mixed: the MAC sees it.
#[tokio::test]
async fn lines_of_another_generation_are_refused() {
    let place = Place::new();
    let keyring = place.create().await;
    let before = place.file.read().unwrap().unwrap();
    place
        .store(keyring.rotate(KeyPurpose::Data, at(1)).unwrap())
        .await;
    let after = place.file.read().unwrap().unwrap();
    let first = |text: &str| text.split_inclusive('\n').next().unwrap().to_owned();
    let mixed = after.replacen(&first(&after), &first(&before), 1);
    assert!(open(&place, &mixed).is_err());
}

#[tokio::test]
async fn another_keyrings_file_does_not_open_with_this_root() {
    let (place, _) = full().await;
    let (other, text) = full().await;
    let error = open(&place, &text).unwrap_err();
    assert!(matches!(error, KeyringError::Root { .. }), "{error}");
    // Nor with the other's keyring key.
    let key = other.try_open().unwrap();
    let key = atrest_core::Key::from_bytes(*key.expose_keyring_key().expose_secret());
    let own = place.file.read().unwrap().unwrap();
    assert!(OpenKeyring::open_with(&own, "k", key).is_err());
}

#[tokio::test]
async fn files_that_are_none() {
    let place = Place::new();
    std::fs::create_dir(place.file.path()).unwrap();
    assert!(matches!(
        place.file.read(),
        Err(KeyringError::Foreign { .. })
    ));
    std::fs::remove_dir(place.file.path()).unwrap();
    std::fs::write(place.file.path(), [0xff, 0xfe]).unwrap();
    assert!(matches!(
        place.file.read(),
        Err(KeyringError::Damaged { .. })
    ));
    std::fs::remove_file(place.file.path()).unwrap();
    assert!(place.file.read().unwrap().is_none());
}
