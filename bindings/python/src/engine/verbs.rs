//! The verbs on a policy's columns, each giving what `atrest VERB --json` prints
//! (docs/json.md). Files of the policy are the command's.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use atrest::Policy;
use atrest::policy_keys::{Access, PolicyKeys, PolicyKeysError, add_life};
use atrest_core::ExternalKeys;
use atrest_engine::backup::{self, Backups};
use atrest_engine::policy::ColumnPolicy;
use atrest_engine::report::{ColumnPlan, ColumnReport, key_usage, of_a_part};
use atrest_engine::restore::RestoreMode;
use atrest_engine::subjects::{OpenErasures, Rewrapped, Subjects};
use atrest_engine::target::Database;
use atrest_engine::{Engine, Operation, RunOptions};
use atrest_keys::{Environment, LoadedKeyring};
use pyo3::prelude::*;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::external::External;
use super::wait::Watched;
use crate::errors::{self, EngineError, PolicyError};

/// What a verb works on.
pub(super) struct Job {
    pub(super) policy: Policy,
    /// The policy's file.
    pub(super) path: Option<PathBuf>,
    pub(super) environment: Environment,
    pub(super) only: Vec<String>,
    pub(super) run: RunOptions,
    pub(super) external: Option<External>,
    pub(super) watched: Watched,
}

/// Where the originals go.
pub(super) enum Backup {
    /// To a new file with the time in its name, beside the policy.
    Dated,
    File(PathBuf),
    None,
}

/// A job at work.
struct Connected {
    keys: LoadedKeyring,
    engine: Engine,
    subjects: Option<Arc<Subjects>>,
    database: Arc<dyn Database>,
}

impl Job {
    fn policy_keys(&self) -> PolicyKeys<'_> {
        PolicyKeys {
            policy: &self.policy,
            environment: &self.environment,
            accept_older: false,
        }
    }

    /// The columns to work on, of which there must be some.
    fn columns(&self) -> PyResult<Vec<&ColumnPolicy>> {
        let selected = self.policy.select(&self.only);
        let columns = selected.map_err(|error| errors::policy(&error))?.columns;
        if columns.is_empty() {
            return Err(PolicyError::new_err(format!(
                "no column of {} is to be worked on, and this is about columns; add a [[column]] with table and name, or look at `only`",
                self.policy.origin
            )));
        }
        Ok(columns)
    }

    async fn connect(&self, access: Access) -> PyResult<Connected> {
        let external = self.external.as_ref();
        let external = external
            .map(|it| it.keys(&self.policy_keys()))
            .transpose()?;
        self.connected(external, access)
            .await
            .map_err(|error| errors::policy_keys(&error))
    }

    async fn connected(
        &self,
        external: Option<ExternalKeys>,
        access: Access,
    ) -> Result<Connected, PolicyKeysError> {
        let policy_keys = self.policy_keys();
        let keys = policy_keys.load()?;
        for warning in &keys.warnings {
            self.watched.warn(warning.to_string());
        }
        let database = policy_keys.connect().await?;
        let subjects = policy_keys.subjects(&keys, &database, access).await?;
        let mut engine = Engine::new(Arc::clone(&database), keys.keyring.clone())
            .watched(self.watched.observer(), self.watched.stop.clone());
        let subjects = subjects.map(|found| {
            found
                .warning
                .into_iter()
                .for_each(|it| self.watched.warn(it));
            found.keys
        });
        if let Some(subjects) = &subjects {
            engine = engine.with_subjects(Arc::clone(subjects));
        }
        if let Some(keys) = external {
            engine = engine.with_external(keys);
        }
        Ok(Connected {
            keys,
            engine,
            subjects,
            database,
        })
    }

    pub(super) async fn change(self, operation: Operation, to: Backup) -> PyResult<Value> {
        let columns = self.columns()?;
        let explicit = matches!(to, Backup::File(_));
        let backup = self.backup_path(to)?;
        let connected = self.connect(Access::Change).await?;
        if matches!(operation, Operation::Encrypt | Operation::Adopt) {
            self.write_contexts();
        }
        let begin = Instant::now();
        let backups = Backups::new(&connected.keys.keyring, backup, explicit);
        let mut reports: Vec<ColumnReport> = Vec::new();
        let mut failed = None;
        for column in columns {
            let changed = connected
                .engine
                .change(operation, column, &self.run, &backups);
            match changed.await {
                Ok(report) => reports.push(report),
                Err(error) => {
                    failed = Some(error);
                    break;
                }
            }
        }
        let written = backups.finish();
        let mut rewrapped = Rewrapped::default();
        if let (Operation::Rotate, None, Some(subjects)) = (operation, &failed, &connected.subjects)
        {
            let done = subjects.rewrap().await;
            rewrapped = done.map_err(|error| errors::run(&error.into(), &[]))?;
        }
        connected.database.close().await;
        if let Some(error) = failed {
            let done: Vec<&str> = reports
                .iter()
                .map(|report| report.column.as_str())
                .collect();
            return Err(errors::run(&error, &done));
        }
        let clean = rewrapped.closed == 0 && reports.iter().all(|it| it.is_clean(Some(operation)));
        let mut envelope = envelope(operation.verb(), clean, &reports, begin)?;
        envelope.insert("backups".to_owned(), json!(written));
        if operation == Operation::Rotate {
            envelope.insert("subjects_rewrapped".to_owned(), rewrapped.changed.into());
            envelope.insert("subjects_closed".to_owned(), rewrapped.closed.into());
        }
        Ok(envelope.into())
    }

    pub(super) async fn plan(self, operation: Operation) -> PyResult<Value> {
        let columns = self.columns()?;
        let connected = self.connect(Access::Look).await?;
        let begin = Instant::now();
        let mut plans = Vec::new();
        for column in columns {
            let plan = connected.engine.plan(operation, column, &self.run).await;
            plans.push(plan.map_err(|error| errors::run(&error, &[]))?);
        }
        connected.database.close().await;
        let clean = plans.iter().all(|plan| plan.refusals.is_empty());
        let bytes: u64 = plans.iter().map(ColumnPlan::backup_bytes).sum();
        let mut envelope = envelope("plan", clean, &plans, begin)?;
        envelope.insert("operation".to_owned(), operation.verb().into());
        let folder = self.policy.directory();
        let backup = json!({"folder": folder, "bytes": bytes, "free_bytes": free(folder)});
        envelope.insert("backup".to_owned(), backup);
        Ok(envelope.into())
    }

    pub(super) async fn verify(self) -> PyResult<Value> {
        let columns = self.columns()?;
        let connected = self.connect(Access::Look).await?;
        let begin = Instant::now();
        let reports = self.read(&connected, &columns).await?;
        let open = connected.open_erasures().await?;
        connected.database.close().await;
        let clean = reports.iter().all(|it| it.is_clean(None)) && open.is_empty();
        let mut envelope = envelope("verify", clean, &reports, begin)?;
        tell(&open, &mut envelope);
        Ok(envelope.into())
    }

    async fn read(
        &self,
        connected: &Connected,
        columns: &[&ColumnPolicy],
    ) -> PyResult<Vec<ColumnReport>> {
        let mut reports = Vec::new();
        for column in columns {
            let report = connected.engine.verify(column, &self.run).await;
            reports.push(report.map_err(|error| errors::run(&error, &[]))?);
        }
        Ok(reports)
    }

    /// Also `verify --against`, which compares.
    pub(super) async fn restore(self, backup: &Path, mode: RestoreMode) -> PyResult<Value> {
        let columns = self.columns()?;
        let access = match mode {
            RestoreMode::Compare => Access::Look,
            _ => Access::Change,
        };
        let connected = self.connect(access).await?;
        let begin = Instant::now();
        let reports = connected.engine.restore(backup, &columns, mode, &self.run);
        let reports = reports.await.map_err(|error| errors::run(&error, &[]))?;
        connected.database.close().await;
        if reports.is_empty() {
            return Err(EngineError::new_err(format!(
                "{} holds none of the columns asked for; name another backup, or look at the policy and `only`",
                backup.display()
            )));
        }
        let clean = reports.iter().all(|it| it.is_done(mode));
        let (verb, member) = match mode {
            RestoreMode::Compare => ("verify", "against"),
            _ => ("restore", "from"),
        };
        let mut envelope = envelope(verb, clean, &reports, begin)?;
        envelope.insert(member.to_owned(), json!(backup));
        Ok(envelope.into())
    }

    pub(super) async fn status(self) -> PyResult<Value> {
        let columns = self.columns()?;
        let connected = self.connect(Access::Look).await?;
        let begin = Instant::now();
        let engine = &connected.engine;
        let run = |error| errors::run(&error, &[]);
        let journal = engine.journal_to_read().await.map_err(run)?;
        let runs = engine.open_runs().await.map_err(run)?;
        let reports = self.read(&connected, &columns).await?;
        let open = connected.open_erasures().await?;
        let of_subjects = match &connected.subjects {
            Some(subjects) => {
                let needed = subjects.needed().await;
                Some(needed.map_err(|error| errors::run(&error.into(), &[]))?)
            }
            None => None,
        };
        connected.database.close().await;
        let keys = &connected.keys;
        let origin = |id| {
            let found = keys.origins.iter().find(|(key, _)| *key == id);
            found.map_or_else(String::new, |(_, origin)| origin.clone())
        };
        let mut usage = key_usage(&keys.keyring, &reports, &[], &runs, &origin);
        // Files are not counted here.
        if !self.only.is_empty() || !self.policy.files.is_empty() {
            of_a_part(&mut usage);
        }
        let after = self.policy.keys.rotate_after;
        add_life(&mut usage, keys, of_subjects.as_ref(), after);
        let lost: Vec<String> = journal.lost_keys().into_iter().map(str::to_owned).collect();
        let clean = runs.is_empty()
            && lost.is_empty()
            && open.is_empty()
            && reports.iter().all(|it| it.is_clean(None));
        let records: Map<String, Value> = columns
            .iter()
            .filter_map(|column| Some((column.id(), journal.column(&column.id())?.summary())))
            .collect();
        let mut envelope = envelope("status", clean, &reports, begin)?;
        envelope.insert("open_runs".to_owned(), json!(runs));
        envelope.insert("lost_keys".to_owned(), json!(lost));
        tell(&open, &mut envelope);
        envelope.insert("keys".to_owned(), json!(usage));
        envelope.insert("journal".to_owned(), records.into());
        Ok(envelope.into())
    }

    pub(super) async fn inspect(self, key: &[String], reveal: bool) -> PyResult<Value> {
        let columns = self.columns()?;
        let connected = self.connect(Access::Look).await?;
        let begin = Instant::now();
        let mut found = Vec::new();
        for column in columns {
            let one = connected.engine.inspect(column, key, reveal).await;
            found.push(one.map_err(|error| errors::run(&error, &[]))?);
        }
        connected.database.close().await;
        let clean = found.iter().all(|it| matches!(it.state, "null" | "sealed"));
        Ok(envelope("inspect", clean, &found, begin)?.into())
    }

    /// Contexts are for ever, so they stand in the policy before the first token does.
    fn write_contexts(&self) {
        let Some(path) = &self.path else { return };
        if let Err(error) = Policy::write_contexts(path) {
            self.watched.warn(format!(
                "the contexts could not be written down ({error}); write context = \"table.column\" into each [[column]] before a table is renamed"
            ));
        }
    }

    /// Absolute, since an interrupted run is taken up from any folder.
    fn backup_path(&self, to: Backup) -> PyResult<Option<PathBuf>> {
        let path = match to {
            Backup::None => return Ok(None),
            Backup::File(path) => path,
            Backup::Dated => backup::name::fresh(self.policy.directory()),
        };
        let absolute = std::path::absolute(&path).map_err(|_| {
            EngineError::new_err(format!(
                "{} is no path for a backup; name another",
                path.display()
            ))
        });
        absolute.map(Some)
    }
}

impl Connected {
    async fn open_erasures(&self) -> PyResult<OpenErasures> {
        let Some(subjects) = &self.subjects else {
            return Ok(OpenErasures::default());
        };
        let open = subjects.open_erasures().await;
        open.map_err(|error| errors::run(&error.into(), &[]))
    }
}

/// What `forget` is to do, or to do again.
fn tell(open: &OpenErasures, envelope: &mut Map<String, Value>) {
    envelope.insert("subjects_back".to_owned(), json!(open.back));
    envelope.insert("subjects_begun".to_owned(), json!(open.begun));
    envelope.insert("subjects_due".to_owned(), json!(open.due));
}

/// Bytes that this account may still write in the folder.
fn free(folder: &Path) -> Option<u64> {
    let stat = rustix::fs::statvfs(folder).ok()?;
    stat.f_bavail.checked_mul(stat.f_frsize)
}

/// What every verb gives.
fn envelope(
    command: &str,
    ok: bool,
    columns: &[impl Serialize],
    begin: Instant,
) -> PyResult<Map<String, Value>> {
    let json = json!({
        "command": command,
        "ok": ok,
        "columns": columns,
        "files": [],
        "backups": [],
        "seconds": begin.elapsed().as_secs_f64(),
    });
    match json {
        Value::Object(envelope) => Ok(envelope),
        _ => Err(EngineError::new_err("the report is no object")),
    }
}
