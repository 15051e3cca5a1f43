//! Plan, encrypt, verify, rotate, verify, decrypt: and the database is what it was.

use atrest_testing::{Dialect, ScratchDatabase};

use crate::support::Place;

const ROWS: u32 = 600;
const VALUES: u64 = 540;

async fn whole_life(db: ScratchDatabase) {
    let place = Place::new(db, ROWS).await;
    let original = place.db.dump().await;
    let narrow = place.db.dialect() != Dialect::Sqlite;

    let plan = place.run(&["plan"]).expect(0).says("540 values to encrypt");
    if narrow {
        plan.says("ALTER TABLE").says("and back:");
        place.run(&["encrypt"]).expect(2).says("--apply-schema");
    }
    place.run(&["verify"]).expect(1).says("Not clean");
    place.run(&["encrypt", "--dry-run"]).expect(0);
    place.db.dump().await.assert_same(&original);
    assert!(place.backups().is_empty());

    place
        .run(&["encrypt", "--apply-schema"])
        .expect(0)
        .says("540 encrypted")
        .says("Next: atrest verify");
    let policy = std::fs::read_to_string(place.folder().join("atrest.toml")).unwrap();
    assert!(policy.contains("context = \"people.email\""), "{policy}");
    assert_eq!(place.tokens().await, VALUES);
    assert!(!place.db.dump().await.contains("@example.org"));
    assert_eq!(place.backups().len(), 1);
    place
        .run(&["verify"])
        .expect(0)
        .says("100 %")
        .says("SELECT count(*)");
    place
        .run(&["encrypt"])
        .expect(0)
        .says("people.email: 0 encrypted");
    assert_eq!(place.backups().len(), 1, "nothing changed, nothing is kept");

    place.keys("primary = \"env:NEXT\"\nprevious = [\"env:KEY\"]");
    place
        .run(&["status"])
        .expect(0)
        .says("540 values need it: run atrest rotate");
    place
        .run(&["plan", "rotate"])
        .expect(0)
        .says("540 values to rotate");
    place.run(&["rotate"]).expect(0).says("540 rotated");
    let listed = place.run(&["key", "list", "--json"]).expect(0).json();
    let old = &listed["keys"][1];
    assert_eq!(
        (old["values"].as_u64(), old["can_retire"].as_bool()),
        (Some(0), Some(true))
    );
    place.keys("primary = \"env:NEXT\"");
    place.run(&["verify"]).expect(0);

    place
        .run(&["decrypt", "--apply-schema"])
        .expect(0)
        .says("540 decrypted")
        .says("Every value is clear again");
    place.db.dump().await.assert_same(&original);
}

#[tokio::test]
async fn in_sqlite() {
    whole_life(ScratchDatabase::sqlite().await).await;
}

#[tokio::test]
async fn in_postgresql() {
    whole_life(ScratchDatabase::postgres().await).await;
}

#[tokio::test]
async fn in_mariadb() {
    whole_life(ScratchDatabase::mariadb().await).await;
}

#[tokio::test]
async fn every_suite_and_the_way_between_them() {
    let place = Place::sqlite(50).await;
    let original = place.db.dump().await;
    let mut verb = "encrypt";
    for suite in ["fernet", "a256cbc-hs512", "xaes-256-gcm"] {
        place.policy(&format!(
            "[keys]\nprimary = \"env:KEY\"\n[database]\nurl = \"sqlite:scratch.sqlite\"\n\
             [[column]]\ntable = \"people\"\nname = \"email\"\nsuite = \"{suite}\"\n"
        ));
        place
            .run(&[verb])
            .expect(0)
            .says("45 encrypted, 0 in clear");
        place.run(&["verify"]).expect(0).says(suite);
        verb = "rotate";
    }
    place.run(&["decrypt"]).expect(0);
    place.db.dump().await.assert_same(&original);
}
