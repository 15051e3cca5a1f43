//! What a server enforces is found out before anything is changed.

use atrest_testing::{HttpProxy, server};

use super::*;

#[tokio::test]
async fn a_server_that_ignores_conditions_is_refused_and_nothing_is_changed() {
    let place = Place::on(&server::s3_lax());
    place.put("a", "clear").await;
    for operation in [Operation::Encrypt, Operation::Rotate, Operation::Decrypt] {
        let error = place.try_run(operation).await.unwrap_err();
        assert!(
            matches!(error, BucketError::Unconditional { .. }),
            "{error:?}"
        );
        let said = error.to_string();
        assert!(
            said.contains(&place.url) && said.contains("stop all writers"),
            "{said}"
        );
    }
    let contents = place.contents().await;
    assert_eq!(
        contents.keys().collect::<Vec<_>>(),
        ["a"],
        "the probe is gone"
    );
    assert_eq!(contents["a"].0, b"clear");
}

#[tokio::test]
async fn it_will_do_when_nobody_else_writes() {
    let place = Place::on(&server::s3_lax());
    let quiet = || place.bucket().assume_quiet(true);
    let lengths = [1, 100_000, 9 * MIB];
    for length in lengths {
        place.put(&length.to_string(), bytes(length)).await;
    }
    let options = Options::default();
    let report = quiet()
        .run(Operation::Encrypt, &keyring(), &options)
        .await
        .unwrap();
    assert_eq!(report.skipped, []);
    assert_eq!(report.changed.files, 3);
    for length in lengths {
        assert!(place.is_object(&length.to_string()).await);
    }
    let report = quiet()
        .run(Operation::Decrypt, &keyring(), &options)
        .await
        .unwrap();
    assert_eq!(report.skipped, []);
    assert_eq!(report.changed.files, 3);
    for length in lengths {
        assert!(place.get(&length.to_string()).await == bytes(length));
    }
}

#[tokio::test]
async fn long_objects_are_left_alone_where_only_whole_writes_are_conditional() {
    let place = Place::on(&server::s3_versioned());
    place.put("long", bytes(9 * MIB)).await;
    place.put("short", bytes(1_000)).await;
    let report = place.run(Operation::Encrypt).await;
    assert_eq!(report.changed.files, 1);
    let [("long", why)] = &skipped(&report)[..] else {
        panic!("{report:?}")
    };
    assert!(why.to_string().contains("longer than 8 MiB"), "{why}");
    assert!(!report.is_clean());
    assert!(place.get("long").await == bytes(9 * MIB));

    let quiet = place.bucket().assume_quiet(true);
    let report = quiet
        .run(Operation::Encrypt, &keyring(), &Options::default())
        .await
        .unwrap();
    assert_eq!((report.changed.files, report.is_clean()), (1, true));
    assert!(place.open("long").await == bytes(9 * MIB));
}

#[tokio::test]
async fn looking_tries_nothing_and_writes_nothing() {
    let proxy = HttpProxy::to(&server::s3());
    let place = Place::on(proxy.url());
    place.put("a", "clear").await;
    proxy.requests();
    for operation in [Operation::Look, Operation::Verify] {
        place.run(operation).await;
    }
    let asked = proxy.requests();
    assert!(asked.iter().all(|it| it.starts_with("GET ")), "{asked:?}");
}

#[tokio::test]
async fn what_is_wrong_with_the_settings_is_said() {
    let place = Place::on(&server::s3());
    place.put("a", "clear").await;
    let with = |name: &str, value: &str| {
        let mut config = place.config.clone();
        config.retain(|(it, _)| it != name);
        config.push((name.to_owned(), value.to_owned()));
        Bucket::open(&place.url, config, &[], &[], ObjectBind::Path).unwrap()
    };
    let secret = "a secret that must not be told";
    for bucket in [
        with("AWS_SECRET_ACCESS_KEY", secret),
        with("AWS_ACCESS_KEY_ID", "nobody"),
    ] {
        for operation in [Operation::Look, Operation::Encrypt] {
            let error = bucket
                .run(operation, &keyring(), &Options::default())
                .await
                .unwrap_err();
            let said = error.to_string();
            assert!(said.contains("check the AWS_* settings"), "{said}");
            assert!(said.contains("403"), "{said}");
            assert!(
                !said.contains(secret) && !said.contains("Signature="),
                "{said}"
            );
        }
    }
}
