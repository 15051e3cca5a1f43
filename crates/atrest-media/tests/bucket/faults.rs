//! A server that is busy, and links that are cut.

use atrest_testing::{Fault, HttpProxy, server};

use super::*;

const LONG: usize = 20 * MIB;

#[tokio::test]
async fn a_busy_server_and_cut_links_are_tried_again() {
    let proxy = HttpProxy::to(&server::s3());
    let place = Place::on(proxy.url());
    place.put("long", bytes(LONG)).await;
    place.put("short", bytes(1_000)).await;
    for (what, fault) in [
        ("GET ", Fault::Answer(503)),
        ("list-type=2", Fault::Answer(500)),
        ("long?uploads", Fault::Answer(503)),
        ("long?partNumber=1", Fault::CutRequest(1 << 20)),
        ("long?partNumber=2", Fault::Answer(500)),
        ("long?partNumber=3", Fault::LoseAnswer),
        ("long?uploadId", Fault::Answer(503)),
        ("/long HTTP", Fault::CutAnswer(3 << 20)),
    ] {
        proxy.fail(2, what, fault);
    }
    let report = place.run(Operation::Encrypt).await;
    assert_eq!(report.skipped, []);
    assert_eq!(report.changed.files, 2);
    proxy.fail_no_more();
    assert!(place.open("long").await == bytes(LONG));
    assert!(place.open("short").await == bytes(1_000));
}

#[tokio::test]
async fn an_answer_that_is_lost_is_no_change_by_somebody_else() {
    let proxy = HttpProxy::to(&server::s3());
    let place = Place::on(proxy.url());
    for (name, length, what) in [
        ("short", 1_000, "PUT short"),
        ("long", LONG, "long?uploadId"),
    ] {
        place.put(name, bytes(length)).await;
        proxy.requests();
        proxy.fail(1, what, Fault::LoseAnswer);
        let report = place.run(Operation::Encrypt).await;
        proxy.fail_no_more();
        // It finds its own work there.
        assert_eq!(report.changed.files, 1, "{report:?}");
        assert_eq!(report.skipped, []);
        let asked = proxy.requests();
        let again = asked
            .iter()
            .filter(|it| what.split(' ').all(|word| it.contains(word)));
        assert!(again.count() >= 1, "{asked:?}");
        assert!(place.open(name).await == bytes(length), "{name}");
    }
}

#[tokio::test]
async fn a_server_that_stays_away_leaves_each_object_as_it_was() {
    let proxy = HttpProxy::to(&server::s3());
    let place = Place::on(proxy.url());
    place.put("long", bytes(LONG)).await;
    place.put("short", bytes(1_000)).await;
    let before = place.contents().await;
    for what in ["long?partNumber=2", "long?uploadId"] {
        proxy.fail(1_000, what, Fault::Answer(503));
        let report = place.run(Operation::Encrypt).await;
        proxy.fail_no_more();
        let [("long", Why::Failed(said))] = &skipped(&report)[..] else {
            panic!("{what}: {report:?}")
        };
        assert!(said.contains("503"), "{said}");
        assert!(!said.contains("Signature="), "{said}");
        assert!(place.get("long").await == bytes(LONG));
        assert_eq!(place.run(Operation::Decrypt).await.changed.files, 1);
        assert!(place.contents().await == before, "{what}");
    }
    assert_eq!(place.run(Operation::Encrypt).await.changed.files, 2);
}
