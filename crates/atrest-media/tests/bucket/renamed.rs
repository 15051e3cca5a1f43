//! One object that gets another name: whole under one of the two at every moment, and
//! nothing overwritten.

use atrest_media::bucket::MoveError;
use atrest_testing::{Fault, HttpProxy, server};
use object_store::{Attribute, TagSet};

use super::*;

async fn rename(bucket: &Bucket, from: &str, to: &str) -> Result<u64, MoveError> {
    let (keyring, options) = (keyring(), Options::default());
    let moved = bucket.rename(from, (bucket, to), &keyring, &options);
    let moved = moved.await?;
    assert_eq!(moved.key, primary());
    Ok(moved.clear)
}

async fn names(place: &Place) -> Vec<String> {
    place.contents().await.into_keys().collect()
}

fn attributes() -> Attributes {
    Attributes::from_iter([
        (Attribute::ContentType, "video/mp4"),
        (Attribute::CacheControl, "max-age=60"),
        (Attribute::Metadata("camera".into()), "gate 1"),
    ])
}

#[tokio::test]
async fn it_opens_under_its_new_name_with_all_that_it_had() {
    let place = Place::on(&server::s3());
    for length in [0, 1, 100_000, 20 * MIB + 1] {
        place
            .store
            .put_opts(
                &path("gate/a ü~#1"),
                bytes(length).into(),
                put_options(&attributes()),
            )
            .await
            .unwrap();
        place.run(Operation::Encrypt).await;
        let moved = rename(&place.bucket(), "gate/a ü~#1", "yard/b").await;
        assert_eq!(moved.unwrap(), length as u64);
        assert_eq!(names(&place).await, ["yard/b"]);
        assert!(place.open("yard/b").await == bytes(length));
        let kept = place.store.get(&path("yard/b")).await.unwrap().attributes;
        for (attribute, value) in &attributes() {
            assert_eq!(kept.get(attribute), Some(value));
        }
        assert!(place.run(Operation::Verify).await.is_clean());
        place.store.delete(&path("yard/b")).await.unwrap();
    }
}

#[tokio::test]
async fn tags_come_along_and_old_versions_of_the_probe_do_not_stay() {
    let place = Place::on(&server::s3_versioned());
    let mut tags = TagSet::default();
    tags.push("class", "personal data +1=a/b");
    let content = bytes(1_000).into();
    let a = path("a");
    let put = place.store.put_opts(&a, content, tags.into());
    put.await.unwrap();
    place.run(Operation::Encrypt).await;
    let before = super::versions::tags_of(&place, "a");
    rename(&place.bucket(), "a", "b").await.unwrap();
    assert_eq!(super::versions::tags_of(&place, "b"), before);
    assert!(before.contains("personal data"), "{before}");
    assert_eq!(names(&place).await, ["b"]);
    let look = place.run(Operation::Look).await;
    // The clear one, and the sealed one before the move.
    assert_eq!(
        (look.versions.clear.files, look.versions.sealed.files),
        (1, 1)
    );
}

#[tokio::test]
async fn below_another_prefix_it_is_bound_to_its_name_there() {
    let (one, other) = (Place::on(&server::s3()), Place::on(&server::s3()));
    one.put("a", bytes(9 * MIB)).await;
    one.run(Operation::Encrypt).await;
    let (from, to) = (one.bucket(), other.bucket());
    let options = Options::default();
    let moved = from.rename("a", (&to, "a"), &keyring(), &options).await;
    assert_eq!(moved.unwrap().clear, 9 * MIB as u64);
    assert!(other.open("a").await == bytes(9 * MIB));
    assert!(names(&one).await.is_empty());
}

#[tokio::test]
async fn nothing_is_overwritten() {
    let place = Place::on(&server::s3());
    place.put("a", bytes(1_000)).await;
    place.put("other", bytes(1_001)).await;
    place.run(Operation::Encrypt).await;
    place.put("clear", bytes(1_000)).await;
    // As long, and it does not open here.
    let foreign = place.get("a").await;
    place.put("foreign", foreign).await;
    let before = place.contents().await;
    for taken in ["other", "clear", "foreign", "a"] {
        let error = rename(&place.bucket(), "a", taken).await.unwrap_err();
        assert!(matches!(&error, MoveError::Exists { to } if to.ends_with(taken)));
        assert!(error.to_string().contains("was left as it is"), "{error}");
    }
    // What has the same content and other metadata is somebody's, too.
    let put = put_options(&attributes());
    let sealed = SealedStore::new(place.store.clone(), keyring(), ObjectBind::Path);
    let content = bytes(1_000).into();
    sealed.put_opts(&path("own"), content, put).await.unwrap();
    let error = rename(&place.bucket(), "a", "own").await.unwrap_err();
    assert!(matches!(error, MoveError::Exists { .. }), "{error}");
    place.store.delete(&path("own")).await.unwrap();
    assert!(place.contents().await == before);
}

#[tokio::test]
async fn what_stands_under_both_names_since_it_was_killed_is_finished() {
    for (server, length) in [(server::s3(), 20 * MIB), (server::s3_versioned(), 1_000)] {
        let place = Place::on(&server);
        place.put("a", bytes(length)).await;
        place.run(Operation::Encrypt).await;
        let sealed = SealedStore::new(place.store.clone(), keyring(), ObjectBind::Path);
        sealed.put(&path("b"), bytes(length).into()).await.unwrap();
        let there = place.get("b").await;
        rename(&place.bucket(), "a", "b").await.unwrap();
        assert_eq!(names(&place).await, ["b"]);
        assert!(place.get("b").await == there, "it is not written again");
        // Once more: it says what may be the reason.
        let error = rename(&place.bucket(), "a", "b").await.unwrap_err();
        assert!(matches!(error, MoveError::Missing { .. }), "{error}");
        assert!(error.to_string().contains("moved already"), "{error}");
    }
}

#[tokio::test]
async fn what_does_not_open_stays_where_it_is() {
    let place = Place::on(&server::s3());
    place.put("damaged", bytes(9 * MIB)).await;
    place.run(Operation::Encrypt).await;
    let mut damaged = place.get("damaged").await;
    damaged[8 * MIB] ^= 1;
    place.put("damaged", damaged).await;
    place.put("clear", bytes(1_000)).await;
    let before = place.contents().await;
    for (name, said) in [
        ("damaged", "cannot move"),
        ("clear", "cannot move"),
        ("none", "there is no object"),
        ("", "is no name of an object"),
        ("a/", "is no name of an object"),
        ("a//b", "finding a name"),
        (".atrest-0123456789abcdef.tmp", "temporary"),
    ] {
        let error = rename(&place.bucket(), name, "new").await.unwrap_err();
        assert!(error.to_string().contains(said), "{name}: {error}");
    }
    assert!(place.contents().await == before);
}

#[tokio::test]
async fn a_server_that_ignores_conditions_is_refused_unless_nobody_else_writes() {
    let place = Place::on(&server::s3_lax());
    let quiet = || place.bucket().assume_quiet(true);
    for length in [1_000, 9 * MIB] {
        place.put("a", bytes(length)).await;
        let options = Options::default();
        let sealed = quiet().run(Operation::Encrypt, &keyring(), &options).await;
        assert_eq!(sealed.unwrap().changed.files, 1);
        let before = place.contents().await;
        let error = rename(&place.bucket(), "a", "b").await.unwrap_err();
        let unconditional = BucketError::Unconditional {
            bucket: place.url.clone(),
        };
        assert_eq!(error.to_string(), unconditional.to_string());
        assert!(place.contents().await == before, "the probe is gone");
        rename(&quiet(), "a", "b").await.unwrap();
        assert_eq!(names(&place).await, ["b"]);
        assert!(place.open("b").await == bytes(length));
        place.store.delete(&path("b")).await.unwrap();
    }
}

#[tokio::test]
async fn answers_that_are_lost_are_no_failure() {
    let proxy = HttpProxy::to(&server::s3());
    let place = Place::on(proxy.url());
    for (length, what) in [
        (1_000, "PUT new-name"),
        (20 * MIB, "POST new-name?uploadId"),
        (1_000, "DELETE old-name"),
        (1_000, "GET old-name"),
    ] {
        place.put("old-name", bytes(length)).await;
        place.run(Operation::Encrypt).await;
        proxy.fail(1, what, Fault::LoseAnswer);
        let moved = rename(&place.bucket(), "old-name", "new-name").await;
        proxy.fail_no_more();
        assert_eq!(moved.unwrap(), length as u64, "{what}");
        assert_eq!(names(&place).await, ["new-name"], "{what}");
        assert!(place.open("new-name").await == bytes(length), "{what}");
        place.store.delete(&path("new-name")).await.unwrap();
    }
}
