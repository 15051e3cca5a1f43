//! Sessions, rights, locks, names, settings, errors.

use atrest_engine::target::{Change, KeyRange, TargetError, Value};
use atrest_testing::{CutProxy, ScratchDatabase};

use crate::conformance::{all, column, connect, describe, roundtrip, says, table, text};

pub(crate) async fn what_fits_stays(s: &ScratchDatabase) {
    s.execute(
        "CREATE TABLE t (id integer PRIMARY KEY, a text, b varchar(5000), c varchar(40), d bytea)",
    )
    .await;
    for (name, longest, changes) in [
        ("a", 1 << 20, false),
        ("b", 5000, false),
        ("b", 5001, true),
        ("c", 41, true),
        ("d", 1 << 20, false),
    ] {
        let found = describe(s, "t", name, longest).await;
        assert_eq!(found.schema.is_some(), changes, "{name} at {longest}");
    }
    let change = describe(s, "t", "c", 500).await.schema.expect("too narrow");
    assert_eq!(
        (change.original_type.as_str(), change.sealed_type.as_str()),
        ("character varying(40)", "text")
    );
}

pub(crate) async fn attributes_come_back(s: &ScratchDatabase) {
    s.execute(
        "CREATE SEQUENCE numbers; CREATE TABLE r (id integer PRIMARY KEY, c varchar(30) DEFAULT 'n' || nextval('numbers'));
         ALTER TABLE r ALTER c SET STORAGE EXTERNAL, ALTER c SET STATISTICS 7, ALTER c SET NOT NULL;
         COMMENT ON COLUMN r.c IS 'it''s a comment'; CREATE INDEX over_c ON r (c);
         CREATE TABLE q (id integer PRIMARY KEY, c jsonb COMPRESSION pglz); INSERT INTO q VALUES (1, '{}')",
    )
    .await;
    s.execute("INSERT INTO r SELECT x FROM generate_series(1, 50) x")
        .await;
    let before = s.dump().await;
    for name in ["r", "q"] {
        let description = roundtrip::forward(s, name).await;
        let comment = s.scalar("SELECT col_description('r'::regclass, 2)").await;
        assert_eq!(
            comment.as_deref(),
            Some("it's a comment"),
            "stays while sealed"
        );
        s.execute("INSERT INTO r (id) VALUES (99); DELETE FROM r WHERE id = 99")
            .await;
        roundtrip::back(s, name, &description).await;
    }
    // The sequence moved on by the row that used the default while it was text.
    s.execute("SELECT setval('numbers', 50)").await;
    s.dump().await.assert_same(&before);
}

pub(crate) async fn too_long_is_an_error_and_never_cut(s: &ScratchDatabase) {
    s.execute(
        "CREATE TABLE t (id integer PRIMARY KEY, c varchar(10)); INSERT INTO t VALUES (1, 'short')",
    )
    .await;
    let db = connect(s).await;
    let target = column(&db, "t", "c").await;
    let row = all(&target).await.remove(0);
    let change = Change {
        key: row.key,
        old: row.value,
        new: text("much longer than ten"),
    };
    let error = target.write(vec![change], &[]).await.expect_err("too long");
    assert!(matches!(error, TargetError::Database { .. }), "{error}");
    assert_eq!(s.scalar("SELECT c FROM t").await.as_deref(), Some("short"));
    // The way back neither.
    let change = target
        .describe(100, false)
        .await
        .unwrap()
        .schema
        .expect("needs text");
    db.apply(&change.up).await.unwrap();
    s.execute("INSERT INTO t VALUES (2, 'written while it was text')")
        .await;
    db.apply(&change.down).await.expect_err("would cut");
    assert_eq!(
        s.scalar("SELECT c FROM t WHERE id = 2").await.as_deref(),
        Some("written while it was text")
    );
    db.close().await;
}

/// The scratch database's URL for another role.
fn url_for(s: &ScratchDatabase, role: &str) -> String {
    let (_, rest) = s.url().split_once('@').expect("a URL with a user");
    format!("postgres://{role}:secret@{rest}")
}

pub(crate) async fn missing_rights_name_the_grant(s: &ScratchDatabase) {
    let role = format!("reader_{}", s.name());
    s.execute(&format!(
        "CREATE TABLE t (id integer PRIMARY KEY, c text); INSERT INTO t VALUES (1, 'a');
         CREATE ROLE \"{role}\" LOGIN PASSWORD 'secret'; GRANT SELECT ON t TO \"{role}\"; REVOKE CREATE ON SCHEMA public FROM PUBLIC"
    ))
    .await;
    let db = atrest_sql::connect(&url_for(s, &role))
        .await
        .expect("may log in");
    let target = db.column(&table("t"), "c").await.unwrap();
    target.describe(100, false).await.expect("may look");
    assert_eq!(all(&target).await.len(), 1);
    let said = target
        .describe(100, true)
        .await
        .expect_err("may not change")
        .to_string();
    assert!(
        said.contains("GRANT SELECT, UPDATE ON \"public\".\"t\" TO") && said.contains(&role),
        "{said}"
    );
    s.execute(&format!("GRANT UPDATE (c) ON t TO \"{role}\""))
        .await;
    let said = target
        .describe(100, true)
        .await
        .expect_err("no journal")
        .to_string();
    assert!(said.contains("GRANT CREATE ON SCHEMA \"public\""), "{said}");
    let error = db.journal_create().await.expect_err("may not create");
    assert!(matches!(error, TargetError::Permission { .. }), "{error}");
    s.execute(&format!("GRANT CREATE ON SCHEMA public TO \"{role}\""))
        .await;
    target.describe(100, true).await.expect("has what it needs");
    db.journal_create().await.expect("may create");
    db.close().await;
    s.execute(&format!("DROP OWNED BY \"{role}\"; DROP ROLE \"{role}\""))
        .await;
    let error = atrest_sql::connect(&url_for(s, "nobody_here"))
        .await
        .err()
        .expect("no such role");
    assert!(matches!(error, TargetError::Permission { .. }), "{error}");
    assert!(
        !format!("{error} {error:?}").contains("secret"),
        "no password in an error"
    );
}

pub(crate) async fn row_level_security_is_refused(s: &ScratchDatabase) {
    let role = format!("rls_{}", s.name());
    s.execute(&format!(
        "CREATE TABLE t (id integer PRIMARY KEY, c text, who text); INSERT INTO t VALUES (1, 'a', 'x');
         ALTER TABLE t ENABLE ROW LEVEL SECURITY; CREATE POLICY mine ON t USING (who = current_user);
         CREATE ROLE \"{role}\" LOGIN; GRANT ALL ON t TO \"{role}\"; GRANT CREATE ON SCHEMA public TO \"{role}\""
    ))
    .await;
    let db = atrest_sql::connect(&url_for(s, &role))
        .await
        .expect("may log in");
    let found = db
        .column(&table("t"), "c")
        .await
        .unwrap()
        .describe(100, true)
        .await
        .unwrap();
    assert!(
        says(&found.refusals, "row-level security"),
        "{:?}",
        found.refusals
    );
    db.close().await;
    s.execute(&format!("DROP OWNED BY \"{role}\"; DROP ROLE \"{role}\""))
        .await;
    assert!(
        describe(s, "t", "c", 100).await.refusals.is_empty(),
        "the owner sees all rows"
    );
}

pub(crate) async fn a_lost_connection_ends_the_lock(s: &ScratchDatabase) {
    let proxy = CutProxy::to(s.url());
    let db = atrest_sql::connect(proxy.url()).await.expect("connects");
    let mut lock = db.lock("t.c").await.expect("free");
    lock.check().await.expect("held");
    proxy.cut();
    lock.check().await.expect_err("the connection is gone");
    let other = connect(s).await;
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

pub(crate) async fn schemas_and_search_path(s: &ScratchDatabase) {
    s.execute(
        "CREATE SCHEMA audit; CREATE SCHEMA \"odd.name\"; CREATE TABLE t (id integer PRIMARY KEY, c text);
         CREATE TABLE audit.t (id integer PRIMARY KEY, c text); CREATE TABLE \"odd.name\".\"T\" (id integer PRIMARY KEY, c text);
         INSERT INTO t VALUES (1, 'public'); INSERT INTO audit.t VALUES (1, 'audit'); INSERT INTO \"odd.name\".\"T\" VALUES (1, 'odd')",
    )
    .await;
    let db = connect(s).await;
    let names: Vec<String> = db
        .tables()
        .await
        .unwrap()
        .iter()
        .map(|t| t.name.to_string())
        .collect();
    assert_eq!(names, ["t", "audit.t", "\"odd.name\".T"]);
    for (name, value, shown) in [
        ("t", "public", "t.c"),
        ("public.t", "public", "t.c"),
        ("audit.t", "audit", "audit.t.c"),
        ("\"odd.name\".T", "odd", "\"odd.name\".T.c"),
    ] {
        let target = column(&db, name, "c").await;
        assert_eq!(target.name(), shown);
        assert_eq!(all(&target).await[0].value, text(value));
        assert_eq!(
            db.sample(&table(name), "c", 1).await.unwrap(),
            [text(value)]
        );
    }
    assert!(
        db.column(&table("pg_catalog.pg_class"), "relname")
            .await
            .is_err()
            || !names.contains(&"pg_class".to_owned())
    );
    db.close().await;
}

/// Settings of the database change how texts look; ours must not depend on them.
pub(crate) async fn the_applications_settings_do_not_matter(s: &ScratchDatabase) {
    let name = s.name();
    s.execute(&format!(
        "CREATE TABLE t (id timestamptz PRIMARY KEY, c interval, d timestamptz, b bytea, f double precision);
         INSERT INTO t VALUES ('2024-01-01 12:00:00+00', '1 day 02:03:04', '2024-06-01 00:00:00+00', '\\x01', 0.1);
         ALTER DATABASE \"{name}\" SET datestyle = 'German'; ALTER DATABASE \"{name}\" SET timezone = 'Asia/Kolkata';
         ALTER DATABASE \"{name}\" SET intervalstyle = 'iso_8601'; ALTER DATABASE \"{name}\" SET extra_float_digits = -5;
         ALTER DATABASE \"{name}\" SET bytea_output = 'escape'; ALTER DATABASE \"{name}\" SET enable_indexscan = on"
    ))
    .await;
    let db = connect(s).await;
    for (of, expected) in [
        ("c", "1 day 02:03:04"),
        ("d", "2024-06-01 00:00:00+00"),
        ("f", "0.1"),
    ] {
        let target = column(&db, "t", of).await;
        let row = all(&target).await.remove(0);
        assert_eq!(row.value, text(expected));
        assert_eq!(row.key.to_string(), "2024-01-01 12:00:00+00");
        assert_eq!(
            target.read_one(&row.key).await.unwrap(),
            Some(text(expected))
        );
    }
    let target = column(&db, "t", "b").await;
    assert_eq!(all(&target).await[0].value, Value::Bytes(vec![1]));
    db.close().await;
}

pub(crate) async fn a_server_error_shows_no_value(s: &ScratchDatabase) {
    s.execute("CREATE TABLE t (id integer PRIMARY KEY, c integer); INSERT INTO t VALUES (1, 5)")
        .await;
    let db = connect(s).await;
    let target = column(&db, "t", "c").await;
    let row = target
        .read(&KeyRange::default(), 1, 100)
        .await
        .unwrap()
        .remove(0);
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
    assert!(
        !said.contains("secret word") && said.contains("22P02"),
        "{said}"
    );
    db.close().await;
}

/// A SQL_ASCII database holds bytes that are no UTF-8, and keeps them.
pub(crate) async fn any_bytes_in_a_sql_ascii_database(s: &ScratchDatabase) {
    let name = format!("{}_ascii", s.name());
    s.execute(&format!(
        "CREATE DATABASE {name} TEMPLATE template0 ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C'"
    ))
    .await;
    let (server, _) = s.url().rsplit_once('/').expect("a path");
    let url = format!("{server}/{name}");
    let mut link = atrest_testing::Connection::open(&url)
        .await
        .expect("connects");
    link.execute(
        "SET client_encoding = 'SQL_ASCII'; CREATE TABLE t (id integer PRIMARY KEY, c text);
         INSERT INTO t VALUES (1, E'caf\\xe9'), (2, 'plain')",
    )
    .await
    .expect("fills");
    link.close().await;
    let db = atrest_sql::connect(&url).await.expect("connects");
    let target = column(&db, "t", "c").await;
    let row = all(&target).await.remove(0);
    assert_eq!(row.value, Value::Text(b"caf\xe9".to_vec()));
    let sealed = Change {
        key: row.key.clone(),
        old: row.value.clone(),
        new: text("sealed"),
    };
    assert_eq!(target.write(vec![sealed], &[]).await.unwrap(), 1);
    let opened = Change {
        key: row.key.clone(),
        old: text("sealed"),
        new: row.value.clone(),
    };
    assert_eq!(target.write(vec![opened], &[]).await.unwrap(), 1);
    assert_eq!(target.read_one(&row.key).await.unwrap(), Some(row.value));
    db.close().await;
    s.execute(&format!("DROP DATABASE {name} WITH (FORCE)"))
        .await;
}
