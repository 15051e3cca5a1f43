//! A copy of the bucket on the local disk, held against it and put back.

use std::fs;

use atrest_engine::restore::RestoreMode;
use atrest_media::bucket::Restored;
use atrest_testing::server;
use object_store::Attribute;

use super::*;

const NAMES: [&str; 5] = ["a ü~#1", "damaged", "gate/changed", "gone", "large"];

fn content(name: &str) -> Vec<u8> {
    let length = if name == "large" { 9 * MIB } else { 50_000 };
    let mut content = bytes(length);
    content.extend_from_slice(name.as_bytes());
    content
}

/// A sealed bucket, and a copy of it as `aws s3 sync` makes one.
async fn sealed_and_copied(server: &str) -> (Place, tempfile::TempDir) {
    let (place, copy) = (Place::on(server), tempfile::tempdir().unwrap());
    let attributes = Attributes::from_iter([
        (Attribute::ContentType, "video/mp4"),
        (Attribute::Metadata("camera".into()), "gate 1"),
    ]);
    for name in NAMES {
        let put = put_options(&attributes);
        let (name, content) = (path(name), content(name).into());
        place.store.put_opts(&name, content, put).await.unwrap();
    }
    let bucket = place.bucket().assume_quiet(true);
    let (keys, options) = (keyring(), Options::default());
    let report = bucket.run(Operation::Encrypt, &keys, &options).await;
    assert!(report.unwrap().is_clean());
    for name in NAMES {
        let file = copy.path().join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, place.get(name).await).unwrap();
    }
    (place, copy)
}

/// One does not open, one holds something else, one is gone.
async fn break_some(place: &Place) {
    let mut damaged = place.get("damaged").await;
    damaged[20_000] ^= 1;
    let name = path("damaged");
    let attributes = place.store.get(&name).await.unwrap().attributes;
    let put = put_options(&attributes);
    let done = place.store.put_opts(&name, damaged.into(), put).await;
    done.unwrap();
    place.put("gate/changed", "newer").await;
    place.store.delete(&path("gone")).await.unwrap();
}

async fn restored(place: &Place, copy: &tempfile::TempDir, mode: RestoreMode) -> Restored {
    let (bucket, options) = (place.bucket(), Options::default());
    let done = bucket.restore(copy.path(), mode, next_keyring(), &options);
    done.await.unwrap()
}

fn names(found: &[Vec<u8>]) -> Vec<&str> {
    let found = found.iter();
    found
        .map(|name| std::str::from_utf8(name).unwrap())
        .collect()
}

#[tokio::test]
async fn what_does_not_open_is_written_again_and_what_is_newer_stays() {
    let (place, copy) = sealed_and_copied(&server::s3()).await;
    let done = restored(&place, &copy, RestoreMode::Compare).await;
    assert_eq!((done.entries, done.same), (5, 5));
    assert!(done.is_clean(), "{done:?}");

    break_some(&place).await;
    let before = place.contents().await;
    let done = restored(&place, &copy, RestoreMode::Compare).await;
    assert_eq!((done.entries, done.same, done.changed), (5, 2, 0));
    assert_eq!(names(&done.changed_since), ["gate/changed"]);
    assert_eq!(names(&done.missing), ["gone"]);
    assert_eq!(done.undecryptable.len(), 1);
    assert!(!done.is_clean());
    assert_eq!(place.contents().await, before);

    let done = restored(&place, &copy, RestoreMode::Restore).await;
    assert_eq!((done.same, done.changed), (2, 1));
    assert_eq!(names(&done.changed_since), ["gate/changed"]);
    assert_eq!(place.get("gate/changed").await, b"newer");

    let done = restored(&place, &copy, RestoreMode::Force).await;
    assert_eq!((done.same, done.changed), (3, 1));
    assert_eq!(names(&done.missing), ["gone"]);
    assert!(place.store.get(&path("gone")).await.is_err());
    for name in NAMES.into_iter().filter(|name| *name != "gone") {
        assert!(place.is_object(name).await, "{name}");
        assert!(place.open(name).await == content(name), "{name}");
    }
    // Sealed under the primary key of now, with what the object had beside its content.
    let written = place.store.get(&path("damaged")).await.unwrap();
    assert_eq!(
        written.attributes.get(&Attribute::ContentType),
        Some(&"video/mp4".into())
    );
    let report = place.bucket().inspect("damaged", next_keyring()).await;
    assert_eq!(report.unwrap().only_key, Some(key(2).id()));
}

#[tokio::test]
async fn a_damaged_copy_is_told_and_takes_no_place() {
    let (place, copy) = sealed_and_copied(&server::s3()).await;
    break_some(&place).await;
    let file = copy.path().join("damaged");
    let mut damaged = fs::read(&file).unwrap();
    *damaged.last_mut().unwrap() ^= 1;
    fs::write(&file, damaged).unwrap();
    // One that is the copy of another, and one that is none.
    fs::copy(copy.path().join("large"), copy.path().join("gate/changed")).unwrap();
    fs::write(copy.path().join("gone"), "clear").unwrap();

    let before = place.contents().await;
    let done = restored(&place, &copy, RestoreMode::Force).await;
    assert_eq!((done.entries, done.same, done.changed), (2, 2, 0));
    let skipped = done.skipped.iter();
    let skipped: Vec<_> = skipped
        .map(|it| (names(std::slice::from_ref(&it.name))[0], it.why.to_string()))
        .collect();
    assert_eq!(skipped.len(), 3, "{skipped:?}");
    for ((name, why), want) in skipped.iter().zip(["damaged", "gate/changed", "gone"]) {
        assert_eq!(*name, want);
        assert!(why.starts_with("the copy of it does not open: "), "{why}");
    }
    assert_eq!(place.contents().await, before);
}

#[tokio::test]
async fn a_server_that_ignores_conditions_is_refused_unless_told() {
    let (place, copy) = sealed_and_copied(&server::s3_lax()).await;
    break_some(&place).await;
    let options = Options::default();
    let refused = place
        .bucket()
        .restore(copy.path(), RestoreMode::Restore, keyring(), &options)
        .await;
    let Err(BucketError::Unconditional { .. }) = refused else {
        panic!("{refused:?}")
    };
    // To compare, nothing is needed.
    let done = restored(&place, &copy, RestoreMode::Compare).await;
    assert_eq!(done.undecryptable.len(), 1);
    let bucket = place.bucket().assume_quiet(true);
    let done = bucket.restore(copy.path(), RestoreMode::Restore, keyring(), &options);
    assert_eq!(done.await.unwrap().changed, 1);
    assert!(place.open("damaged").await == content("damaged"));
}
