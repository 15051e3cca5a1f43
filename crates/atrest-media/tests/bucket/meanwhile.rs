//! What others do while a run is under way, and runs that are given up.

use std::sync::Mutex;
use std::time::Duration;

use atrest_engine::observe::Stop;
use atrest_media::bucket::Progress;
use atrest_testing::{Fault, HttpProxy, server};

use super::*;

/// Runs the operation, and does something at the first progress, on another thread.
async fn while_reading(
    place: &Place,
    operation: Operation,
    does: impl AsyncFnOnce() + Send + 'static,
) -> Report
where
{
    let does = Mutex::new(Some(does));
    let progress = |_: Progress| {
        let Some(does) = does.lock().unwrap().take() else {
            return;
        };
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build();
                runtime.unwrap().block_on(does());
            });
        });
    };
    let options = Options {
        progress: &progress,
        ..Options::default()
    };
    place
        .bucket()
        .run(operation, &keyring(), &options)
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_meanwhile_is_never_overwritten() {
    for length in [100_000, 9 * MIB, 30 * MIB] {
        let place = Place::on(&server::s3());
        place.put("a", bytes(length)).await;
        let store = place.store.clone();
        let report = while_reading(&place, Operation::Encrypt, async move || {
            store
                .put(&path("a"), "written meanwhile".into())
                .await
                .unwrap();
        })
        .await;
        assert_eq!(skipped(&report), [("a", &Why::Changed)], "{length}");
        assert_eq!(place.get("a").await, b"written meanwhile");
        assert!(!report.is_clean());
        assert_eq!(place.run(Operation::Encrypt).await.changed.files, 1);
        assert_eq!(place.open("a").await, b"written meanwhile");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_removed_meanwhile_does_not_come_back() {
    for length in [100_000, 9 * MIB] {
        let place = Place::on(&server::s3());
        place.put("a", bytes(length)).await;
        let store = place.store.clone();
        let report = while_reading(&place, Operation::Encrypt, async move || {
            store.delete(&path("a")).await.unwrap();
        })
        .await;
        assert_eq!(report.changed.files, 0, "{report:?}");
        assert_eq!(report.skipped.len(), 1, "{report:?}");
        assert!(place.contents().await.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_conditions_it_is_looked_at_again() {
    let place = Place::on(&server::s3_lax());
    place.put("a", bytes(100_000)).await;
    let store = place.store.clone();
    let does = Mutex::new(Some(store));
    let progress = |_: Progress| {
        let Some(store) = does.lock().unwrap().take() else {
            return;
        };
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build();
                runtime.unwrap().block_on(async {
                    // The ETag of some servers is no more than length and time.
                    tokio::time::sleep(Duration::from_millis(1_100)).await;
                    store.put(&path("a"), "meanwhile".into()).await.unwrap();
                });
            });
        });
    };
    let options = Options {
        progress: &progress,
        ..Options::default()
    };
    let quiet = place.bucket().assume_quiet(true);
    let report = quiet
        .run(Operation::Encrypt, &keyring(), &options)
        .await
        .unwrap();
    assert_eq!(skipped(&report), [("a", &Why::Changed)]);
    assert_eq!(place.get("a").await, b"meanwhile");
}

#[tokio::test]
async fn a_run_that_is_stopped_leaves_each_object_whole() {
    let place = Place::on(&server::s3());
    for number in 0..6 {
        place.put(&number.to_string(), bytes(9 * MIB)).await;
    }
    let stop = Stop::default();
    let progress = |progress: Progress| {
        if progress.files >= 2 {
            stop.request();
        }
    };
    let options = Options {
        workers: 2,
        progress: &progress,
        stop: stop.clone(),
    };
    let report = place
        .bucket()
        .run(Operation::Encrypt, &keyring(), &options)
        .await
        .unwrap();
    assert!(report.stopped && !report.is_clean());
    assert!((2..6).contains(&report.changed.files), "{report:?}");
    let mut sealed = 0;
    for number in 0..6 {
        let name = number.to_string();
        if place.is_object(&name).await {
            sealed += 1;
            assert!(place.open(&name).await == bytes(9 * MIB));
        } else {
            assert!(place.get(&name).await == bytes(9 * MIB));
        }
    }
    assert_eq!(sealed, report.changed.files);
    assert_eq!(
        place.run(Operation::Encrypt).await.changed.files,
        6 - sealed
    );
    assert!(place.run(Operation::Verify).await.is_clean());
}

#[tokio::test]
async fn a_run_that_is_dropped_anywhere_leaves_each_object_whole() {
    let proxy = HttpProxy::to(&server::s3());
    let place = Place::on(proxy.url());
    place.put("a", bytes(20 * MIB)).await;
    // Each request in turn never comes back; the run is dropped while it waits.
    for what in [
        "GET ",
        "uploads",
        "partNumber=1",
        "partNumber=2",
        "partNumber=3",
        "POST /atrest/bucket",
    ] {
        proxy.fail(1, what, Fault::Stall(Duration::from_secs(30)));
        let running = place.try_run(Operation::Encrypt);
        let ended = tokio::time::timeout(Duration::from_millis(1_500), running).await;
        proxy.fail_no_more();
        if ended.is_ok() {
            panic!("{what} was never asked");
        }
        assert!(place.get("a").await == bytes(20 * MIB), "{what}");
    }
    assert_eq!(place.run(Operation::Encrypt).await.changed.files, 1);
    assert!(place.open("a").await == bytes(20 * MIB));
    assert_eq!(place.contents().await.len(), 1, "nothing is left over");
}
