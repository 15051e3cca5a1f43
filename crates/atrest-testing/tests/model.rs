//! The model finds every crime it is there to find, and none where there is none.
#![allow(missing_docs, reason = "tests")]
#![allow(clippy::expect_used, reason = "helpers of tests")]

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use atrest_testing::model::{Model, Place};
use atrest_testing::traffic::{Options, Traffic, fill};
use atrest_testing::{CutProxy, PrivateServer, ScratchDatabase};

async fn filled(db: &ScratchDatabase, rows: u32) -> (Place, Model) {
    let place = Place::at(db.url());
    db.execute(&place.create_sql()).await;
    let model = fill(&place, rows, 7)
        .await
        .expect("the table can be filled");
    (place, model)
}

async fn violations(model: &Model, place: &Place) -> Vec<String> {
    let found = model.compare(place, |_, stored| Ok(stored.to_vec())).await;
    found.expect("the table can be read").violations
}

/// Honest writers leave exactly what the model says, and do every kind of statement.
async fn clean_after_traffic(db: ScratchDatabase) {
    let (place, model) = filled(&db, 300).await;
    assert_eq!(violations(&model, &place).await, [""; 0]);
    let connections = if db.is_sqlite() { 1 } else { 4 };
    let options = Options {
        per_second: 400,
        connections,
        ..Options::default()
    };
    let traffic = Traffic::start(&place, model, options.clone());
    until(|| traffic.counters().confirmed.load(Ordering::Relaxed) > 400).await;
    let model = traffic.stop().await;
    let report = model
        .compare(&place, |_, stored| Ok(stored.to_vec()))
        .await
        .expect("readable");
    report.assert_clean();
    assert_eq!(report.uncertain, 0, "nothing was cut");
    assert!(report.deleted > 5 && report.rows > 200, "{report:?}");
    assert!(model.ids() > 320, "rows were inserted");

    // It goes on from the model, now storing something else than the clear value.
    let encode = Arc::new(|id: i64, clear: &str| format!("sealed {id}:{clear}"));
    let traffic = Traffic::start(
        &place,
        model,
        Options {
            encode,
            seed: 2,
            ..options
        },
    );
    until(|| traffic.counters().confirmed.load(Ordering::Relaxed) > 100).await;
    let model = traffic.stop().await;
    let mut sealed = 0;
    let report = model.compare(&place, |id, stored| {
        let prefix = format!("sealed {id}:");
        let clear = stored.strip_prefix(prefix.as_bytes());
        sealed += u32::from(clear.is_some());
        Ok(clear.unwrap_or(stored).to_vec())
    });
    report.await.expect("readable").assert_clean();
    assert!(sealed > 20);
}

/// Waits, for no more than a minute.
async fn until(mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(
            start.elapsed() < Duration::from_secs(60),
            "the writers do not get on"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

trait IsSqlite {
    fn is_sqlite(&self) -> bool;
}

impl IsSqlite for ScratchDatabase {
    fn is_sqlite(&self) -> bool {
        self.dialect() == atrest_testing::Dialect::Sqlite
    }
}

#[tokio::test]
async fn postgres_traffic_leaves_what_the_model_says() {
    clean_after_traffic(ScratchDatabase::postgres().await).await;
}

#[tokio::test]
async fn mariadb_traffic_leaves_what_the_model_says() {
    clean_after_traffic(ScratchDatabase::mariadb().await).await;
}

#[tokio::test]
async fn sqlite_traffic_leaves_what_the_model_says() {
    clean_after_traffic(ScratchDatabase::sqlite().await).await;
}

#[tokio::test]
async fn every_crime_is_found() {
    let db = ScratchDatabase::sqlite().await;
    let (place, mut model) = filled(&db, 50).await;
    model.set(3, None);
    db.execute("DELETE FROM traffic WHERE id = 3").await;
    assert_eq!(violations(&model, &place).await, [""; 0]);

    let crimes = [
        ("DELETE FROM traffic WHERE id = 5", "row 5 is lost"),
        (
            "UPDATE traffic SET value = 'old' WHERE id = 6",
            "row 6 holds another value",
        ),
        (
            "UPDATE traffic SET value = NULL WHERE id = 7",
            "row 7 holds another value",
        ),
        (
            "UPDATE traffic SET untouched = 'x' WHERE id = 8",
            "row 8 has another untouched",
        ),
        (
            "INSERT INTO traffic VALUES (3, 'v', 'u')",
            "row 3 was deleted and is back",
        ),
        (
            "INSERT INTO traffic VALUES (99, 'v', 'u')",
            "row 99 was never written",
        ),
    ];
    for (i, (sql, message)) in crimes.iter().enumerate() {
        db.execute(sql).await;
        let found = violations(&model, &place).await;
        assert_eq!(found.len(), i + 1, "{sql}: {found:?}");
        assert!(
            found.iter().any(|v| v.contains(message)),
            "{sql}: {found:?}"
        );
    }
    let refused = model
        .compare(&place, |_, _| Err("in clear".into()))
        .await
        .expect("readable");
    assert!(
        refused
            .violations
            .iter()
            .filter(|v| v.contains("cannot be opened: in clear"))
            .count()
            > 30
    );
}

/// The server answers nobody for a while and connections die with statements under
/// way: both outcomes are allowed for these rows, only for these.
#[tokio::test(flavor = "multi_thread")]
async fn cut_connections_leave_two_possible_states() {
    for db in [
        ScratchDatabase::postgres().await,
        ScratchDatabase::mariadb().await,
    ] {
        let (direct, model) = filled(&db, 500).await;
        let proxy = CutProxy::to(db.url());
        let through = Place {
            url: proxy.url().to_owned(),
            ..direct.clone()
        };
        let traffic = Traffic::start(&through, model, Options::default());
        for round in 0..10 {
            let before = traffic.counters().confirmed.load(Ordering::Relaxed);
            until(|| traffic.counters().confirmed.load(Ordering::Relaxed) > before + 20).await;
            // Half of the cuts lose the answer to what was done, half the statement.
            if round % 2 == 0 {
                proxy.lose_answers(true);
                tokio::time::sleep(Duration::from_millis(50)).await;
                proxy.cut();
                proxy.lose_answers(false);
            } else {
                proxy.cut_after(700);
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        let unknown = traffic.counters().unknown.load(Ordering::Relaxed);
        let model = traffic.stop().await;
        // What the server still works on from a cut connection ends by itself.
        tokio::time::sleep(Duration::from_millis(300)).await;
        let report = model
            .compare(&direct, |_, stored| Ok(stored.to_vec()))
            .await;
        let report = report.expect("the table can be read");
        report.assert_clean();
        assert!(unknown >= 10, "statements were cut: {unknown}");
        assert!(report.uncertain <= unknown, "{report:?}");
    }
}

/// Commits that were confirmed are there after the server was killed.
#[tokio::test(flavor = "multi_thread")]
async fn killed_server_keeps_what_it_confirmed() {
    for mut server in [PrivateServer::postgres(), PrivateServer::mariadb()] {
        let db = ScratchDatabase::on(&server.url()).await;
        let (place, model) = filled(&db, 200).await;
        let traffic = Traffic::start(&place, model, Options::default());
        for _ in 0..2 {
            let before = traffic.counters().confirmed.load(Ordering::Relaxed);
            until(|| traffic.counters().confirmed.load(Ordering::Relaxed) > before + 50).await;
            server = tokio::task::spawn_blocking(move || {
                server.kill9();
                server.start();
                server
            })
            .await
            .expect("the server starts again");
        }
        let before = traffic.counters().confirmed.load(Ordering::Relaxed);
        until(|| traffic.counters().confirmed.load(Ordering::Relaxed) > before + 20).await;
        let model = traffic.stop().await;
        let report = model.compare(&place, |_, stored| Ok(stored.to_vec())).await;
        report.expect("the table can be read").assert_clean();
    }
}
