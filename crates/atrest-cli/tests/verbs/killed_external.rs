//! `adopt` and `exit` killed before the system calls that change anything: each value is
//! whole, other software's token as it was or ours (the other way round for `exit`), and
//! the same command finishes the work.

use atrest_core::{Context, FieldOpener, Form, Key, Keyring, Stored, Suite};
use atrest_testing::ScratchDatabase;

use crate::killed::{CALLS, finished, killed_at, own_files, stride};
use crate::support::{KEY, NEXT, Place};

const ADOPT: &[&str] = &[
    "adopt",
    "--from",
    "fernet",
    "--from-key",
    "env:NEXT",
    "--batch-size",
    "3",
    "--backup",
    "old.atrest",
    "--yes",
];
const EXIT: &[&str] = &[
    "exit",
    "--to-key",
    "env:NEXT",
    "--batch-size",
    "3",
    "--backup",
    "old.atrest",
    "--yes",
];
const ROWS: u32 = 30;

/// `people` as the command finds it: under the other key for `adopt`, under ours for `exit`.
async fn place(db: ScratchDatabase, verb: &[&str]) -> Place {
    let place = Place::new(db, ROWS).await;
    place
        .run(&["encrypt", "--yes", "--apply-schema", "--no-backup"])
        .expect(0);
    if verb == ADOPT {
        place
            .run(&["exit", "--to-key", "env:NEXT", "--yes", "--no-backup"])
            .expect(0);
    }
    place
        .db
        .execute("DROP TABLE IF EXISTS atrest_journal")
        .await;
    let saved = "CREATE TABLE saved_people AS SELECT * FROM people";
    place.db.execute(saved).await;
    place
}

/// As it was: no journal, and no file of ours but the policy.
async fn restore(place: &Place, policy: &str) {
    for sql in [
        "DELETE FROM people",
        "INSERT INTO people SELECT * FROM saved_people",
        "DROP TABLE IF EXISTS atrest_journal",
    ] {
        place.db.execute(sql).await;
    }
    for file in own_files(place.folder()) {
        std::fs::remove_file(file).unwrap();
    }
    place.policy(policy);
}

type Values = Vec<Option<Vec<u8>>>;

async fn stored(place: &Place) -> Values {
    let rows = place.db.rows("SELECT email FROM people ORDER BY id").await;
    rows.into_iter().map(|mut row| row.remove(0)).collect()
}

/// What a value is made in and means: under our key, or Fernet under the other.
fn opened(opener: &mut FieldOpener, value: &[u8]) -> (Suite, String) {
    let mut clear = Vec::new();
    let context = Context::new("people.email");
    match opener.read(Form::Text, &context, value, &mut clear) {
        Stored::Sealed(sealed) => {
            let (ours, theirs) = (Key::parse(KEY).unwrap(), Key::parse(NEXT).unwrap());
            let key = match sealed.suite {
                Suite::Fernet => theirs.id(),
                _ => ours.id(),
            };
            assert_eq!(sealed.key, key);
            (sealed.suite, String::from_utf8(clear).unwrap())
        }
        other => panic!("{other:?}: {}", String::from_utf8_lossy(value)),
    }
}

/// Each value whole, and how many are new.
fn new_ones(before: &Values, after: &Values, at: &str) -> usize {
    let previous = vec![Key::parse(NEXT).unwrap()];
    let keyring = Keyring::new(Key::parse(KEY).unwrap(), previous).unwrap();
    let mut opener = FieldOpener::new(&keyring);
    assert_eq!(before.len(), after.len(), "{at}");
    let mut new = 0;
    for (id, (old, now)) in (1..).zip(before.iter().zip(after)) {
        assert_eq!(old.is_none(), now.is_none(), "{at}: row {id}");
        let (Some(old), Some(now)) = (old, now) else {
            continue;
        };
        let (was, is) = (opened(&mut opener, old), opened(&mut opener, now));
        let clear = format!("user{id}@example.org");
        assert_eq!((&was.1, &is.1), (&clear, &clear), "{at}: row {id}");
        assert_eq!(was.0 == is.0, old == now, "{at}: row {id}, in {}", is.0);
        new += usize::from(was.0 != is.0);
    }
    new
}

async fn at_every_step(db: ScratchDatabase, verb: &[&str]) {
    let place = place(db, verb).await;
    let policy = std::fs::read_to_string(place.folder().join("atrest.toml")).unwrap();
    let (before, stride) = (stored(&place).await, stride(&place));
    let due = before.iter().flatten().count();
    assert_eq!(due, 27);
    let mut seen = Vec::new();
    for call in CALLS {
        let mut nth = 1;
        loop {
            restore(&place, &policy).await;
            let at = format!("{} killed at {call} {nth}", verb[0]);
            let done = killed_at(&place, verb, call, nth);
            let new = new_ones(&before, &stored(&place).await, &at);
            if let Some(ran) = done {
                ran.expect(0);
                assert_eq!(new, due, "{at}");
                break;
            }
            seen.push(new);
            let again = finished(&place, verb);
            assert_eq!(
                again.status, 0,
                "{at}, then again: {}{}",
                again.out, again.err
            );
            let new = new_ones(&before, &stored(&place).await, &at);
            assert_eq!(new, due, "{at}, then again");
            // Files have few calls, and the backup's are one or two a page.
            nth += if call == "sendto" { stride } else { 1 };
        }
    }
    // Before the first page, behind the last, and between two.
    assert!(seen.len() > 10, "{seen:?}");
    assert!(seen.contains(&0), "{seen:?}");
    // On servers not every call is taken, and pages overlap.
    let between = seen.iter().any(|n| (1..due).contains(n));
    assert!(between || stride > 1, "{seen:?}");
    assert!(seen.contains(&due), "{seen:?}");
}

macro_rules! on {
    ($($kind:ident),*) => {$(
        mod $kind {
            use atrest_testing::ScratchDatabase;

            #[tokio::test(flavor = "multi_thread")]
            async fn adopt() {
                super::at_every_step(ScratchDatabase::$kind().await, super::ADOPT).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn exit() {
                super::at_every_step(ScratchDatabase::$kind().await, super::EXIT).await;
            }
        }
    )*};
}

on!(sqlite, postgres, mariadb);
