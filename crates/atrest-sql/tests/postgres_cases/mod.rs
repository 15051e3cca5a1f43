//! What is PostgreSQL's own, for every version that the tests have.

use atrest_engine::target::{Change, KeyRange, TargetError, Value};
use atrest_testing::{CutProxy, ScratchDatabase};

use crate::conformance::roundtrip::{self, Case};
use crate::conformance::{
    all, assert_refused, column, connect, describe, paging, says, table, text,
};

/// Makes a test of each function for one version.
#[macro_export]
macro_rules! postgres_cases {
    ($scratch:path) => {
        $crate::postgres_cases!(@each $scratch;
            keys_of_every_type,
            schema_and_values_come_back,
            what_fits_stays,
            attributes_come_back,
            refusals,
            warnings,
            partitions,
            too_long_is_an_error_and_never_cut,
            missing_rights_name_the_grant,
            row_level_security_is_refused,
            a_lost_connection_ends_the_lock,
            schemas_and_search_path,
            the_applications_settings_do_not_matter,
            a_server_error_shows_no_value,
        );
    };
    (@each $scratch:path; $($name:ident),* $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                let scratch = $scratch().await;
                $crate::postgres_cases::$name(&scratch).await;
            }
        )*
    };
}

pub(crate) async fn keys_of_every_type(s: &ScratchDatabase) {
    s.execute("CREATE EXTENSION citext; CREATE DOMAIN code AS varchar(10) CHECK (value <> ''); CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy')").await;
    paging::keys(
        s,
        &[
            ("integer", &["1", "-2147483648", "2147483647", "0"]),
            (
                "bigint",
                &["9223372036854775807", "-9223372036854775808", "0"],
            ),
            ("smallint", &["-1", "1"]),
            (
                "text",
                &["''", "'a'", "'B'", "'ä'", "'it''s'", "'雪'", r"'\x00'"],
            ),
            ("text COLLATE \"C\"", &["'b'", "'A'", "'a'", "'B'"]),
            (
                "text COLLATE \"en-x-icu\"",
                &["'b'", "'A'", "'a'", "'B'", "'Ä'"],
            ),
            ("varchar(20)", &["'b'", "'A'", "'a b'"]),
            ("char(6)", &["'b'", "'A'", "'abcdef'"]),
            ("citext", &["'b'", "'A'", "'C'"]),
            ("code", &["'b'", "'A'"]),
            ("mood", &["'happy'", "'sad'", "'ok'"]),
            (
                "uuid",
                &[
                    "'00000000-0000-0000-0000-000000000001'",
                    "'ffffffff-ffff-ffff-ffff-ffffffffffff'",
                ],
            ),
            ("bytea", &[r"'\x'", r"'\x00ff'", r"'\x01'"]),
            (
                "timestamp",
                &[
                    "'2024-01-01 00:00:00.000001'",
                    "'-infinity'",
                    "'0044-03-15 BC'",
                ],
            ),
            (
                "timestamptz",
                &[
                    "'2024-01-01 00:00:00+05'",
                    "'2024-03-31 02:30:00.123456-08'",
                    "'infinity'",
                ],
            ),
            ("date", &["'2024-01-01'", "'0044-03-15 BC'", "'9999-12-31'"]),
            ("time", &["'00:00'", "'23:59:59.999999'"]),
            (
                "interval",
                &["'1 year 2 mons -3 days 04:05:06.7'", "'1 day'", "'-1 hour'"],
            ),
            (
                "numeric",
                &[
                    "1.50",
                    "-0.0000000001",
                    "123456789012345678901234567890",
                    "'NaN'",
                ],
            ),
            (
                "double precision",
                &["0.1", "'NaN'", "1e-307", "-5", "1.7976931348623157e308"],
            ),
            ("real", &["0.1", "3.4e38"]),
            ("inet", &["'10.0.0.1'", "'10.0.0.0/8'", "'::1'"]),
            ("macaddr", &["'08:00:2b:01:02:03'", "'00:00:00:00:00:01'"]),
            ("boolean", &["true", "false"]),
            ("bit(3)", &["B'101'", "B'000'"]),
            ("integer[]", &["'{1,2}'", "'{}'", "'{1,NULL}'"]),
            ("int4range", &["'[1,5)'", "'empty'", "'(,3)'"]),
            ("money", &["'1.50'", "'-2'"]),
            ("\"char\"", &["'a'", "'b'"]),
            ("oid", &["1", "4294967295"]),
        ],
    )
    .await;
}

pub(crate) async fn schema_and_values_come_back(s: &ScratchDatabase) {
    s.execute(
        "CREATE EXTENSION citext; CREATE EXTENSION hstore; CREATE TYPE mood AS ENUM ('sad', 'ok', 'it''s');
         CREATE DOMAIN code AS varchar(10) CHECK (value <> 'no'); CREATE DOMAIN plain AS text;
         CREATE DOMAIN whole AS integer NOT NULL DEFAULT 7; CREATE TYPE pair AS (a integer, b text);
         CREATE COLLATION shrug (provider = icu, locale = 'und-u-ks-level1', deterministic = false)",
    )
    .await;
    roundtrip::types(
        s,
        &[
            Case {
                definition: "text",
                values: &[
                    "'a'",
                    "''",
                    "NULL",
                    "'it''s 雪'",
                    r"'back\slash'",
                    "E'line\\nfeed\\ttab'",
                ],
            },
            Case {
                definition: "varchar(40) NOT NULL DEFAULT 'it''s'",
                values: &["'a'", "''", "'  spaces  '", "repeat('ü', 40)"],
            },
            Case {
                definition: "varchar COLLATE \"C\"",
                values: &["'a'"],
            },
            Case {
                definition: "varchar(20) COLLATE \"en-x-icu\" DEFAULT 'x'",
                values: &["'a'", "'B'"],
            },
            Case {
                definition: "varchar(20) COLLATE shrug",
                values: &["'a'", "'A'"],
            },
            Case {
                definition: "char(10)",
                values: &["'a'", "''", "NULL", "'ab        '", "'0123456789'"],
            },
            Case {
                definition: "citext",
                values: &["'MiXed'", "'mixed'"],
            },
            Case {
                definition: "code DEFAULT 'x'",
                values: &["'a'", "NULL"],
            },
            Case {
                definition: "plain",
                values: &["'a'", "NULL"],
            },
            Case {
                definition: "whole",
                values: &["1", "-5"],
            },
            Case {
                definition: "mood DEFAULT 'ok'",
                values: &["'sad'", "'it''s'", "NULL"],
            },
            Case {
                definition: "json DEFAULT '{}'",
                values: &[
                    "'{\"b\":1, \"a\" :  [1,2]}'",
                    "'null'",
                    "' 12 '",
                    "'\"\\u0041\"'",
                ],
            },
            Case {
                definition: "jsonb NOT NULL DEFAULT '{\"a\": 1}'::jsonb",
                values: &["'{\"b\":1, \"a\":[1.50,1e5]}'", "'null'"],
            },
            Case {
                definition: "bytea",
                values: &["''", r"'\x00ff'", "NULL"],
            },
            Case {
                definition: "smallint",
                values: &["-32768", "32767"],
            },
            Case {
                definition: "integer DEFAULT 5",
                values: &["-2147483648", "0", "NULL"],
            },
            Case {
                definition: "bigint",
                values: &["9223372036854775807"],
            },
            Case {
                definition: "numeric",
                values: &["1.500", "'NaN'", "-0.000000000000000000001", "1e100"],
            },
            Case {
                definition: "numeric(10,2) DEFAULT 0.5",
                values: &["1.5", "-99999999.99"],
            },
            Case {
                definition: "real",
                values: &["0.1", "3.4028235e38", "1.17549435e-38", "'-Infinity'"],
            },
            Case {
                definition: "double precision",
                values: &[
                    "0.1",
                    "2.2250738585072014e-308",
                    "1.7976931348623157e308",
                    "'NaN'",
                    "-0.0",
                ],
            },
            Case {
                definition: "money",
                values: &["12.34", "-0.01"],
            },
            Case {
                definition: "boolean DEFAULT true",
                values: &["true", "false"],
            },
            Case {
                definition: "date DEFAULT CURRENT_DATE",
                values: &["'2024-02-29'", "'0044-03-15 BC'", "'infinity'"],
            },
            Case {
                definition: "time(3)",
                values: &["'23:59:59.999'", "'24:00:00'"],
            },
            Case {
                definition: "timetz",
                values: &["'12:00:00.5+05:30'"],
            },
            Case {
                definition: "timestamp(2) DEFAULT now()",
                values: &["'2024-01-01 12:00:00.12'", "'-infinity'"],
            },
            Case {
                definition: "timestamptz",
                values: &[
                    "'2024-03-31 02:30:00.123456+02'",
                    "'4713-01-01 00:00:00 BC'",
                ],
            },
            Case {
                definition: "interval",
                values: &["'1 year 2 mons -3 days 04:05:06.7'", "'-00:00:00.000001'"],
            },
            Case {
                definition: "interval hour to second(2)",
                values: &["'04:05:06.78'"],
            },
            Case {
                definition: "uuid",
                values: &["'6f0e3c0a-7f5e-4a57-9b7e-0d8b8f3d1c11'"],
            },
            Case {
                definition: "inet",
                values: &["'10.0.0.1/24'", "'::1'"],
            },
            Case {
                definition: "cidr",
                values: &["'10.0.0.0/8'"],
            },
            Case {
                definition: "macaddr8",
                values: &["'08:00:2b:01:02:03:04:05'"],
            },
            Case {
                definition: "bit(5)",
                values: &["B'10101'"],
            },
            Case {
                definition: "bit varying(8)",
                values: &["B'101'", "B''"],
            },
            Case {
                definition: "text[]",
                values: &[
                    "ARRAY['a', NULL, 'NULL', 'it''s, \"quoted\"']",
                    "'{}'",
                    "'[2:3]={x,y}'",
                ],
            },
            Case {
                definition: "integer[][] DEFAULT '{}'",
                values: &["'{{1,2},{3,4}}'"],
            },
            Case {
                definition: "mood[]",
                values: &["'{sad,\"it''s\"}'"],
            },
            Case {
                definition: "int8range",
                values: &["'[1,10)'", "'empty'"],
            },
            Case {
                definition: "point",
                values: &["'(1.5,-2e-10)'"],
            },
            Case {
                definition: "polygon",
                values: &["'((0,0),(1,1),(2,0))'"],
            },
            Case {
                definition: "xml",
                values: &["'<a b=\"c\">d</a>'", "'just text'"],
            },
            Case {
                definition: "tsvector",
                values: &["'a fat cat'"],
            },
            Case {
                definition: "hstore",
                values: &["'a=>1, b=>NULL'"],
            },
            Case {
                definition: "pair",
                values: &["ROW(1, 'it''s, \"q\"')"],
            },
        ],
    )
    .await;
}

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

pub(crate) async fn refusals(s: &ScratchDatabase) {
    s.execute(
        "CREATE TABLE parent (id integer PRIMARY KEY, code text UNIQUE);
         CREATE TABLE t (id integer PRIMARY KEY, u text UNIQUE, f text REFERENCES parent (code),
           g text, gg text GENERATED ALWAYS AS (upper(g)) STORED, ck text CHECK (length(ck) < 10),
           e text, p text, n integer GENERATED ALWAYS AS IDENTITY, v varchar(10), long text, j jsonb, tr varchar(10), pol text);
         CREATE UNIQUE INDEX partial_one ON t (id) WHERE p <> '';
         CREATE INDEX computed ON t (lower(e)); CREATE INDEX over_long ON t (long); CREATE INDEX over_j ON t USING gin (j);
         CREATE VIEW shows_v AS SELECT v FROM t;
         CREATE FUNCTION noop() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
         CREATE TRIGGER on_tr AFTER UPDATE OF tr ON t FOR EACH ROW EXECUTE FUNCTION noop();
         CREATE POLICY by_pol ON t USING (pol = current_user);
         CREATE TABLE ruled (id integer PRIMARY KEY, c text); CREATE RULE no_update AS ON UPDATE TO ruled DO INSTEAD NOTHING;
         CREATE TABLE ancestor (id integer PRIMARY KEY, c text); CREATE TABLE heir () INHERITS (ancestor);
         CREATE TABLE nokey (a integer, c text); CREATE MATERIALIZED VIEW mat AS SELECT 1 AS id, 'x'::text AS c",
    )
    .await;
    for (name, of, longest, part) in [
        ("t", "u", 200, "unique"),
        ("t", "f", 200, "foreign key"),
        ("parent", "code", 200, "foreign key"),
        ("t", "g", 200, "generated"),
        ("t", "gg", 200, "generated"),
        ("t", "ck", 200, "CHECK"),
        ("t", "e", 200, "computed"),
        ("t", "p", 200, "unique"),
        ("t", "n", 200, "identity"),
        ("t", "v", 200, "view shows_v"),
        ("t", "long", 3_000, "btree"),
        ("t", "j", 200, "gin"),
        ("t", "tr", 200, "trigger on_tr"),
        ("t", "pol", 200, "policy by_pol"),
        ("t", "id", 200, "primary key"),
        ("ruled", "c", 200, "rule no_update"),
        ("ancestor", "c", 200, "inherit"),
        ("nokey", "c", 200, "no primary key"),
        ("mat", "c", 200, "view"),
        ("t", "long", 1_100_000_000, "1 GB"),
    ] {
        assert_refused(s, name, of, longest, part).await;
    }
    let found = describe(s, "t", "long", 2_000).await;
    assert!(found.refusals.is_empty(), "{:?}", found.refusals);
}

pub(crate) async fn warnings(s: &ScratchDatabase) {
    s.execute(
        "CREATE TABLE t (id integer PRIMARY KEY, c text DEFAULT 'd', o text);
         CREATE INDEX over_c ON t (c); CREATE INDEX over_o ON t (o);
         CREATE VIEW v AS SELECT c FROM t; CREATE VIEW other AS SELECT o FROM t;
         CREATE FUNCTION noop() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
         CREATE TRIGGER fires BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION noop();
         CREATE TRIGGER silent BEFORE UPDATE OF o ON t FOR EACH ROW EXECUTE FUNCTION noop();
         CREATE TRIGGER off BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION noop(); ALTER TABLE t DISABLE TRIGGER off;
         CREATE PUBLICATION pub FOR TABLE t",
    )
    .await;
    let found = describe(s, "t", "c", 200).await;
    assert!(found.refusals.is_empty(), "{:?}", found.refusals);
    for part in [
        "DEFAULT",
        "over_c",
        "view v ",
        "trigger fires",
        "publication pub",
        "VACUUM",
    ] {
        assert!(
            says(&found.warnings, part),
            "{part} in {:#?}",
            found.warnings
        );
    }
    for part in ["over_o", "silent", "view other", "trigger off"] {
        assert!(!says(&found.warnings, part), "{part}");
    }
}

pub(crate) async fn partitions(s: &ScratchDatabase) {
    s.execute(
        "CREATE TABLE p (id integer, region text, c varchar(10) DEFAULT 'd', PRIMARY KEY (id, region)) PARTITION BY LIST (region);
         CREATE TABLE p_a PARTITION OF p FOR VALUES IN ('a'); CREATE TABLE p_rest PARTITION OF p DEFAULT;
         INSERT INTO p SELECT x, CASE WHEN x % 3 = 0 THEN 'a' ELSE 'b' || x % 5 END, 'v' || x FROM generate_series(1, 200) x",
    )
    .await;
    assert_refused(s, "p", "region", 200, "primary key").await;
    assert_refused(s, "p_a", "c", 200, "has it from p").await;
    let before = s.dump().await;
    let description = roundtrip::forward(s, "p").await;
    let db = connect(s).await;
    assert_eq!(all(&column(&db, "p", "c").await).await.len(), 200);
    let names: Vec<String> = db
        .tables()
        .await
        .unwrap()
        .iter()
        .map(|t| t.name.to_string())
        .collect();
    assert_eq!(names, ["p"], "partitions stand under their parent");
    db.close().await;
    roundtrip::back(s, "p", &description).await;
    s.dump().await.assert_same(&before);
    s.execute("ALTER TABLE ONLY p_a ALTER c SET DEFAULT 'another'")
        .await;
    assert_refused(s, "p", "c", 200, "another DEFAULT").await;
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
    let error = target.write(&[change], &[]).await.expect_err("too long");
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
    let error = target.write(&[change], &[]).await.expect_err("no integer");
    let said = format!("{error} {error:?}");
    assert!(
        !said.contains("secret word") && said.contains("22P02"),
        "{said}"
    );
    db.close().await;
}
