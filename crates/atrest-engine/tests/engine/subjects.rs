//! One key for each person: encrypted, read, rotated, restored and decrypted with keys
//! of their own.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use atrest_core::{Key, KeyId, Keyring};
use atrest_engine::backup::Backups;
use atrest_engine::policy::ColumnPolicy;
use atrest_engine::report::ColumnReport;
use atrest_engine::restore::RestoreMode;
use atrest_engine::subjects::{SubjectKeyring, Subjects};
use atrest_engine::target::Database;
use atrest_engine::{Engine, Operation, RunOptions};
use atrest_testing::ScratchDatabase;

use crate::support::{clear, column, id, long_text, ring, small_steps, values};

/// Table `t (id, owner, v)`: row `n` belongs to person `n % people`; every 17th row is
/// nobody's, every 13th has no value.
pub async fn people(scratch: &ScratchDatabase, rows: usize, people: usize) -> Vec<Option<String>> {
    let text = long_text(scratch);
    scratch
        .execute(&format!(
            "CREATE TABLE t (id int NOT NULL PRIMARY KEY, owner int, v {text})"
        ))
        .await;
    let mut clear = clear(rows);
    let mut tuples = Vec::new();
    for (i, value) in clear.iter_mut().enumerate() {
        let n = i + 1;
        if n % 13 == 0 {
            *value = None;
        }
        let owner = match n % 17 {
            0 => "NULL".to_owned(),
            _ => (n % people).to_string(),
        };
        let value = value.as_ref().map(|v| scratch.dialect().literal(v));
        tuples.push(format!(
            "({n}, {owner}, {})",
            value.as_deref().unwrap_or("NULL")
        ));
    }
    for chunk in tuples.chunks(200) {
        scratch
            .execute(&format!("INSERT INTO t VALUES {}", chunk.join(", ")))
            .await;
    }
    clear
}

pub fn policy() -> ColumnPolicy {
    ColumnPolicy {
        subject: Some("owner".into()),
        ..column("t", "v")
    }
}

/// The keyring of the tests: wrapping key 100, index key 101.
pub fn subjects(
    database: &Arc<dyn Database>,
    shared: &Keyring,
    forgotten: Vec<(String, Vec<KeyId>)>,
) -> Arc<Subjects> {
    let wrapping = ring(100, &[]);
    let index = Key::from_bytes([101; 32]);
    let keys = SubjectKeyring {
        wrapping: &wrapping,
        index: &index,
        forgotten,
    };
    Arc::new(Subjects::new(Arc::clone(database), shared, keys))
}

pub async fn engine(scratch: &ScratchDatabase, shared: &Keyring) -> Engine {
    let engine = crate::support::engine(scratch, shared.clone()).await;
    let subjects = subjects(engine.database(), shared, Vec::new());
    engine.with_subjects(subjects)
}

async fn done(
    scratch: &ScratchDatabase,
    shared: &Keyring,
    operation: Operation,
    options: &RunOptions,
    backup: &str,
) -> ColumnReport {
    let engine = engine(scratch, shared).await;
    let backups = Backups::new(shared, Some(scratch.folder().join(backup)), false);
    let report = engine
        .change(operation, &policy(), options, &backups)
        .await
        .unwrap();
    let _files = backups.finish();
    engine.database().close().await;
    report
}

async fn verified(scratch: &ScratchDatabase, shared: &Keyring) -> ColumnReport {
    let engine = engine(scratch, shared).await;
    let report = engine
        .verify(&policy(), &RunOptions::default())
        .await
        .unwrap();
    engine.database().close().await;
    report
}

/// The key ids that tokens name, by owner.
async fn keys_by_owner(scratch: &ScratchDatabase) -> BTreeMap<Option<String>, BTreeSet<String>> {
    let shared = ring(1, &[]);
    let engine = engine(scratch, &shared).await;
    let mut keys: BTreeMap<_, BTreeSet<String>> = BTreeMap::new();
    for row in scratch.rows("SELECT id, owner FROM t ORDER BY id").await {
        let text = |i: usize| row[i].clone().map(|v| String::from_utf8(v).unwrap());
        let (key, owner) = (text(0).unwrap(), text(1));
        let found = engine.inspect(&policy(), &[key], false).await.unwrap();
        if let Some(id) = found.key_id {
            assert_eq!(found.state, "sealed");
            keys.entry(owner).or_default().insert(id);
        }
    }
    engine.database().close().await;
    keys
}

pub async fn every_person_has_a_key_of_their_own(scratch: &ScratchDatabase) {
    let want = people(scratch, 300, 20).await;
    let shared = ring(1, &[]);
    let options = RunOptions {
        workers: Some(4),
        batch_size: Some(40),
        ..RunOptions::default()
    };
    let report = done(scratch, &shared, Operation::Encrypt, &options, "a").await;
    let nobodys = (1..=300_u64).filter(|n| n % 17 == 0 && n % 13 != 0).count() as u64;
    let sealed = (1..=300_u64).filter(|n| n % 13 != 0).count() as u64;
    assert_eq!((report.changed, report.plaintext), (sealed, 0));
    assert_eq!(report.sealed_by_subject, sealed - nobodys);
    assert_eq!(report.sealed, BTreeMap::from([(id(1), nobodys)]));

    let again = verified(scratch, &shared).await;
    assert_eq!(again.sealed_by_subject, report.sealed_by_subject);
    assert_eq!(again.sealed, report.sealed);
    assert_eq!(
        (again.plaintext, again.undecryptable, again.forgotten),
        (0, 0, 0)
    );

    let keys = keys_by_owner(scratch).await;
    assert_eq!(keys.len(), 21);
    assert!(keys.values().all(|keys| keys.len() == 1), "{keys:?}");
    let all: BTreeSet<_> = keys.values().flatten().collect();
    assert_eq!(all.len(), 21, "no two persons share a key");
    let records = scratch.scalar("SELECT count(*) FROM atrest_keys").await;
    assert_eq!(records.as_deref(), Some("20"));

    let report = done(scratch, &shared, Operation::Encrypt, &options, "b").await;
    assert_eq!(report.changed, 0, "nothing is sealed twice");
    let report = done(scratch, &shared, Operation::Decrypt, &options, "c").await;
    assert_eq!((report.changed, report.sealed_by_subject), (sealed, 0));
    assert_eq!(values(scratch).await, want);
}

pub async fn a_person_named_by_the_primary_key(scratch: &ScratchDatabase) {
    let text = long_text(scratch);
    scratch
        .execute(&format!(
            "CREATE TABLE t (id int NOT NULL, owner varchar(40) NOT NULL, v {text}, PRIMARY KEY (owner, id))"
        ))
        .await;
    for n in 1..=60 {
        scratch
            .execute(&format!(
                "INSERT INTO t VALUES ({n}, 'person {}', 'secret {n}')",
                n % 7
            ))
            .await;
    }
    let shared = ring(1, &[]);
    let report = done(scratch, &shared, Operation::Encrypt, &small_steps(), "a").await;
    assert_eq!((report.changed, report.sealed_by_subject), (60, 60));
    let report = verified(scratch, &shared).await;
    assert_eq!((report.sealed_by_subject, report.plaintext), (60, 0));
    let records = scratch.scalar("SELECT count(*) FROM atrest_keys").await;
    assert_eq!(records.as_deref(), Some("7"));
    let report = done(scratch, &shared, Operation::Decrypt, &small_steps(), "b").await;
    assert_eq!(report.changed, 60);
}

pub async fn rotating_moves_what_was_sealed_under_the_shared_key(scratch: &ScratchDatabase) {
    let want = people(scratch, 120, 10).await;
    let shared = ring(1, &[]);
    let whole = column("t", "v");
    crate::support::done(scratch, &shared, Operation::Encrypt, &whole).await;
    let before = verified(scratch, &shared).await;
    assert_eq!((before.sealed_by_subject, before.undecryptable), (0, 0));

    let report = done(scratch, &shared, Operation::Rotate, &small_steps(), "a").await;
    assert!(report.settled);
    let after = verified(scratch, &shared).await;
    assert_eq!(after.sealed_by_subject, report.changed);
    assert_eq!(after.total - after.null, after.sealed_total());
    assert_eq!(
        done(scratch, &shared, Operation::Rotate, &small_steps(), "b")
            .await
            .changed,
        0
    );
    done(scratch, &shared, Operation::Decrypt, &small_steps(), "c").await;
    assert_eq!(values(scratch).await, want);
}

pub async fn a_backup_holds_nothing_that_the_shared_key_alone_opens(scratch: &ScratchDatabase) {
    let want = people(scratch, 120, 10).await;
    let shared = ring(1, &[]);
    done(scratch, &shared, Operation::Encrypt, &small_steps(), "a").await;
    let path = scratch.folder().join("a");
    let mut reader = atrest_engine::backup::BackupReader::open(&path, &shared).unwrap();
    let mut rows = 0;
    while let Some(page) = reader.next_page().unwrap() {
        assert!(page.sealed);
        for (_, value) in page.rows {
            let shown = value.as_ref();
            let atrest_engine::target::ValueRef::Text(token) = shown else {
                panic!("{shown:?}");
            };
            assert!(!token.windows(6).any(|w| w == b"secret"));
            rows += 1;
        }
    }
    assert_eq!(rows, want.iter().flatten().count());

    let engine = engine(scratch, &shared).await;
    let compared = engine
        .restore(
            &path,
            &[&policy()],
            RestoreMode::Compare,
            &RunOptions::default(),
        )
        .await
        .unwrap();
    assert!(compared[0].clean(), "{compared:?}");
    let restored = engine
        .restore(
            &path,
            &[&policy()],
            RestoreMode::Restore,
            &RunOptions::default(),
        )
        .await
        .unwrap();
    assert_eq!(restored[0].changed, rows as u64);
    engine.database().close().await;
    assert_eq!(values(scratch).await, want);
}

pub async fn a_changed_record_of_keys_is_refused(scratch: &ScratchDatabase) {
    people(scratch, 40, 4).await;
    let shared = ring(1, &[]);
    done(scratch, &shared, Operation::Encrypt, &small_steps(), "a").await;
    let names = scratch
        .rows("SELECT name FROM atrest_keys ORDER BY name")
        .await;
    let name = |i: usize| String::from_utf8(names[i][0].clone().unwrap()).unwrap();
    // One person's keys in another's place.
    scratch
        .execute(&format!(
            "UPDATE atrest_keys SET name = '{}x' WHERE name = '{}'",
            name(1),
            name(1)
        ))
        .await;
    scratch
        .execute(&format!(
            "INSERT INTO atrest_keys (name, body, mac) SELECT '{}', body, mac FROM atrest_keys WHERE name = '{}'",
            name(1),
            name(0)
        ))
        .await;
    let engine = engine(scratch, &shared).await;
    let error = engine
        .verify(&policy(), &RunOptions::default())
        .await
        .unwrap_err()
        .to_string();
    engine.database().close().await;
    assert!(
        error.contains(&name(1)) && error.contains("was changed"),
        "{error}"
    );
}
