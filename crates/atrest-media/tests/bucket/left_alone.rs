//! What is not changed: what does not open, and what was left over.

use atrest_core::object::seal_object;
use atrest_testing::server;

use super::*;

#[tokio::test]
async fn what_does_not_open_is_listed_and_never_changed() {
    let place = Place::on(&server::s3());
    let good = seal_object(&keyring(), b"x", &bytes(100_000)).unwrap();
    let mut changed = good.clone();
    changed[50_000] ^= 1; // found by reading all of it
    let foreign = seal_object(&Keyring::new(key(9), vec![]).unwrap(), b"foreign", b"x").unwrap();
    let mut newer = good.clone();
    newer[6] = 2;
    let cut = seal_object(&keyring(), b"cut", &bytes(100_000)).unwrap();
    let cases = [
        ("renamed", good.clone(), "another name"),
        ("foreign", foreign, "not in the keyring"),
        ("newer", newer, "newer kind"),
        ("cut", cut[..70_000].to_vec(), "does not open"),
        ("cut header", good[..10].to_vec(), "cut off"),
    ];
    for (name, content, _) in &cases {
        place.put(name, content.clone()).await;
    }
    place.put("x", changed.clone()).await;
    let before = place.contents().await;
    for operation in [
        Operation::Look,
        Operation::Verify,
        Operation::Encrypt,
        Operation::Rotate,
    ] {
        let report = place.run(operation).await;
        assert_eq!(report.changed.files, 0, "{operation:?}");
        assert!(!report.is_clean());
        for (name, _, says) in &cases {
            let found = report
                .undecryptable
                .iter()
                .find(|it| it.name == name.as_bytes());
            assert!(
                found.unwrap().problem.contains(says),
                "{operation:?} {name}: {found:?}"
            );
        }
        let all_read = operation == Operation::Verify;
        let found = report.undecryptable.iter().any(|it| it.name == b"x");
        assert_eq!(found, all_read, "{operation:?}");
    }
    for keys in [keyring(), next_keyring()] {
        for operation in [Operation::Rotate, Operation::Decrypt] {
            let report = place
                .bucket()
                .run(operation, &keys, &Options::default())
                .await
                .unwrap();
            assert_eq!(report.changed.files, 0, "{operation:?}");
        }
    }
    assert!(place.contents().await == before);
}

#[tokio::test]
async fn a_long_damaged_object_is_not_half_decrypted() {
    let place = Place::on(&server::s3());
    let mut object = seal_object(&keyring(), b"x", &bytes(20 * MIB)).unwrap();
    let near_the_end = object.len() - 100;
    object[near_the_end - 20_000] ^= 1;
    place.put("x", object.clone()).await;
    for operation in [Operation::Decrypt, Operation::Rotate] {
        let report = place
            .bucket()
            .run(operation, &next_keyring(), &Options::default())
            .await
            .unwrap();
        assert_eq!(report.undecryptable.len(), 1, "{report:?}");
        assert!(place.get("x").await == object);
    }
}

#[tokio::test]
async fn what_a_killed_run_left_is_removed_by_the_next_that_changes_things() {
    let place = Place::on(&server::s3());
    place.put("x/a", "clear").await;
    place.put("x/.atrest-0123456789abcdef.tmp", "probe").await;
    place.put("x/.atrest-mine.tmp", "somebody's own").await;
    let report = place.run(Operation::Look).await;
    assert_eq!(
        skipped(&report),
        [("x/.atrest-0123456789abcdef.tmp", &Why::LeftOver)]
    );
    let report = place.run(Operation::Encrypt).await;
    assert_eq!((report.removed, report.changed.files), (1, 2));
    let contents = place.contents().await;
    assert_eq!(
        contents.keys().collect::<Vec<_>>(),
        ["x/.atrest-mine.tmp", "x/a"]
    );
}

#[tokio::test]
async fn under_a_wrong_key_nothing_is_sealed() {
    let place = Place::on(&server::s3());
    place.put("a", "one").await;
    place.put("sub/b", "two").await;
    place.run(Operation::Encrypt).await;
    place.put("c", "clear").await;
    let before = place.contents().await;
    let wrong = Arc::new(Keyring::new(key(7), vec![]).unwrap());
    let options = Options::default();
    let encrypt =
        async |ring: &Arc<Keyring>| place.bucket().run(Operation::Encrypt, ring, &options).await;
    match encrypt(&wrong).await {
        Err(BucketError::WrongKeys { key, count, .. }) => {
            assert_eq!((key, count), (primary(), 2));
        }
        other => panic!("{other:?}"),
    }
    assert!(place.contents().await == before);
    let both = Arc::new(Keyring::new(key(7), vec![key(1)]).unwrap());
    assert_eq!(encrypt(&both).await.unwrap().changed.files, 1);
    place.put("d", "clear").await;
    let report = encrypt(&wrong).await.unwrap();
    assert_eq!((report.changed.files, report.undecryptable.len()), (1, 2));
}
