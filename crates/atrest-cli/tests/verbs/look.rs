//! `inspect` and `key`.

use crate::support::Place;

#[tokio::test]
async fn inspect_shows_a_clear_value_only_when_told() {
    let place = Place::sqlite(20).await;
    place
        .run(&["inspect", "people", "7"])
        .expect(1)
        .says("plaintext")
        .hides("user7@");
    place
        .run(&["inspect", "people", "7", "--json"])
        .expect(1)
        .hides("user7@");
    place.run(&["encrypt"]).expect(0).hides("user7@");
    place
        .run(&["inspect", "people", "7"])
        .expect(0)
        .says("sealed")
        .says("stored: ar1.")
        .hides("user7@");
    place
        .run(&["inspect", "people", "7", "--column", "email", "--reveal"])
        .expect(0)
        .says("clear:  user7@example.org");
    place
        .run(&["inspect", "people", "10"])
        .expect(0)
        .says("null");
    place
        .run(&["inspect", "people", "99"])
        .expect(2)
        .says("no row with key 99");
    place
        .run(&["inspect", "persons", "7"])
        .expect(2)
        .says("people.email");
    place.run(&["inspect", "people", "x"]).expect(2);
}

#[tokio::test]
async fn keys_are_made_once_and_for_the_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = Place::sqlite(20).await;
    let made = place
        .run(&["key", "generate", "--out", "a.key", "--format", "hex"])
        .expect(0);
    assert!(made.out.is_empty(), "the key is in the file alone");
    let path = place.folder().join("a.key");
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text.trim_end().len(), 64);
    assert!(!made.err.contains(text.trim_end()));
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    place
        .run(&["key", "generate", "--out", "a.key"])
        .expect(2)
        .says("never overwritten");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);

    place.keys("primary = \"file:a.key\"");
    place.run(&["encrypt"]).expect(0);
    place.run(&["verify"]).expect(0);

    let printed = place.run(&["key", "generate"]).expect(0);
    assert_eq!(printed.out.trim_end().len(), 44);
    place
        .run(&["key", "generate", "--password", "env:APP_PASSWORD"])
        .expect(0)
        .says("password:env:APP_PASSWORD?kdf=argon2id&salt=");
}

#[tokio::test]
async fn key_list_needs_no_database() {
    let place = Place::sqlite(1).await;
    place.policy(
        "[keys]\nprimary = \"env:NEXT\"\nprevious = [\"env:KEY\"]\n[database]\n\
         url = \"sqlite:nowhere.db\"\n[[column]]\ntable = \"people\"\nname = \"email\"\n",
    );
    let listed = place
        .run(&["key", "list", "--json"])
        .expect(0)
        .says("were not counted")
        .json();
    assert_eq!(listed["keys"][0]["source"], "NEXT");
    assert_eq!(listed["keys"][1]["role"], "previous");
    assert!(listed["keys"][0]["values"].is_null());
}
