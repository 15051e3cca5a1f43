//! What an earlier system encrypted and put into a bucket.

use atrest_core::{Context, FieldSealer, Form, Suite};
use atrest_testing::server;
use object_store::Attribute;

use super::*;

const LENGTHS: [(&str, usize); 5] = [
    ("a", 0),
    ("b", 15),
    ("sub/c", 16),
    ("sub/d", 2 * MIB),
    // One part clear, and two sealed.
    ("sub/e", 8 * MIB - 20),
];

/// With objects of an earlier system.
async fn place(sealed: impl Fn(&[u8]) -> Vec<u8>) -> Place {
    let place = Place::on(&server::s3());
    for (name, length) in LENGTHS {
        let options = put_options(&Attributes::from_iter([
            (Attribute::ContentType, "video/mp4"),
            (Attribute::Metadata("camera".into()), "gate 1"),
        ]));
        let content = sealed(&bytes(length));
        let name = path(name);
        let put = place.store.put_opts(&name, content.into(), options);
        put.await.unwrap();
    }
    place
}

async fn take_over(place: &Place, old: &OldFiles) -> Report {
    let options = Options::default();
    let report = place.bucket().take_over(old, &keyring(), &options).await;
    report.unwrap()
}

/// Everything opens to what it was in clear, with what it had beside.
async fn check(place: &Place, before: &BTreeMap<String, (Vec<u8>, BTreeMap<String, String>)>) {
    let after = place.contents().await;
    assert!(after.keys().eq(before.keys()));
    for (name, length) in LENGTHS {
        assert!(place.is_object(name).await, "{name}");
        assert!(place.open(name).await == bytes(length), "{name}");
        assert_eq!(after[name].1, before[name].1, "{name}");
    }
}

#[tokio::test]
async fn all_of_it_becomes_objects_and_originals_are_kept() {
    let place = place(cbc).await;
    let before = place.contents().await;
    let kept = tempfile::tempdir().unwrap();
    let old = old_files(Some(kept.path().join("not/there yet")));
    let report = take_over(&place, &old).await;
    assert!(report.is_clean(), "{report:?}");
    let clear: usize = LENGTHS.iter().map(|(_, length)| length).sum();
    assert_eq!(
        (report.changed.files, report.changed.bytes),
        (5, clear as u64)
    );
    check(&place, &before).await;
    for (name, (content, _)) in &before {
        let original = std::fs::read(kept.path().join("not/there yet").join(name));
        assert!(original.unwrap() == *content, "{name}");
    }

    let again = take_over(&place, &old).await;
    assert!(again.is_clean(), "{again:?}");
    assert_eq!(again.changed.files, 0);
    let back = place.run(Operation::Decrypt).await;
    assert_eq!(back.changed.files, 5);
    for (name, length) in LENGTHS {
        assert!(place.get(name).await == bytes(length), "{name}");
    }
}

#[tokio::test]
async fn tokens_are_taken_over_too() {
    let ring = Keyring::new(key(9), vec![]).unwrap();
    let token = |clear: &[u8]| {
        let mut sealer = FieldSealer::new(&ring, Suite::Fernet, 0).unwrap();
        let mut token = Vec::new();
        let sealed = sealer.seal(Form::Text, &Context::new(""), clear, &mut token);
        sealed.unwrap();
        token
    };
    let place = place(token).await;
    let before = place.contents().await;
    let old = OldFiles {
        format: OldFormat::Fernet,
        ..old_files(None)
    };
    let report = take_over(&place, &old).await;
    assert!(report.is_clean(), "{report:?}");
    check(&place, &before).await;
}

#[tokio::test]
async fn nothing_changes_unless_all_of_it_opens() {
    for (stray, why) in [
        (&b"no such object"[..], "does not end as AES-256-CBC"),
        (&[7; 64], "does not end as AES-256-CBC"),
    ] {
        let place = place(cbc).await;
        place.put("stray", stray).await;
        let before = place.contents().await;
        let kept = tempfile::tempdir().unwrap();
        let old = old_files(Some(kept.path().join("kept")));
        let report = take_over(&place, &old).await;
        let [(name, problem)] = skipped(&report)[..] else {
            panic!("{report:?}");
        };
        assert_eq!(name, "stray");
        assert!(problem.to_string().contains(why), "{problem}");
        assert_eq!(report.changed.files, 0);
        assert!(place.contents().await == before);
        assert!(!kept.path().join("kept").exists());
    }
}

#[tokio::test]
async fn looking_changes_nothing() {
    let place = place(cbc).await;
    let before = place.contents().await;
    let kept = tempfile::tempdir().unwrap();
    let old = old_files(Some(kept.path().join("kept")));
    let options = Options::default();
    let report = place.bucket().verify_old(&old, &keyring(), &options).await;
    let report = report.unwrap();
    assert!(report.is_clean(), "{report:?}");
    let clear: usize = LENGTHS.iter().map(|(_, length)| length).sum();
    assert_eq!((report.clear.files, report.clear.bytes), (5, clear as u64));
    assert!(place.contents().await == before);
    assert!(!kept.path().join("kept").exists());
}

#[tokio::test]
async fn another_original_is_not_overwritten() {
    let place = place(cbc).await;
    let before = place.contents().await;
    let kept = tempfile::tempdir().unwrap();
    let original = &before["b"].0;
    for other in [original[..20].to_vec(), [original, &b"more"[..]].concat()] {
        std::fs::write(kept.path().join("b"), &other).unwrap();
        let report = take_over(&place, &old_files(Some(kept.path().into()))).await;
        let [("b", problem)] = skipped(&report)[..] else {
            panic!("{report:?}");
        };
        assert!(
            problem.to_string().contains("is there with other bytes"),
            "{problem}"
        );
        assert_eq!(std::fs::read(kept.path().join("b")).unwrap(), other);
        assert!(place.get("b").await == *original);
    }
}
