//! Scratch databases, dumps, private servers and the proxy, on real servers.
#![allow(missing_docs, reason = "tests")]
#![allow(clippy::expect_used, reason = "helpers of tests")]

use atrest_testing::{Connection, CutProxy, Dialect, PrivateServer, ScratchDatabase};

async fn every_scratch() -> Vec<ScratchDatabase> {
    vec![
        ScratchDatabase::postgres().await,
        ScratchDatabase::postgres18().await,
        ScratchDatabase::mariadb().await,
        ScratchDatabase::sqlite().await,
    ]
}

#[tokio::test]
async fn scratch_database_runs_statements_and_shows_raw_values() {
    for db in every_scratch().await {
        db.execute(
            "CREATE TABLE t (id int PRIMARY KEY, v varchar(20)); INSERT INTO t VALUES (1, 'é')",
        )
        .await;
        assert_eq!(
            db.execute("INSERT INTO t VALUES (2, NULL), (3, '')").await,
            2
        );
        let rows = db.rows("SELECT id, v FROM t ORDER BY id").await;
        let some = |s: &str| Some(s.as_bytes().to_vec());
        let expected = [
            [some("1"), some("é")],
            [some("2"), None],
            [some("3"), some("")],
        ]
        .map(Vec::from);
        assert_eq!(rows, expected, "{:?}", db.dialect());
        assert_eq!(
            db.scalar("SELECT max(id) FROM t").await.as_deref(),
            Some("3")
        );
    }
}

#[tokio::test]
async fn scratch_database_is_gone_after_drop() {
    let db = ScratchDatabase::postgres().await;
    let (name, url) = (db.name().to_owned(), db.url().to_owned());
    let other = ScratchDatabase::postgres().await;
    let count = format!("SELECT count(*) FROM pg_database WHERE datname = '{name}'");
    assert_eq!(other.scalar(&count).await.as_deref(), Some("1"));
    drop(db);
    assert_eq!(other.scalar(&count).await.as_deref(), Some("0"));
    assert!(Connection::open(&url).await.is_err());

    let db = ScratchDatabase::mariadb().await;
    let url = db.url().to_owned();
    drop(db);
    assert!(Connection::open(&url).await.is_err());
}

#[tokio::test]
async fn dump_is_stable_and_shows_every_change() {
    for db in every_scratch().await {
        let text = if db.dialect() == Dialect::Postgres {
            "text COLLATE \"C\""
        } else {
            "text"
        };
        db.execute(&format!(
            "CREATE TABLE people (id int PRIMARY KEY, name {text})"
        ))
        .await;
        db.execute("INSERT INTO people VALUES (1, 'Zoë Nobody'), (2, '')")
            .await;
        let before = db.dump().await;
        assert!(before.contains("Zoë Nobody"), "{:?}", db.url());
        assert!(!before.contains("Somebody Else"));
        before.assert_same(&db.dump().await);
        db.execute("UPDATE people SET name = 'Somebody Else' WHERE id = 1")
            .await;
        let changed = db.dump().await;
        assert!(changed != before && changed.contains("Somebody Else"));
        db.execute("UPDATE people SET name = 'Zoë Nobody' WHERE id = 1")
            .await;
        before.assert_same(&db.dump().await);
        db.execute("ALTER TABLE people ADD COLUMN more int").await;
        assert_ne!(before, db.dump().await, "a change of the definition shows");
    }
}

#[tokio::test]
async fn sqlite_dump_tells_classes_and_odd_bytes_apart() {
    let db = ScratchDatabase::sqlite().await;
    db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v)")
        .await;
    let mut seen = Vec::new();
    for value in [
        "1",
        "'1'",
        "1.0",
        "x'31'",
        "NULL",
        "''",
        "CAST(x'ff' AS TEXT)",
        "x'ff'",
    ]
    .into_iter()
    .chain(["CAST(x'610062' AS TEXT)", "CAST(x'610063' AS TEXT)"])
    {
        db.execute(&format!("DELETE FROM t; INSERT INTO t VALUES (1, {value})"))
            .await;
        let dump = db.dump().await;
        assert!(!seen.contains(&dump), "{value} looks like another");
        seen.push(dump);
    }
    assert_eq!(seen.len(), 10);
}

/// What was committed before `kill -9` is there after the restart.
async fn survives_kill(mut server: PrivateServer) {
    let db = ScratchDatabase::on(&server.url()).await;
    db.execute("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)")
        .await;
    let mut open = db.connect().await;
    let pid = server.pid();
    server.kill9();
    assert_eq!(server.pid(), None);
    assert!(
        open.rows("SELECT 1").await.is_err(),
        "the connection died with the server"
    );
    assert!(
        Connection::open(&server.url()).await.is_err(),
        "nobody answers"
    );
    server.start();
    assert_ne!(server.pid(), pid);
    assert_eq!(
        db.scalar("SELECT count(*) FROM t").await.as_deref(),
        Some("1")
    );
    server.restart();
    assert_eq!(
        db.scalar("SELECT count(*) FROM t").await.as_deref(),
        Some("1")
    );
}

#[tokio::test]
async fn postgres_killed_and_restarted() {
    survives_kill(PrivateServer::postgres()).await;
}

#[tokio::test]
async fn postgres18_killed_and_restarted() {
    survives_kill(PrivateServer::postgres18()).await;
}

#[tokio::test]
async fn mariadb_killed_and_restarted() {
    survives_kill(PrivateServer::mariadb()).await;
}

#[tokio::test]
async fn private_server_ends_with_its_handle() {
    let server = PrivateServer::postgres();
    let pid = server.pid().expect("it runs");
    drop(server);
    assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists());
}

#[tokio::test]
async fn proxy_passes_cuts_and_refuses() {
    for server in [
        atrest_testing::server::postgres(),
        atrest_testing::server::mariadb(),
    ] {
        let proxy = CutProxy::to(&server);
        let mut link = Connection::open(proxy.url())
            .await
            .expect("through the proxy");
        assert_eq!(
            link.rows("SELECT 42").await.expect("a row"),
            [[Some(b"42".to_vec())]]
        );
        assert_eq!(proxy.connections(), 1);
        proxy.cut();
        assert!(
            link.rows("SELECT 42").await.is_err(),
            "the connection was cut"
        );
        let mut link = Connection::open(proxy.url())
            .await
            .expect("new ones are taken");
        proxy.refuse(true);
        assert!(link.rows("SELECT 42").await.is_err());
        assert!(Connection::open(proxy.url()).await.is_err());
        proxy.refuse(false);
        Connection::open(proxy.url())
            .await
            .expect("taken again")
            .close()
            .await;
    }
}

#[tokio::test]
async fn proxy_cuts_in_the_middle_of_a_statement() {
    let db = ScratchDatabase::postgres().await;
    db.execute("CREATE TABLE t (v text)").await;
    let proxy = CutProxy::to(db.url());
    let mut link = Connection::open(proxy.url())
        .await
        .expect("through the proxy");
    proxy.cut_after(1_000);
    let long = format!("INSERT INTO t VALUES ('{}')", "x".repeat(5_000));
    assert!(link.execute(&long).await.is_err());
    assert_eq!(
        db.scalar("SELECT count(*) FROM t").await.as_deref(),
        Some("0")
    );
    let mut link = Connection::open(proxy.url())
        .await
        .expect("the cut is over");
    assert_eq!(link.execute(&long).await.expect("it is passed on whole"), 1);
}

#[tokio::test]
async fn proxy_loses_the_answer_of_a_statement_that_was_done() {
    let db = ScratchDatabase::postgres().await;
    db.execute("CREATE TABLE t (v text)").await;
    let proxy = CutProxy::to(db.url());
    let mut link = Connection::open(proxy.url())
        .await
        .expect("through the proxy");
    proxy.lose_answers(true);
    let insert = tokio::spawn(async move { link.execute("INSERT INTO t VALUES ('a')").await });
    while db.scalar("SELECT count(*) FROM t").await.as_deref() != Some("1") {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    assert!(!insert.is_finished(), "it waits for its answer");
    proxy.cut();
    assert!(insert.await.expect("no panic").is_err());
}
