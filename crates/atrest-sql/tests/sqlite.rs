//! The conformance suite on SQLite, and what is SQLite's own.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

mod conformance;

use atrest_engine::target::{Change, KeyValue, TargetError, Value};
use atrest_testing::ScratchDatabase;
use atrest_testing::connection::Connection;
use conformance::roundtrip::Case;
use conformance::{
    all, assert_refused, bytes, column, connect, describe, paging, roundtrip, says, table, text,
};

conformance!(ScratchDatabase::sqlite);

#[tokio::test]
async fn others_are_noticed() {
    for mode in ["DELETE", "WAL"] {
        let s = ScratchDatabase::sqlite().await;
        s.scalar(&format!("PRAGMA journal_mode = {mode}")).await;
        conformance::history::only_others_move_it(&s).await;
    }
}

/// The rollback journal stays while we write, and is gone afterwards; a write-ahead
/// log stays one; and a journal that a killed writer left disturbs nobody.
#[tokio::test]
async fn the_kind_of_journal_comes_back() {
    for mode in ["delete", "wal"] {
        let s = ScratchDatabase::sqlite().await;
        s.scalar(&format!("PRAGMA journal_mode = {mode}")).await;
        s.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, c TEXT)")
            .await;
        s.execute("INSERT INTO t VALUES (1, 'a')").await;
        let path = s.url().strip_prefix("sqlite:").unwrap().to_owned();
        let journal = std::path::PathBuf::from(format!("{path}-journal"));
        let db = connect(&s).await;
        let target = column(&db, "t", "c").await;
        let row = all(&target).await.remove(0);
        let change = Change {
            key: row.key,
            old: row.value,
            new: text("sealed"),
        };
        assert_eq!(target.write(vec![change], &[]).await.unwrap(), 1);
        assert_eq!(journal.exists(), mode == "delete");
        // What a process that is killed now leaves behind:
        let left = s.folder().join("left.db");
        std::fs::copy(&path, &left).unwrap();
        if mode == "delete" {
            std::fs::copy(&journal, s.folder().join("left.db-journal")).unwrap();
            let url = format!("sqlite:{}", left.display());
            let mut other = Connection::open(&url).await.unwrap();
            other
                .execute("INSERT INTO t VALUES (2, 'b')")
                .await
                .unwrap();
            let values = other.rows("SELECT c FROM t ORDER BY id").await.unwrap();
            assert_eq!(values.len(), 2);
            other.close().await;
            assert!(!s.folder().join("left.db-journal").exists());
        }
        db.close().await;
        assert!(!journal.exists(), "{mode}");
        let now = s.scalar("PRAGMA journal_mode").await;
        assert_eq!(now.as_deref(), Some(mode));
        assert_eq!(s.scalar("SELECT c FROM t").await.as_deref(), Some("sealed"));
    }
}

#[tokio::test]
async fn keys_of_every_type() {
    let s = ScratchDatabase::sqlite().await;
    paging::keys(
        &s,
        &[
            (
                "INTEGER",
                &["1", "2", "-9223372036854775808", "9223372036854775807", "0"],
            ),
            ("INT", &["5", "-5", "1"]),
            ("TEXT", &["''", "'a'", "'B'", "'ä'", "'it''s'", "'雪'"]),
            ("TEXT COLLATE NOCASE", &["'b'", "'A'", "'c'"]),
            ("BLOB", &["x''", "x'00ff'", "x'01'"]),
            ("REAL", &["1.5", "-0.1", "1e300", "3"]),
            ("DATETIME", &["'2024-01-01 00:00:00'", "'1999-12-31'"]),
            ("DECIMAL(10,2)", &["1.25", "10", "-3"]),
        ],
    )
    .await;
}

#[tokio::test]
async fn keys_without_rowid_and_of_mixed_classes() {
    let s = ScratchDatabase::sqlite().await;
    s.execute("CREATE TABLE w (k NOT NULL PRIMARY KEY, c TEXT) WITHOUT ROWID")
        .await;
    s.execute("INSERT INTO w VALUES (1, 'i'), (1.5, 'r'), ('1', 't'), (x'31', 'b'), (-7, 'n')")
        .await;
    let db = connect(&s).await;
    let target = column(&db, "w", "c").await;
    let rows = conformance::all_of(&target, Default::default(), 2).await;
    let values: Vec<_> = rows.iter().map(|r| bytes(&r.value)).collect();
    assert_eq!(values, [b"n", b"i", b"r", b"t", b"b"]);
    assert_eq!(rows[2].key.0, [KeyValue::Real(1.5_f64.to_bits())]);
    let changes: Vec<Change> = rows
        .iter()
        .map(|r| Change {
            key: r.key.clone(),
            old: r.value.clone(),
            new: text("sealed"),
        })
        .collect();
    assert_eq!(target.write(changes.clone(), &[]).await.unwrap(), 5);
    db.close().await;
}

#[tokio::test]
async fn values_of_every_class_come_back() {
    let s = ScratchDatabase::sqlite().await;
    roundtrip::types(
        &s,
        &[
            Case {
                definition: "TEXT",
                values: &[
                    "'a'",
                    "''",
                    "NULL",
                    "'it''s 雪'",
                    "CAST(x'ff00fe' AS TEXT)",
                    "x'ff00'",
                ],
            },
            Case {
                definition: "VARCHAR(3) NOT NULL DEFAULT 'x'",
                values: &["'much longer than declared'"],
            },
            Case {
                definition: "BLOB",
                values: &["x''", "x'00ff'", "'text in a blob column'", "NULL"],
            },
            Case {
                definition: "INTEGER",
                values: &[
                    "1",
                    "-9223372036854775808",
                    "'not a number'",
                    "1.5",
                    "1e300",
                ],
            },
            Case {
                definition: "REAL",
                values: &["0.1", "3", "1e-300", "123456789.123456789", "9e999", "-0.0"],
            },
            Case {
                definition: "NUMERIC",
                values: &["1", "1.0", "0.1", "'x'", "1152921504606846976.0", "x'31'"],
            },
            Case {
                definition: "JSON",
                values: &["'{\"a\":1}'", "'12'", "'null'"],
            },
            Case {
                definition: "",
                values: &["'a'", "x'61'", "NULL"],
            },
        ],
    )
    .await;
}

/// Also where SQLite's own text of one is another's.
#[tokio::test]
async fn a_number_comes_back_bit_for_bit() {
    let s = ScratchDatabase::sqlite().await;
    s.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, r REAL, n NUMERIC, i INTEGER)")
        .await;
    let raw = rusqlite::Connection::open(s.url().strip_prefix("sqlite:").unwrap()).unwrap();
    let edges = [
        f64::MAX,
        f64::MIN_POSITIVE,
        5e-324,
        -0.0,
        0.1,
        1e22,
        f64::INFINITY,
        2_f64.powi(63),
    ];
    let mut bits = 1_u64;
    let any = std::iter::repeat_with(|| {
        bits = bits
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        f64::from_bits(bits)
    });
    let doubles: Vec<f64> = edges
        .into_iter()
        .chain(any.filter(|x| x.is_finite()).take(2_000))
        .collect();
    raw.execute_batch("BEGIN").unwrap();
    for (id, x) in doubles.iter().enumerate() {
        let sql = "INSERT INTO t VALUES (?1, ?2, ?2, ?2)";
        raw.execute(sql, (i64::try_from(id).unwrap(), x)).unwrap();
    }
    raw.execute_batch(
        "COMMIT; INSERT INTO t VALUES (-1, 7, 9223372036854775807, -9223372036854775808)",
    )
    .unwrap();
    let stored = |column: &str| {
        let sql = format!("SELECT {column} FROM t ORDER BY id");
        let mut statement = raw.prepare(&sql).unwrap();
        let rows = statement.query_map([], |row| {
            Ok(match row.get_ref(0)? {
                rusqlite::types::ValueRef::Real(x) => (true, x.to_bits()),
                other => (false, other.as_i64()?.cast_unsigned()),
            })
        });
        rows.unwrap().collect::<Result<Vec<_>, _>>().unwrap()
    };
    let db = connect(&s).await;
    for name in ["r", "n", "i"] {
        let before = stored(name);
        let target = column(&db, "t", name).await;
        let rows = all(&target).await;
        for (row, (is_real, bits)) in rows.iter().zip(&before) {
            let Value::Number(text) = &row.value else {
                panic!("{:?}", row.value)
            };
            let text = str::from_utf8(text).unwrap();
            if *is_real {
                assert_eq!(text.parse::<f64>().unwrap().to_bits(), *bits, "{text}");
            } else {
                assert_eq!(
                    text.parse::<i64>().unwrap().cast_unsigned(),
                    *bits,
                    "{text}"
                );
            }
        }
        let change = |seal: bool| {
            let changes = rows.iter().map(|row| {
                let Value::Number(clear) = &row.value else {
                    panic!("{:?}", row.value)
                };
                let (token, clear) = (text("ar1.x"), Value::Text(clear.clone()));
                let old = if seal {
                    row.value.clone()
                } else {
                    token.clone()
                };
                let (key, new) = (row.key.clone(), if seal { token } else { clear });
                Change { key, old, new }
            });
            changes.collect::<Vec<_>>()
        };
        for seal in [true, false] {
            let changed = target.write(change(seal), &[]).await.unwrap();
            assert_eq!(changed, rows.len() as u64, "{name}");
        }
        assert_eq!(stored(name), before, "{name}");
    }
    db.close().await;
}

#[tokio::test]
async fn a_number_is_not_its_text() {
    let s = ScratchDatabase::sqlite().await;
    s.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, c NUMERIC); INSERT INTO t VALUES (1, 12), (2, x'3132')").await;
    let db = connect(&s).await;
    let target = column(&db, "t", "c").await;
    let rows = all(&target).await;
    assert_eq!(rows[0].value, Value::Number(b"12".to_vec()));
    assert_eq!(rows[1].value, Value::Bytes(b"12".to_vec()));
    let swap = |old: Value, i: usize| {
        [Change {
            key: rows[i].key.clone(),
            old,
            new: text("ar1.x"),
        }]
    };
    for (i, old) in [
        (0, text("12")),
        (0, Value::Bytes(b"12".to_vec())),
        (1, text("12")),
        (1, rows[0].value.clone()),
    ] {
        assert_eq!(target.write(swap(old, i).to_vec(), &[]).await.unwrap(), 0);
    }
    assert_eq!(
        target
            .write(swap(rows[0].value.clone(), 0).to_vec(), &[])
            .await
            .unwrap(),
        1
    );
    db.close().await;
}

#[tokio::test]
async fn refusals() {
    let s = ScratchDatabase::sqlite().await;
    s.execute(
        "CREATE TABLE parent (id INTEGER PRIMARY KEY, code TEXT UNIQUE);
         CREATE TABLE t (id INTEGER PRIMARY KEY, u TEXT UNIQUE, f TEXT REFERENCES parent (code),
           g TEXT, gg TEXT AS (upper(g)), ck TEXT CHECK (length(ck) < 10), e TEXT, fine TEXT DEFAULT 'x');
         CREATE UNIQUE INDEX partial_one ON t (fine) WHERE id > 5;
         CREATE INDEX computed ON t (lower(e));
         CREATE TABLE strict_one (id INTEGER PRIMARY KEY, n INTEGER, ok TEXT) STRICT;
         CREATE TABLE loose (id INTEGER PRIMARY KEY, c, t TEXT);
         INSERT INTO loose VALUES (1, 5, 'a');
         CREATE TABLE nullkey (k TEXT PRIMARY KEY, c TEXT);
         INSERT INTO nullkey VALUES (NULL, 'a')",
    )
    .await;
    for (name, of, part) in [
        ("t", "u", "unique"),
        ("t", "f", "foreign key"),
        ("parent", "code", "foreign key"),
        ("t", "g", "generated"),
        ("t", "gg", "generated"),
        ("t", "ck", "CHECK"),
        ("t", "e", "computed"),
        ("t", "fine", "unique"),
        ("t", "id", "primary key"),
        ("strict_one", "n", "STRICT"),
        ("loose", "c", "number"),
        ("nullkey", "c", "NULL in the primary key"),
    ] {
        assert_refused(&s, name, of, 200, part).await;
    }
    for (name, of) in [("strict_one", "ok"), ("loose", "t")] {
        let found = describe(&s, name, of, 200).await;
        assert!(
            found.refusals.is_empty() && found.schema.is_none(),
            "{:?}",
            found.refusals
        );
    }
}

#[tokio::test]
async fn warnings() {
    let s = ScratchDatabase::sqlite().await;
    s.execute(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, c TEXT DEFAULT 'd', o TEXT);
         CREATE INDEX over_c ON t (c); CREATE INDEX over_o ON t (o);
         CREATE VIEW v AS SELECT c FROM t; CREATE VIEW other AS SELECT o FROM t;
         CREATE TRIGGER fires AFTER UPDATE OF c ON t BEGIN SELECT 1; END;
         CREATE TRIGGER silent AFTER UPDATE OF o ON t BEGIN SELECT 1; END",
    )
    .await;
    let found = describe(&s, "t", "c", 200).await;
    assert!(found.refusals.is_empty(), "{:?}", found.refusals);
    for part in [
        "DEFAULT",
        "index over_c",
        "view v",
        "trigger fires",
        "VACUUM",
    ] {
        assert!(
            found
                .warnings
                .iter()
                .any(|w| w.what.contains(part) || w.next.contains(part)),
            "{part}"
        );
    }
    for part in ["over_o", "silent", "view other"] {
        assert!(!says(&found.warnings, part), "{part}");
    }
}

#[tokio::test]
async fn what_cannot_be_opened_is_said_clearly() {
    for (url, part) in [
        ("sqlite:/nowhere/at/all.db", "does not exist"),
        ("sqlite::memory:", "nothing at rest"),
        ("oracle://x", "postgres://"),
    ] {
        let error = atrest_sql::connect(url).await.err().expect(url).to_string();
        assert!(error.contains(part), "{url}: {error}");
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("notes.txt");
    std::fs::write(&file, "this is a text file and no database, and long enough for a header of one hundred bytes, as SQLite has").unwrap();
    let error = atrest_sql::connect(&format!("sqlite:{}", file.display()))
        .await
        .err()
        .expect("no database");
    assert!(error.to_string().contains("not a database"), "{error}");
    assert!(!folder.path().join("notes.txt-wal").exists());
}

#[tokio::test]
async fn utf16_is_refused() {
    let s = ScratchDatabase::sqlite_with(
        "PRAGMA encoding = 'UTF-16'; CREATE TABLE t (id INTEGER PRIMARY KEY, c TEXT)",
    )
    .await;
    let error = atrest_sql::connect(s.url()).await.err().expect("UTF-16");
    assert!(
        matches!(error, TargetError::Refused { .. }) && error.to_string().contains("UTF-16"),
        "{error}"
    );
}

#[tokio::test]
async fn read_only_files_are_described_and_not_changed() {
    let s = ScratchDatabase::sqlite().await;
    s.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, c TEXT); INSERT INTO t VALUES (1, 'a')")
        .await;
    let db = atrest_sql::connect(&format!("{}?mode=ro", s.url()))
        .await
        .expect("opens");
    let target = db.column(&table("t"), "c").await.unwrap();
    target
        .describe(100, false)
        .await
        .expect("reading is allowed");
    let error = target
        .describe(100, true)
        .await
        .expect_err("writing is not");
    assert!(matches!(error, TargetError::Permission { .. }), "{error}");
    db.close().await;
}

#[tokio::test]
async fn the_lock_file_goes_with_the_lock_and_a_lost_one_is_noticed() {
    let s = ScratchDatabase::sqlite().await;
    s.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, c TEXT)")
        .await;
    let mut name = s.path().into_os_string();
    name.push(".atrest-lock");
    let file = std::path::PathBuf::from(name);
    let db = connect(&s).await;
    let mut lock = db.lock("t.c").await.unwrap();
    assert!(file.exists());
    std::fs::remove_file(&file).unwrap();
    assert!(lock.check().await.is_err(), "somebody removed the file");
    drop(lock);
    let lock = db.lock("t.c").await.unwrap();
    drop(lock);
    assert!(!file.exists(), "nothing stays behind");
    db.close().await;
}

/// In rollback-journal mode a commit waits for readers, and new readers wait for
/// the commit: it has to give way to a long one, and be done again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_read_of_the_application_stops_neither_its_other_readers_nor_us() {
    let s = ScratchDatabase::sqlite().await;
    s.execute("PRAGMA journal_mode = delete").await;
    s.execute(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, c TEXT); INSERT INTO t VALUES (1, 'a'), (2, 'b')",
    )
    .await;
    let db = connect(&s).await;
    let target = column(&db, "t", "c").await;
    let row = all(&target).await.remove(0);
    let mut long = s.connect().await;
    long.execute("BEGIN").await.unwrap();
    assert_eq!(long.rows("SELECT c FROM t").await.unwrap().len(), 2);
    let write = tokio::spawn(async move {
        let change = Change {
            key: row.key,
            old: row.value,
            new: text("sealed"),
        };
        target.write(vec![change], &[]).await
    });
    let mut slowest = std::time::Duration::ZERO;
    for _ in 0..20 {
        let begin = std::time::Instant::now();
        let mut reader = s.connect().await;
        assert_eq!(reader.rows("SELECT c FROM t").await.unwrap().len(), 2);
        reader.close().await;
        slowest = slowest.max(begin.elapsed());
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    assert!(slowest.as_secs() < 3, "a reader waited {slowest:?}");
    assert!(!write.is_finished(), "the long read is still there");
    long.execute("COMMIT").await.unwrap();
    assert_eq!(write.await.unwrap().unwrap(), 1);
    assert_eq!(
        s.scalar("SELECT c FROM t WHERE id = 1").await.as_deref(),
        Some("sealed")
    );
    db.close().await;
}

#[tokio::test]
async fn the_journal_mode_stays() {
    for mode in ["delete", "wal"] {
        let s = ScratchDatabase::sqlite().await;
        s.execute(&format!("PRAGMA journal_mode = {mode}")).await;
        s.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, c TEXT); INSERT INTO t VALUES (1, 'a')")
            .await;
        let db = connect(&s).await;
        let target = column(&db, "t", "c").await;
        let row = all(&target).await.remove(0);
        target
            .write(
                vec![Change {
                    key: row.key,
                    old: row.value,
                    new: text("sealed"),
                }],
                &[],
            )
            .await
            .unwrap();
        db.close().await;
        assert_eq!(s.scalar("PRAGMA journal_mode").await.as_deref(), Some(mode));
    }
}
