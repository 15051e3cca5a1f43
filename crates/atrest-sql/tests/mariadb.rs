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

use atrest_engine::target::{Change, KeyRange, TargetError};
use atrest_testing::{CutProxy, ScratchDatabase};
use conformance::roundtrip::{self, Case};
use conformance::{
    all, assert_refused, bytes, column, connect, describe, paging, says, table, text,
};

conformance!(ScratchDatabase::mariadb);

#[tokio::test]
async fn keys_of_every_type() {
    let s = ScratchDatabase::mariadb().await;
    paging::keys(
        &s,
        &[
            ("INT", &["1", "-2147483648", "2147483647", "0"]),
            (
                "BIGINT",
                &["9223372036854775807", "-9223372036854775808", "0"],
            ),
            (
                "BIGINT UNSIGNED",
                &["18446744073709551615", "0", "9223372036854775808"],
            ),
            ("TINYINT", &["-1", "1"]),
            ("INT(6) ZEROFILL", &["5", "123"]),
            ("YEAR", &["2024", "1999"]),
            (
                "VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci",
                &["''", "'a'", "'B'", "'ä1'", "'it''s'", "'雪'", "'a\\\\b'"],
            ),
            (
                "VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci",
                &["'b'", "'A'", "'ß'"],
            ),
            (
                "VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
                &["'b'", "'A'", "'a'", "'B'"],
            ),
            (
                "VARCHAR(20) CHARACTER SET latin1 COLLATE latin1_german1_ci",
                &["'b'", "'A'", "'ä1'", "'ö'"],
            ),
            ("VARCHAR(20) CHARACTER SET utf8mb3", &["'b'", "'ü'"]),
            ("CHAR(6) CHARACTER SET ascii", &["'b'", "'A'", "'abcdef'"]),
            ("CHAR(36) CHARACTER SET utf16", &["'b'", "'雪'"]),
            ("VARBINARY(16)", &["''", "x'00ff'", "x'01'"]),
            ("BINARY(4)", &["x'00ff0000'", "'ab'"]),
            (
                "UUID",
                &[
                    "'00000000-0000-0000-0000-000000000001'",
                    "'ffffffff-ffff-ffff-ffff-ffffffffffff'",
                ],
            ),
            ("INET6", &["'::1'", "'fe80::1'"]),
            ("DATE", &["'2024-01-01'", "'9999-12-31'", "'0001-01-01'"]),
            (
                "DATETIME(6)",
                &["'2024-01-01 00:00:00.000001'", "'1000-01-01'"],
            ),
            (
                "TIMESTAMP(3)",
                &["'2024-01-01 00:00:00.123'", "'2001-01-01'"],
            ),
            ("TIME(2)", &["'-838:59:59'", "'12:00:00.25'"]),
            (
                "DECIMAL(30,10)",
                &["1.5", "-0.0000000001", "12345678901234567890"],
            ),
            ("DOUBLE", &["0.1", "-5", "1.7976931348623157e308"]),
        ],
    )
    .await;
}

#[tokio::test]
async fn keys_without_exact_text_are_refused() {
    let s = ScratchDatabase::mariadb().await;
    for (i, definition) in ["FLOAT", "ENUM('a','b')", "BIT(4)", "SET('a')"]
        .into_iter()
        .enumerate()
    {
        s.execute(&format!(
            "CREATE TABLE k{i} (k {definition} NOT NULL PRIMARY KEY, c TEXT)"
        ))
        .await;
        assert_refused(&s, &format!("k{i}"), "c", 200, "key column k").await;
    }
    s.execute("CREATE TABLE k9 (k TEXT NOT NULL, c TEXT, PRIMARY KEY (k(10)))")
        .await;
    assert_refused(&s, "k9", "c", 200, "key column k").await;
}

#[tokio::test]
async fn schema_and_values_come_back() {
    let s = ScratchDatabase::mariadb().await;
    roundtrip::types(
        &s,
        &[
            Case { definition: "TEXT", values: &["'a'", "''", "NULL", "'it''s 雪'", "'back\\\\slash'", "'line\\nfeed'"] },
            Case { definition: "TINYTEXT DEFAULT 'x'", values: &["'a'"] },
            Case { definition: "VARCHAR(40) NOT NULL DEFAULT 'it''s' COMMENT 'it''s, a \\\\ comment'", values: &["'a'", "''", "'  spaces  '", "repeat('ü', 40)"] },
            Case { definition: "VARCHAR(40) CHARACTER SET latin1 COLLATE latin1_german1_ci DEFAULT 'ä'", values: &["'ÄÖÜß'", "'a'"] },
            Case { definition: "VARCHAR(20) CHARACTER SET utf16", values: &["'雪𝄞'", "'a'"] },
            Case { definition: "VARCHAR(10) DEFAULT (concat('a', 'b')) INVISIBLE", values: &["'a'"] },
            Case { definition: "CHAR(10) CHARACTER SET ascii", values: &["'a'", "''", "'ab   '"] },
            Case { definition: "JSON DEFAULT '{}'", values: &["'{\"b\":1, \"a\" :  [1,2]}'", "'null'", "NULL"] },
            Case { definition: "LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL", values: &["'a'"] },
            Case { definition: "BLOB", values: &["''", "x'00ff'", "NULL"] },
            Case { definition: "VARBINARY(10) DEFAULT 'x'", values: &["''", "x'00ff'"] },
            Case { definition: "BINARY(5) COMMENT 'fixed'", values: &["'ab'", "x'0001020304'"] },
            Case { definition: "TINYBLOB", values: &["x'00'"] },
            Case { definition: "TINYINT(1) DEFAULT 1", values: &["0", "1", "NULL"] },
            Case { definition: "INT(8) UNSIGNED ZEROFILL DEFAULT 5", values: &["0", "4294967295"] },
            Case { definition: "BIGINT NOT NULL DEFAULT -1", values: &["-9223372036854775808"] },
            Case { definition: "BIGINT UNSIGNED", values: &["18446744073709551615"] },
            Case { definition: "DECIMAL(65,30)", values: &["1.5", "-0.000000000000000000000000000001", "12345678901234567890123456789012345.1"] },
            Case { definition: "DECIMAL(10,2) DEFAULT 0.50", values: &["1.5", "-99999999.99"] },
            Case { definition: "FLOAT DEFAULT 0.5", values: &["0.1", "3.4028234e38", "1.17549435e-38", "16777217", "123456.789"] },
            Case { definition: "DOUBLE", values: &["0.1", "2.2250738585072014e-308", "1.7976931348623157e308", "123456789.12345679"] },
            Case { definition: "DATE DEFAULT '2024-01-01'", values: &["'2024-02-29'", "'0001-01-01'", "'9999-12-31'"] },
            Case { definition: "DATETIME DEFAULT CURRENT_TIMESTAMP", values: &["'2024-01-01 12:00:00'"] },
            Case { definition: "DATETIME(6)", values: &["'2024-01-01 12:00:00.000001'"] },
            Case { definition: "TIMESTAMP(3) NULL DEFAULT NULL", values: &["'2024-03-31 02:30:00.123'", "NULL"] },
            Case { definition: "TIME(4)", values: &["'-838:59:59'", "'00:00:00.0001'"] },
            Case { definition: "YEAR", values: &["2024", "0"] },
            Case { definition: "ENUM('a', 'it''s', 'ü') DEFAULT 'a'", values: &["'a'", "'it''s'", "'ü'", "NULL"] },
            Case { definition: "SET('x', 'y', 'z') NOT NULL DEFAULT 'x,y'", values: &["''", "'x,z'"] },
            Case { definition: "UUID", values: &["'6f0e3c0a-7f5e-4a57-9b7e-0d8b8f3d1c11'"] },
            Case { definition: "INET6", values: &["'fe80::1'", "'::ffff:10.0.0.1'"] },
            Case { definition: "INET4", values: &["'10.0.0.1'"] },
        ],
    )
    .await;
}

#[tokio::test]
async fn dates_that_the_strictest_mode_forbids_come_back() {
    let s = ScratchDatabase::mariadb().await;
    s.execute(
        "CREATE TABLE r (id INT PRIMARY KEY, c DATE, d DATETIME); SET SESSION sql_mode = 'ALLOW_INVALID_DATES';
         INSERT INTO r VALUES (1, '0000-00-00', '2024-02-31 00:00:00'), (2, '2024-00-00', NULL)",
    )
    .await;
    let before = s.dump().await;
    let description = roundtrip::forward(&s, "r").await;
    roundtrip::back(&s, "r", &description).await;
    s.dump().await.assert_same(&before);
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
    assert_eq!(target.write(&changes, &[]).await.unwrap(), 2);
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
    let written = target.write(&[change], &[]).await;
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
    let error = target.write(&[change], &[]).await.expect_err("no integer");
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
