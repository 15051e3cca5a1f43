//! There and back: encrypt, verify, rotate, decrypt.

use atrest_testing::server;
use object_store::Attribute;

use super::*;

/// Lengths at which something is different: chunks, one request, several parts.
const LENGTHS: [usize; 10] = [
    0,
    1,
    15,
    16_384,
    100_000,
    8 * MIB - 100_000,
    8 * MIB - 8_192 - 8,
    8 * MIB,
    16 * MIB,
    20 * MIB + 1,
];

fn name(length: usize) -> String {
    format!("gate/{length} ü~#[1].mp4")
}

async fn fill(place: &Place) -> Attributes {
    let attributes = Attributes::from_iter([
        (Attribute::ContentType, "video/mp4"),
        (Attribute::CacheControl, "max-age=60"),
        (Attribute::ContentDisposition, "inline"),
        (Attribute::Metadata("camera".into()), "gate 1"),
    ]);
    for length in LENGTHS {
        let put = put_options(&attributes);
        let content = bytes(length).into();
        place
            .store
            .put_opts(&path(&name(length)), content, put)
            .await
            .unwrap();
    }
    attributes
}

#[tokio::test]
async fn sealed_in_place_and_back_byte_for_byte() {
    let place = Place::on(&server::s3());
    let attributes = fill(&place).await;
    let before = place.contents().await;
    let count = LENGTHS.len() as u64;
    let total: usize = LENGTHS.iter().sum();

    let report = place.run(Operation::Look).await;
    assert_eq!(
        (report.total, report.clear.files, report.clear.bytes),
        (count, count, total as u64)
    );
    assert!(report.is_clean());

    let report = place.run(Operation::Encrypt).await;
    assert_eq!(report.skipped, []);
    assert_eq!(
        (report.changed.files, report.changed.bytes),
        (count, total as u64)
    );
    assert_eq!(
        (report.clear.files, report.sealed[&primary()].files),
        (0, count)
    );
    for length in LENGTHS {
        let name = name(length);
        assert!(place.is_object(&name).await, "{name}");
        assert!(place.open(&name).await == bytes(length), "{name}");
        let kept = place.store.get(&path(&name)).await.unwrap().attributes;
        for (attribute, value) in &attributes {
            assert_eq!(kept.get(attribute), Some(value), "{name}");
        }
    }
    let sealed = place.contents().await;
    assert_eq!(
        sealed.keys().collect::<Vec<_>>(),
        before.keys().collect::<Vec<_>>()
    );

    for operation in [
        Operation::Look,
        Operation::Verify,
        Operation::Encrypt,
        Operation::Rotate,
    ] {
        let report = place.run(operation).await;
        assert_eq!(
            (report.changed.files, report.sealed[&primary()].bytes),
            (0, total as u64)
        );
        assert!(report.is_clean(), "{operation:?}");
    }
    assert!(
        place.contents().await == sealed,
        "nothing was written again"
    );

    let report = place
        .bucket()
        .run(Operation::Rotate, &next_keyring(), &Options::default())
        .await;
    assert_eq!(report.unwrap().changed.files, count);
    assert_eq!(
        place.run(Operation::Look).await.undecryptable.len(),
        LENGTHS.len()
    );
    let report = place
        .bucket()
        .run(Operation::Decrypt, &next_keyring(), &Options::default())
        .await;
    assert_eq!(report.unwrap().changed.files, count);
    assert!(place.contents().await == before);
}

#[tokio::test]
async fn only_what_the_globs_name_is_meant() {
    let place = Place::on(&server::s3());
    for name in ["a.mp4", "b.txt", "x/c.mp4", "x/cache/d.mp4"] {
        place.put(name, name).await;
    }
    let (include, exclude) = (["*.mp4".to_owned()], ["cache".to_owned()]);
    let bucket = Bucket::open(
        &place.url,
        place.config.clone(),
        &include,
        &exclude,
        ObjectBind::Path,
    );
    let report = bucket
        .unwrap()
        .run(Operation::Encrypt, &keyring(), &Options::default())
        .await;
    assert_eq!(report.unwrap().changed.files, 2);
    for (name, sealed) in [
        ("a.mp4", true),
        ("b.txt", false),
        ("x/c.mp4", true),
        ("x/cache/d.mp4", false),
    ] {
        assert_eq!(place.is_object(name).await, sealed, "{name}");
    }
}

#[tokio::test]
async fn a_neighbour_that_begins_with_the_same_letters_is_not_meant() {
    let place = Place::on(&server::s3());
    place.put("clips/a", "clear").await;
    place.put("clips2/a", "clear").await;
    let url = format!("{}/clips", place.url);
    let bucket = Bucket::open(&url, place.config.clone(), &[], &[], ObjectBind::Path).unwrap();
    let report = bucket
        .run(Operation::Encrypt, &keyring(), &Options::default())
        .await
        .unwrap();
    assert_eq!(report.total, 1);
    assert_eq!(place.get("clips2/a").await, b"clear");
}

#[tokio::test]
async fn objects_are_bound_to_their_name_below_the_prefix() {
    let place = Place::on(&server::s3());
    place.put("a", "one").await;
    place.put("b", "two").await;
    place.run(Operation::Encrypt).await;
    let sealed = place.get("a").await;
    assert_eq!(
        atrest_core::object::open_object(&keyring(), b"a", &sealed).unwrap(),
        b"one"
    );
    place.put("b", sealed).await;
    let report = place.run(Operation::Verify).await;
    assert_eq!(report.undecryptable.len(), 1);
    assert_eq!(report.undecryptable[0].name, b"b");
    assert!(
        report.undecryptable[0]
            .problem
            .contains("sealed under another name")
    );
    assert!(!report.is_clean());
}

#[tokio::test]
async fn an_empty_place_is_clean() {
    let place = Place::on(&server::s3());
    for operation in [Operation::Look, Operation::Encrypt, Operation::Decrypt] {
        let report = place.run(operation).await;
        assert_eq!((report.total, report.is_clean()), (0, true));
    }
}

#[tokio::test]
async fn a_whole_bucket_is_a_place_too_and_runs_may_move_between_threads() {
    let server = server::s3();
    let place = Place::on(&server);
    place.put("a", "clear").await;
    let (bucket, prefix) = place.url["s3://".len()..].split_once('/').unwrap();
    let include = [format!("{prefix}/**").replace('~', "?")];
    let (url, config) = (format!("s3://{bucket}"), place.config.clone());
    let whole = Bucket::open(&url, config, &include, &[], ObjectBind::Path).unwrap();
    let running = async move {
        let keyring = keyring();
        whole
            .run(Operation::Look, &keyring, &Options::default())
            .await
    };
    let report = tokio::spawn(running).await.unwrap().unwrap();
    assert_eq!(report.clear.files, 1);
}
