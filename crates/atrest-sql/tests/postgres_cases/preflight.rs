//! Refusals, warnings, partitions.

use atrest_testing::ScratchDatabase;

use crate::conformance::{all, assert_refused, column, connect, describe, roundtrip, says};

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
