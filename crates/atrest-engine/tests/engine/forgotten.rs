//! A person is forgotten: asked for, undone, done; copies that come back.

use atrest_core::KeyId;
use atrest_engine::backup::Backups;
use atrest_engine::policy::ColumnPolicy;
use atrest_engine::restore::RestoreMode;
use atrest_engine::subjects::{Standing, SubjectError, Subjects};
use atrest_engine::{Engine, Operation, RunOptions};
use atrest_testing::ScratchDatabase;
use jiff::{SignedDuration, Timestamp};

use crate::support::{column, long_text, ring};

fn policy() -> ColumnPolicy {
    ColumnPolicy {
        subject: Some("owner".into()),
        ..column("t", "v")
    }
}

/// Table `t (id, owner, v, hint)`: 30 rows of three people, two of whom the database's
/// collation may take for one.
async fn people(scratch: &ScratchDatabase) {
    let text = long_text(scratch);
    scratch
        .execute(&format!(
            "CREATE TABLE t (id int NOT NULL PRIMARY KEY, owner varchar(40), v {text}, hint varchar(64))"
        ))
        .await;
    let rows: Vec<String> = (1..=30)
        .map(|n| {
            let owner = ["anna", "ANNA", "bert"][n % 3];
            format!("({n}, '{owner}', 'secret {n}', 'hash {n}')")
        })
        .collect();
    scratch
        .execute(&format!("INSERT INTO t VALUES {}", rows.join(", ")))
        .await;
}

async fn engine(scratch: &ScratchDatabase, forgotten: Vec<(String, Vec<KeyId>)>) -> Engine {
    let shared = ring(1, &[]);
    let engine = crate::support::engine(scratch, shared.clone()).await;
    let subjects = crate::subjects::subjects(engine.database(), &shared, forgotten);
    engine.with_subjects(subjects)
}

fn subjects(engine: &Engine) -> &Subjects {
    engine.subjects().unwrap()
}

async fn encrypt(scratch: &ScratchDatabase, engine: &Engine, backup: &str) -> u64 {
    let backups = Backups::new(&ring(1, &[]), Some(scratch.folder().join(backup)), false);
    let options = RunOptions::default();
    let report = engine
        .change(Operation::Encrypt, &policy(), &options, &backups)
        .await
        .unwrap();
    let _files = backups.finish();
    report.changed
}

/// (sealed by subject, forgotten, undecryptable, plaintext)
async fn counts(engine: &Engine) -> (u64, u64, u64, u64) {
    let report = engine
        .verify(&policy(), &RunOptions::default())
        .await
        .unwrap();
    (
        report.sealed_by_subject,
        report.forgotten,
        report.undecryptable,
        report.plaintext,
    )
}

fn now() -> Timestamp {
    Timestamp::now()
}

pub async fn asked_for_undone_and_done(scratch: &ScratchDatabase) {
    people(scratch).await;
    let engine = engine(scratch, Vec::new()).await;
    assert_eq!(encrypt(scratch, &engine, "a").await, 30);
    let tag = subjects(&engine).tag("anna");
    assert_ne!(tag, subjects(&engine).tag("ANNA"));
    assert_eq!(subjects(&engine).key_ids().await.unwrap().len(), 3);
    assert!(subjects(&engine).destroyed().await.unwrap().is_empty());

    let later = now() + SignedDuration::from_hours(24);
    let state = subjects(&engine)
        .forget("anna", later, now())
        .await
        .unwrap();
    assert_eq!(state.alive().len(), 1);
    assert!(!state.is_due(now()));
    assert_eq!(counts(&engine).await, (20, 0, 0, 0));
    let options = RunOptions::default();
    let report = engine.verify(&policy(), &options).await.unwrap();
    assert_eq!(report.to_be_forgotten, 10);
    let waiting = subjects(&engine).unfinished().await.unwrap();
    assert_eq!(waiting, [state]);
    subjects(&engine).undo(&tag).await.unwrap();
    assert_eq!(counts(&engine).await, (30, 0, 0, 0));
    assert!(matches!(
        subjects(&engine).undo(&tag).await,
        Err(SubjectError::NothingToUndo { .. })
    ));

    let held = subjects(&engine)
        .hold(&tag, Some("case 12/2026"), now())
        .await
        .unwrap();
    assert_eq!(held.hold.as_deref(), Some("case 12/2026"));
    let refused = subjects(&engine).forget("anna", now(), now()).await;
    assert!(refused.unwrap_err().to_string().contains("case 12/2026"));
    subjects(&engine).hold(&tag, None, now()).await.unwrap();

    subjects(&engine)
        .forget("anna", now(), now())
        .await
        .unwrap();
    assert_eq!(subjects(&engine).named(&tag).await.unwrap(), "anna");
    let state = subjects(&engine).destroy(&tag, now()).await.unwrap();
    assert!(state.alive().is_empty());
    assert_eq!(counts(&engine).await, (20, 10, 0, 0));
    // A new key of the keyring keeps away from her id, too; a tombstone can be made anew.
    let ids = subjects(&engine).key_ids().await.unwrap();
    let [gone] = &subjects(&engine).destroyed().await.unwrap()[..] else {
        panic!("one subject has keys that were destroyed");
    };
    assert_eq!((gone.tag.as_str(), gone.keys.len()), (tag.as_str(), 1));
    assert!(ids.len() == 3 && ids.contains(&gone.keys[0]));
    let standing = subjects(&engine).standing(&ids.into_iter().collect()).await;
    let standing = standing.unwrap();
    assert_eq!(standing[&gone.keys[0]], Standing::Gone);
    let open = standing.values().filter(|it| **it == Standing::Opens);
    assert_eq!(open.count(), 2);
    let erased = engine.belongings(&policy(), "anna").await.unwrap();
    assert_eq!((erased.rows, erased.unreadable), (10, 10));
    let others = engine.belongings(&policy(), "ANNA").await.unwrap();
    assert_eq!(
        (others.rows, others.unreadable, others.plaintext),
        (10, 0, 0)
    );
    let found = engine
        .inspect(&policy(), &["3".into()], true)
        .await
        .unwrap();
    assert_eq!((found.state, found.clear), ("forgotten", None));
    assert!(matches!(
        subjects(&engine).forget("nobody", now(), now()).await,
        Err(SubjectError::Unknown { .. })
    ));

    // The backup has nothing of her either; of the others it has all.
    let path = scratch.folder().join("a");
    let mode = RestoreMode::Compare;
    let report = engine
        .restore(&path, &[&policy()], mode, &RunOptions::default())
        .await
        .unwrap();
    let report = &report[0];
    assert_eq!(
        (report.same, report.forgotten, report.undecryptable),
        (20, 10, 0)
    );

    // Back again, she has a new key; what was, stays gone.
    scratch.execute("UPDATE t SET v = 'new' WHERE id = 3").await;
    assert_eq!(encrypt(scratch, &engine, "b").await, 1);
    assert_eq!(counts(&engine).await, (21, 9, 0, 0));
    let state = subjects(&engine).state(&tag).await.unwrap().unwrap();
    assert_eq!((state.keys.len(), state.alive().len()), (2, 1));
    assert_eq!(encrypt(scratch, &engine, "c").await, 0);
    engine.database().close().await;
}

pub async fn a_copy_of_the_keys_that_comes_back_is_not_used(scratch: &ScratchDatabase) {
    people(scratch).await;
    let first = engine(scratch, Vec::new()).await;
    encrypt(scratch, &first, "a").await;
    let tag = subjects(&first).tag("bert");
    let copy = "CREATE TABLE copied AS SELECT * FROM atrest_keys";
    scratch.execute(copy).await;
    let state = subjects(&first).forget("bert", now(), now()).await.unwrap();
    let keys = state.alive();
    subjects(&first).destroy(&tag, now()).await.unwrap();
    assert_eq!(counts(&first).await, (20, 10, 0, 0));
    first.database().close().await;

    scratch.execute("DELETE FROM atrest_keys").await;
    scratch
        .execute("INSERT INTO atrest_keys SELECT * FROM copied")
        .await;
    // Without the tombstone nothing tells that it was forgotten.
    let blind = engine(scratch, Vec::new()).await;
    assert_eq!(counts(&blind).await, (30, 0, 0, 0));
    blind.database().close().await;
    let second = engine(scratch, vec![(tag.clone(), keys)]).await;
    assert_eq!(counts(&second).await, (20, 10, 0, 0));
    assert_eq!(subjects(&second).back(), std::slice::from_ref(&tag));
    let waiting = subjects(&second).unfinished().await.unwrap();
    assert_eq!(waiting.len(), 1);
    assert_eq!(waiting[0].tag, tag);
    subjects(&second).destroy(&tag, now()).await.unwrap();
    assert!(subjects(&second).unfinished().await.unwrap().is_empty());
    second.database().close().await;
}

pub async fn what_is_asked_for_is_given(scratch: &ScratchDatabase) {
    people(scratch).await;
    let engine = engine(scratch, Vec::new()).await;
    encrypt(scratch, &engine, "a").await;
    scratch.execute("UPDATE t SET v = NULL WHERE id = 6").await;
    let mut given = Vec::new();
    engine
        .export(&policy(), "anna", &mut |one| given.push(one))
        .await
        .unwrap();
    let want: Vec<_> = (1..=10)
        .map(|n| (n * 3).to_string())
        .map(|n| match n.as_str() {
            "6" => (n, "null", None),
            _ => (n.clone(), "clear", Some(format!("secret {n}"))),
        })
        .collect();
    let given: Vec<_> = given
        .into_iter()
        .map(|b| (b.key, b.state, b.value))
        .collect();
    assert_eq!(given, want);

    assert_eq!(engine.empty(&policy(), "hint", "anna").await.unwrap(), 10);
    assert_eq!(engine.empty(&policy(), "hint", "anna").await.unwrap(), 0);
    let left = scratch
        .scalar("SELECT count(*) FROM t WHERE hint IS NOT NULL")
        .await;
    assert_eq!(left.as_deref(), Some("20"));
    engine.database().close().await;
}

/// The keys of a destroyed subject are overwritten in the file, not only let go.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_keeps_no_copy_of_a_destroyed_key() {
    let scratch = ScratchDatabase::sqlite().await;
    people(&scratch).await;
    let engine = engine(&scratch, Vec::new()).await;
    encrypt(&scratch, &engine, "a").await;
    let tag = subjects(&engine).tag("bert");
    let body = scratch
        .scalar(&format!(
            "SELECT body FROM atrest_keys WHERE name = 'subject:{tag}'"
        ))
        .await
        .unwrap();
    let wrapped = body.split("\"wrapped\":\"").nth(1).unwrap()[..40].to_owned();
    let holds = || {
        let file = std::fs::read(scratch.path()).unwrap();
        file.windows(40).any(|w| w == wrapped.as_bytes())
    };
    assert!(holds());
    subjects(&engine)
        .forget("bert", now(), now())
        .await
        .unwrap();
    subjects(&engine).destroy(&tag, now()).await.unwrap();
    engine.database().close().await;
    assert!(!holds());
}
