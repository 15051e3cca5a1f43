//! What every engine test needs: keys, a policy for a column, an engine, and a look
//! at what the database holds.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use atrest_core::{Key, Keyring, Suite};
use atrest_engine::backup::Backups;
use atrest_engine::observe::{Event, Observer, Stop};
use atrest_engine::policy::{Bind, ColumnPolicy};
use atrest_engine::report::ColumnReport;
use atrest_engine::{Engine, EngineError, Operation, RunOptions};
use atrest_testing::connection::RawRow;
use atrest_testing::{Dialect, ScratchDatabase};

/// A keyring of made-up keys, each known by a number.
pub fn ring(primary: u8, previous: &[u8]) -> Keyring {
    let key = |n: &u8| Key::from_bytes([*n; 32]);
    Keyring::new(key(&primary), previous.iter().map(key).collect()).unwrap()
}

/// The id of such a key, as reports show it.
pub fn id(n: u8) -> String {
    Key::from_bytes([n; 32]).id().to_string()
}

pub fn column(table: &str, column: &str) -> ColumnPolicy {
    ColumnPolicy {
        table: table.parse().unwrap(),
        column: column.into(),
        suite: Suite::Xaes256Gcm,
        context: None,
        bind: Bind::Column,
        subject: None,
        forget_empties: Vec::new(),
        line: 1,
    }
}

pub async fn engine(scratch: &ScratchDatabase, keyring: Keyring) -> Engine {
    let database = atrest_sql::connect(scratch.url()).await.expect("connects");
    Engine::new(database, keyring)
}

/// A new backup of this name in the scratch folder.
pub fn fresh(scratch: &ScratchDatabase, keyring: &Keyring, name: &str) -> Backups {
    Backups::new(keyring, Some(scratch.folder().join(name)), false)
}

/// Runs an operation with a backup of its own in the scratch folder.
pub async fn run(
    engine: &Engine,
    keyring: &Keyring,
    scratch: &ScratchDatabase,
    operation: Operation,
    policy: &ColumnPolicy,
    options: &RunOptions,
) -> Result<ColumnReport, EngineError> {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let name = format!("{}.backup", NUMBER.fetch_add(1, Ordering::Relaxed));
    let backups = fresh(scratch, keyring, &name);
    let report = engine.change(operation, policy, options, &backups).await;
    let _files = backups.finish();
    report
}

/// As [`run`], with a connection of its own, and it must succeed.
pub async fn done(
    scratch: &ScratchDatabase,
    keyring: &Keyring,
    operation: Operation,
    policy: &ColumnPolicy,
) -> ColumnReport {
    let engine = engine(scratch, keyring.clone()).await;
    let options = RunOptions::default();
    let report = run(&engine, keyring, scratch, operation, policy, &options).await;
    engine.database().close().await;
    report.unwrap_or_else(|e| panic!("{}: {e}", operation.verb()))
}

pub async fn verified(
    scratch: &ScratchDatabase,
    keyring: &Keyring,
    policy: &ColumnPolicy,
) -> ColumnReport {
    let engine = engine(scratch, keyring.clone()).await;
    let report = engine.verify(policy, &RunOptions::default()).await.unwrap();
    engine.database().close().await;
    report
}

/// Small pages and one worker, so that a few hundred rows take many steps.
pub fn small_steps() -> RunOptions {
    RunOptions {
        batch_size: Some(10),
        workers: Some(1),
        ..RunOptions::default()
    }
}

/// A type for text of any length.
pub fn long_text(scratch: &ScratchDatabase) -> &'static str {
    match scratch.dialect() {
        Dialect::MySql => "longtext",
        _ => "text",
    }
}

/// Table `t (id int primary key, v text)` with these values from id 1.
pub async fn table(scratch: &ScratchDatabase, values: &[Option<String>]) {
    let text = long_text(scratch);
    scratch
        .execute(&format!(
            "CREATE TABLE t (id int NOT NULL PRIMARY KEY, v {text})"
        ))
        .await;
    for (page, chunk) in values.chunks(200).enumerate() {
        let tuples: Vec<_> = chunk
            .iter()
            .enumerate()
            .map(|(i, value)| {
                let value = value.as_ref().map(|v| scratch.dialect().literal(v));
                format!(
                    "({}, {})",
                    page * 200 + i + 1,
                    value.as_deref().unwrap_or("NULL")
                )
            })
            .collect();
        scratch
            .execute(&format!("INSERT INTO t VALUES {}", tuples.join(", ")))
            .await;
    }
}

/// `n` values in clear that tell themselves apart.
pub fn clear(n: usize) -> Vec<Option<String>> {
    (1..=n)
        .map(|i| Some(format!("secret number {i}, Zoë 山田")))
        .collect()
}

/// All of `t`, in key order.
pub async fn rows(scratch: &ScratchDatabase) -> Vec<RawRow> {
    scratch.rows("SELECT * FROM t ORDER BY id").await
}

/// The values of `t.v` as text, in key order.
pub async fn values(scratch: &ScratchDatabase) -> Vec<Option<String>> {
    let rows = scratch.rows("SELECT v FROM t ORDER BY id").await;
    rows.into_iter()
        .map(|r| r[0].as_ref().map(|v| String::from_utf8(v.clone()).unwrap()))
        .collect()
}

/// Stores a value in clear, or whatever it is, behind the engine's back.
pub async fn set(scratch: &ScratchDatabase, id: usize, value: &str) {
    let value = scratch.dialect().literal(value);
    scratch
        .execute(&format!("UPDATE t SET v = {value} WHERE id = {id}"))
        .await;
}

/// Asks to stop once so many rows were changed.
pub struct StopAfter {
    pub stop: Stop,
    rows: u64,
    seen: AtomicU64,
}

impl StopAfter {
    pub fn rows(rows: u64) -> Arc<Self> {
        Arc::new(Self {
            stop: Stop::default(),
            rows,
            seen: AtomicU64::new(0),
        })
    }
}

impl Observer for StopAfter {
    fn event(&self, event: &Event<'_>) {
        if let Event::Rows { changed, .. } = event
            && self.seen.fetch_add(*changed, Ordering::SeqCst) + changed >= self.rows
        {
            self.stop.request();
        }
    }
}

/// Runs an operation with a backup at `file` and stops it after some 50 rows.
pub async fn interrupted(
    scratch: &ScratchDatabase,
    keyring: &Keyring,
    operation: Operation,
    policy: &ColumnPolicy,
    backups: Backups,
) {
    let watch = StopAfter::rows(50);
    let engine = engine(scratch, keyring.clone())
        .await
        .watched(watch.clone(), watch.stop.clone());
    let stopped = engine
        .change(operation, policy, &small_steps(), &backups)
        .await;
    assert!(
        matches!(stopped, Err(EngineError::Interrupted)),
        "{stopped:?}"
    );
    engine.database().close().await;
}
