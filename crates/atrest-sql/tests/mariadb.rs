//! The conformance suite on MariaDB, and what is MySQL's and MariaDB's own.
//! (MySQL itself is not among the test servers.)
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

mod conformance;
mod mariadb_cases;

use atrest_engine::target::{Change, KeyRange, TargetError};
use atrest_testing::{CutProxy, ScratchDatabase};
use conformance::{all, assert_refused, bytes, column, connect, describe, says, table, text};

conformance!(ScratchDatabase::mariadb);

#[tokio::test]
async fn nobody_can_tell_whether_others_write() {
    let s = ScratchDatabase::mariadb().await;
    s.execute("CREATE TABLE t (id integer PRIMARY KEY, c text)")
        .await;
    let db = connect(&s).await;
    let target = column(&db, "t", "c").await;
    assert_eq!(target.history().await.unwrap(), None);
    db.close().await;
}

#[tokio::test]
async fn what_fits_stays() {
    let s = ScratchDatabase::mariadb().await;
    s.execute("CREATE TABLE t (id INT PRIMARY KEY, a TEXT, b VARCHAR(5000), c VARCHAR(40), d BLOB, e TINYTEXT, f MEDIUMTEXT, g TEXT CHARACTER SET utf16)").await;
    for (name, longest, sealed) in [
        ("a", 65_535, None),
        ("a", 65_536, Some("mediumtext")),
        ("a", 10_000_000, Some("longtext")),
        ("b", 5_000, None),
        ("b", 5_001, Some("text")),
        ("c", 41, Some("text")),
        ("d", 65_535, None),
        ("d", 70_000, Some("mediumblob")),
        ("e", 255, None),
        ("e", 256, Some("text")),
        ("f", 16_777_215, None),
        ("g", 32_767, None),
        ("g", 32_768, Some("mediumtext")),
    ] {
        let found = describe(&s, "t", name, longest).await;
        assert_eq!(
            found.schema.map(|c| c.sealed_type).as_deref(),
            sealed,
            "{name} at {longest}"
        );
    }
}

#[tokio::test]
async fn refusals() {
    let s = ScratchDatabase::mariadb().await;
    s.execute(
        "CREATE TABLE parent (id INT PRIMARY KEY, code VARCHAR(40) UNIQUE);
         CREATE TABLE t (id INT PRIMARY KEY, u VARCHAR(40) UNIQUE, f VARCHAR(40), g VARCHAR(400), gg VARCHAR(400) AS (upper(g)) STORED,
           ck VARCHAR(400) CHECK (length(ck) < 10), ck2 VARCHAR(400), n INT NOT NULL AUTO_INCREMENT, i VARCHAR(40), pre VARCHAR(40),
           up TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP, b BIT(4), p POINT, big LONGTEXT,
           KEY (n), KEY over_i (i), KEY over_pre (pre(10)), CONSTRAINT to_parent FOREIGN KEY (f) REFERENCES parent (code),
           CONSTRAINT table_check CHECK (ck2 <> 'x' OR id > 3));
         CREATE TABLE myisam (id INT PRIMARY KEY, c TEXT) ENGINE = MyISAM;
         CREATE TABLE versioned (id INT PRIMARY KEY, c TEXT) WITH SYSTEM VERSIONING;
         CREATE TABLE nokey (a INT, c TEXT);
         CREATE TABLE bad_enum (id INT PRIMARY KEY, c ENUM('a', 'b')); SET SESSION sql_mode = ''; INSERT INTO bad_enum VALUES (1, 'neither')",
    )
    .await;
    for (name, of, longest, part) in [
        ("t", "u", 200, "unique"),
        ("t", "f", 200, "foreign key"),
        ("parent", "code", 200, "foreign key"),
        ("t", "g", 200, "generated"),
        ("t", "gg", 200, "generated"),
        ("t", "ck", 200, "CHECK"),
        ("t", "ck2", 200, "CHECK"),
        ("t", "n", 200, "AUTO_INCREMENT"),
        ("t", "i", 200, "index over_i"),
        ("t", "up", 200, "ON UPDATE"),
        ("t", "b", 200, "no text that goes back"),
        ("t", "p", 200, "no text that goes back"),
        ("t", "id", 200, "primary key"),
        ("t", "big", 600_000_000, "max_allowed_packet"),
        ("myisam", "c", 200, "MyISAM"),
        ("versioned", "c", 200, "SYSTEM VERSIONING"),
        ("nokey", "c", 200, "no primary key"),
        ("bad_enum", "c", 200, "none of its labels"),
    ] {
        assert_refused(&s, name, of, longest, part).await;
    }
    let found = describe(&s, "t", "pre", 200).await;
    assert!(
        found.refusals.is_empty(),
        "an index by prefix may stay: {:?}",
        found.refusals
    );
}

#[tokio::test]
async fn warnings() {
    let s = ScratchDatabase::mariadb().await;
    s.execute(
        "CREATE TABLE t (id INT PRIMARY KEY, c TEXT DEFAULT 'd', o TEXT, stamp DATETIME ON UPDATE CURRENT_TIMESTAMP, KEY over_c (c(5)), KEY over_o (o(5)));
         CREATE VIEW v AS SELECT c FROM t; CREATE VIEW other AS SELECT o FROM t;
         CREATE TRIGGER fires BEFORE UPDATE ON t FOR EACH ROW SET NEW.o = NEW.o;
         CREATE TRIGGER silent BEFORE INSERT ON t FOR EACH ROW SET NEW.o = NEW.o",
    )
    .await;
    let found = describe(&s, "t", "c", 200).await;
    assert!(found.refusals.is_empty(), "{:?}", found.refusals);
    for part in [
        "DEFAULT",
        "over_c",
        ".v shows",
        "trigger fires",
        "stamp",
        "grows",
    ] {
        assert!(
            says(&found.warnings, part),
            "{part} in {:#?}",
            found.warnings
        );
    }
    for part in ["over_o", "silent", ".other"] {
        assert!(!says(&found.warnings, part), "{part}");
    }
}

#[tokio::test]
async fn columns_that_stamp_themselves_stay_as_they_are() {
    let s = ScratchDatabase::mariadb().await;
    s.execute(
        "CREATE TABLE t (id INT PRIMARY KEY, c TEXT, `up``dated` TIMESTAMP NOT NULL DEFAULT '2001-01-01' ON UPDATE CURRENT_TIMESTAMP,
         d DATETIME(6) DEFAULT '2002-02-02' ON UPDATE CURRENT_TIMESTAMP(6)); INSERT INTO t (id, c) VALUES (1, 'a'), (2, 'b')",
    )
    .await;
    let db = connect(&s).await;
    let target = column(&db, "t", "c").await;
    let changes: Vec<Change> = all(&target)
        .await
        .into_iter()
        .map(|row| Change {
            key: row.key,
            old: row.value,
            new: text("sealed"),
        })
        .collect();
    assert_eq!(target.write(changes.clone(), &[]).await.unwrap(), 2);
    let stamped = s
        .scalar("SELECT count(*) FROM t WHERE `up``dated` <> '2001-01-01' OR d <> '2002-02-02'")
        .await;
    assert_eq!(stamped.as_deref(), Some("0"));
    db.close().await;
}

/// A server that cuts silently: our sessions do not.
#[tokio::test]
async fn a_non_strict_server_cuts_nothing() {
    let s = ScratchDatabase::mariadb().await;
    s.execute(
        "CREATE TABLE t (id INT PRIMARY KEY, c VARCHAR(10)); INSERT INTO t VALUES (1, 'short')",
    )
    .await;
    let mode = s.scalar("SELECT @@GLOBAL.sql_mode").await.unwrap();
    s.execute("SET GLOBAL sql_mode = ''").await;
    let db = connect(&s).await;
    let target = column(&db, "t", "c").await;
    let row = all(&target).await.remove(0);
    let change = Change {
        key: row.key,
        old: row.value,
        new: text("much longer than ten"),
    };
    let written = target.write(vec![change], &[]).await;
    s.execute(&format!("SET GLOBAL sql_mode = '{mode}'")).await;
    let error = written.expect_err("too long");
    assert!(matches!(error, TargetError::Database { .. }), "{error}");
    assert_eq!(s.scalar("SELECT c FROM t").await.as_deref(), Some("short"));
    db.close().await;
}

#[tokio::test]
async fn a_server_error_shows_no_value() {
    let s = ScratchDatabase::mariadb().await;
    s.execute("CREATE TABLE t (id INT PRIMARY KEY, c INT); INSERT INTO t VALUES (1, 5)")
        .await;
    let db = connect(&s).await;
    let target = column(&db, "t", "c").await;
    let row = target
        .read(&KeyRange::default(), 1, 100)
        .await
        .unwrap()
        .remove(0);
    assert_eq!(bytes(&row.value), b"5");
    let change = Change {
        key: row.key,
        old: row.value,
        new: text("a very secret word"),
    };
    let error = target
        .write(vec![change], &[])
        .await
        .expect_err("no integer");
    let said = format!("{error} {error:?}");
    assert!(!said.contains("secret word"), "{said}");
    db.close().await;
}

#[tokio::test]
async fn missing_rights_name_the_grant() {
    let s = ScratchDatabase::mariadb().await;
    let (role, name) = (format!("r{}", &s.name()[s.name().len() - 12..]), s.name());
    s.execute(&format!(
        "CREATE TABLE t (id INT PRIMARY KEY, c TEXT); INSERT INTO t VALUES (1, 'a');
         CREATE USER '{role}'@'%' IDENTIFIED BY 'secret'; GRANT SELECT ON `{name}`.* TO '{role}'@'%'"
    ))
    .await;
    let (_, rest) = s.url().split_once('@').expect("a URL with a user");
    let db = atrest_sql::connect(&format!("mariadb://{role}:secret@{rest}"))
        .await
        .expect("may log in");
    assert_eq!(db.dialect(), "mariadb");
    let target = db.column(&table("t"), "c").await.unwrap();
    target.describe(100, false).await.expect("may look");
    assert_eq!(all(&target).await.len(), 1);
    let said = target
        .describe(100, true)
        .await
        .expect_err("may not change")
        .to_string();
    assert!(
        said.contains("GRANT SELECT, UPDATE ON") && said.contains(&role),
        "{said}"
    );
    s.execute(&format!("GRANT UPDATE ON `{name}`.t TO '{role}'@'%'"))
        .await;
    let said = target
        .describe(100, true)
        .await
        .expect_err("no journal")
        .to_string();
    assert!(
        said.contains("GRANT CREATE") && said.contains("atrest_journal"),
        "{said}"
    );
    s.execute(&format!(
        "GRANT CREATE, INSERT, UPDATE, DELETE, DROP ON `{name}`.atrest_journal TO '{role}'@'%'"
    ))
    .await;
    target.describe(100, true).await.expect("has what it needs");
    db.journal_create().await.expect("may create");
    target
        .describe(100, true)
        .await
        .expect("still has what it needs");
    db.close().await;
    s.execute(&format!("DROP USER '{role}'@'%'")).await;
    let error = atrest_sql::connect(&format!("mysql://{role}:secret@{rest}"))
        .await
        .err()
        .expect("no such user");
    assert!(matches!(error, TargetError::Permission { .. }), "{error}");
    assert!(
        !format!("{error} {error:?}").contains("secret"),
        "no password in an error"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_connection_ends_the_lock() {
    let s = ScratchDatabase::mariadb().await;
    let proxy = CutProxy::to(s.url());
    let db = atrest_sql::connect(proxy.url()).await.expect("connects");
    let mut lock = db.lock("t.c").await.expect("free");
    lock.check().await.expect("held");
    proxy.cut();
    lock.check().await.expect_err("the connection is gone");
    let other = connect(&s).await;
    let mut taken = None;
    for _ in 0..20 {
        if let Ok(lock) = other.lock("t.c").await {
            taken = Some(lock);
            break;
        }
    }
    taken
        .expect("free for another")
        .check()
        .await
        .expect("held by the other");
    other.close().await;
}

#[tokio::test]
async fn other_databases_by_their_name() {
    let (s, o) = (
        ScratchDatabase::mariadb().await,
        ScratchDatabase::mariadb().await,
    );
    for (d, value) in [(&s, "here"), (&o, "there")] {
        d.execute(&format!(
            "CREATE TABLE t (id INT PRIMARY KEY, c TEXT); INSERT INTO t VALUES (1, '{value}')"
        ))
        .await;
    }
    let db = connect(&s).await;
    let far = format!("{}.t", o.name());
    let target = column(&db, &far, "c").await;
    assert_eq!(
        (target.name(), &all(&target).await[0].value),
        (format!("{far}.c").as_str(), &text("there"))
    );
    let near = column(&db, &format!("{}.t", s.name()), "c").await;
    assert_eq!(
        (near.name(), &all(&near).await[0].value),
        ("t.c", &text("here"))
    );
    assert!(
        db.tables()
            .await
            .unwrap()
            .iter()
            .any(|t| t.name.to_string() == far)
    );
    db.close().await;
    let (server, _) = s.url().rsplit_once('/').expect("a path");
    let error = atrest_sql::connect(server)
        .await
        .err()
        .expect("no database named");
    assert!(matches!(error, TargetError::Refused { .. }), "{error}");
}
