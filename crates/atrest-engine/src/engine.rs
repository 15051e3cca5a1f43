//! The verbs. An [`Engine`] joins a database, a keyring and an observer; each verb
//! is a method that takes columns of the policy and gives a report.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use atrest_core::{ExternalKeys, KeyId, Keyring};

use crate::EngineError;
use crate::column::Column;
use crate::journal::{Journal, JournalError, Scribe};
use crate::observe::{Observer, Silent, Stop};
use crate::policy::ColumnPolicy;
use crate::report::{ColumnReport, OpenRun, Tally};
use crate::subjects::Subjects;
use crate::target::Database;
use crate::transition::Operation;

/// How a verb goes about its work.
#[derive(Debug, Clone)]
pub struct RunOptions {
    /// Rows a page holds at most (pages of long values are shorter); `None`: what
    /// suits the database.
    pub batch_size: Option<usize>,
    /// Workers; `None`: what suits the database.
    pub workers: Option<usize>,
    /// Rows changed per second at most, over all workers; pages get no longer than a
    /// second of it.
    pub max_rate: Option<u32>,
    /// Run the DDL that a column needs.
    pub apply_schema: bool,
    /// Take values that look like tokens of a key id outside the keyring for the
    /// application's own text.
    pub accept_lookalikes: bool,
    /// The longest token that the database takes, in bytes; a value that would need
    /// more is refused.
    pub longest_token: u64,
    /// Sweeps before giving up on writers that go on writing clear values.
    pub max_sweeps: u32,
}

impl Default for RunOptions {
    fn default() -> Self {
        Self {
            batch_size: None,
            workers: None,
            max_rate: None,
            apply_schema: false,
            accept_lookalikes: false,
            longest_token: 1_000_000_000,
            max_sweeps: 12,
        }
    }
}

/// A database, the keys for it, and somebody who watches.
#[derive(Clone)]
pub struct Engine {
    pub(crate) database: Arc<dyn Database>,
    pub(crate) keyring: Keyring,
    pub(crate) observer: Arc<dyn Observer>,
    pub(crate) stop: Stop,
    pub(crate) subjects: Option<Arc<Subjects>>,
    pub(crate) external: Option<ExternalKeys>,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine")
            .field("database", &self.database.location())
            .finish_non_exhaustive()
    }
}

impl Engine {
    /// An engine that nobody watches.
    #[must_use]
    pub fn new(database: Arc<dyn Database>, keyring: Keyring) -> Self {
        Self {
            database,
            keyring,
            observer: Arc::new(Silent),
            stop: Stop::default(),
            subjects: None,
            external: None,
        }
    }

    /// With the keys of the subjects that columns of the policy may name.
    #[must_use]
    pub fn with_subjects(mut self, subjects: Arc<Subjects>) -> Self {
        self.subjects = Some(subjects);
        self
    }

    /// With the keys of other software: `adopt` takes its tokens over, `exit` makes such
    /// ones (of the first key), and every other verb opens what stands under them.
    #[must_use]
    pub fn with_external(mut self, keys: ExternalKeys) -> Self {
        self.external = Some(keys);
        self
    }

    /// Watched by `observer`, stopped through `stop`.
    #[must_use]
    pub fn watched(mut self, observer: Arc<dyn Observer>, stop: Stop) -> Self {
        self.observer = observer;
        self.stop = stop;
        self
    }

    /// The keys of subjects, where there are any.
    #[must_use]
    pub fn subjects(&self) -> Option<&Arc<Subjects>> {
        self.subjects.as_ref()
    }

    /// The database.
    #[must_use]
    pub fn database(&self) -> &Arc<dyn Database> {
        &self.database
    }

    pub(crate) fn scribe(&self) -> Scribe {
        Scribe::new(&self.keyring)
    }

    pub(crate) fn workers(&self, options: &RunOptions) -> usize {
        options
            .workers
            .unwrap_or_else(|| self.database.default_workers())
            .max(1)
    }

    pub(crate) fn batch_size(&self, options: &RunOptions) -> usize {
        options
            .batch_size
            .unwrap_or_else(|| self.database.default_batch_size())
            .max(1)
    }

    /// Every record of the journal, proven.
    ///
    /// # Errors
    /// [`crate::journal::JournalError`] when it is forged or under an unknown key; the database's.
    pub async fn journal(&self) -> Result<Journal, EngineError> {
        Journal::load(&*self.database, &self.scribe()).await
    }

    /// The same, without the records under keys that are not at hand
    /// ([`Journal::lost_keys`]).
    ///
    /// # Errors
    /// As [`Self::journal`], but for an unknown key.
    pub async fn journal_to_read(&self) -> Result<Journal, EngineError> {
        Journal::load_to_read(&*self.database, &self.scribe()).await
    }

    /// Removes the records of the journal under a key that is lost for good: how far
    /// interrupted runs had come, which types columns had, and which backups there are.
    ///
    /// # Errors
    /// As [`Self::journal_to_read`]; the database's, also when a run is writing just now.
    pub async fn remove_lost(&self, key: KeyId) -> Result<(), EngineError> {
        let changes = self.journal_to_read().await?.without(key);
        if !changes.is_empty() {
            self.database.journal_write(&changes).await?;
        }
        Ok(())
    }

    /// Writes every record of the journal anew under the primary key, so that another key
    /// can be destroyed; nothing where there is no journal.
    ///
    /// # Errors
    /// As [`Engine::journal`]; the database's, also when a run is writing just now.
    pub async fn adopt_journal(&self) -> Result<(), EngineError> {
        let changes = self.journal().await?.adopt(&self.scribe());
        if !changes.is_empty() {
            self.database.journal_write(&changes).await?;
        }
        Ok(())
    }

    /// Lets the journal forget backups with these ids: they are deleted.
    ///
    /// # Errors
    /// As [`Engine::journal`]; the database's, also when a run is writing just now.
    pub async fn backups_deleted(&self, ids: &BTreeSet<String>) -> Result<(), EngineError> {
        let journal = self.journal().await?;
        let mut changes = Vec::new();
        for held in journal.columns.values() {
            if held.record.backups().any(|it| ids.contains(&it.id)) {
                let mut held = held.clone();
                held.record.backups.retain(|it| !ids.contains(&it.id));
                if let Some(last) = &mut held.record.last_run {
                    last.backups.retain(|it| !ids.contains(&it.id));
                }
                changes.push(held.save(&self.scribe()).0);
            }
        }
        if !changes.is_empty() {
            self.database.journal_write(&changes).await?;
        }
        Ok(())
    }

    pub(crate) async fn open(&self, policy: &ColumnPolicy) -> Result<Column, EngineError> {
        let journal = self.journal().await?;
        self.column(policy, &journal).await
    }

    /// A column, with what the journal recorded of it.
    pub(crate) async fn column(
        &self,
        policy: &ColumnPolicy,
        journal: &Journal,
    ) -> Result<Column, EngineError> {
        let (database, recorded) = (&*self.database, journal.column(&policy.id()));
        let column = Column::open(database, policy, recorded, self.subjects.as_ref()).await?;
        Ok(match &self.external {
            Some(keys) => column.with_external(keys),
            None => column,
        })
    }

    pub(crate) async fn scan(
        &self,
        column: &Column,
        operation: Operation,
        options: &RunOptions,
    ) -> Result<Tally, EngineError> {
        crate::scan::scan(
            column,
            &self.keyring,
            operation,
            options,
            (self.workers(options), self.batch_size(options)),
            &self.observer,
            &self.stop,
        )
        .await
    }

    /// Classifies every value of a column: `verify` and `status`. What the journal says of
    /// it under a key that is not at hand is left out, with a note; where no value opens
    /// either, the keys are the wrong ones.
    ///
    /// # Errors
    /// The database's; [`EngineError::ContextChanged`]; [`crate::journal::JournalError`].
    pub async fn verify(
        &self,
        policy: &ColumnPolicy,
        options: &RunOptions,
    ) -> Result<ColumnReport, EngineError> {
        let begin = Instant::now();
        let journal = self.journal_to_read().await?;
        let column = self.column(policy, &journal).await?;
        let tally = self.scan(&column, Operation::Encrypt, options).await?;
        let unread = journal.lost_of(&policy.id());
        if let (Some(key), true) = (unread.first(), tally.opens_nothing()) {
            let key = (*key).to_owned();
            return Err(JournalError::UnknownKey { key }.into());
        }
        let mut report = ColumnReport::new(
            &policy.id(),
            policy.suite.to_string(),
            policy.context(),
            tally,
        );
        report.notes.extend(unread.into_iter().map(|key| {
            format!(
                "{}: what the journal says of it is under key {key}, which is not at hand, so whether a run was interrupted is not known here: if keys were rotated just now, run this again; if that key is lost for good, atrest key retire {key} --force removes it from there",
                policy.id()
            )
        }));
        report.seconds = begin.elapsed().as_secs_f64();
        Ok(report)
    }

    /// Runs that were interrupted, or are going on in another process.
    ///
    /// # Errors
    /// [`crate::journal::JournalError`]; the database's.
    pub async fn open_runs(&self) -> Result<Vec<OpenRun>, EngineError> {
        let journal = self.journal_to_read().await?;
        let run =
            |(column, held): (&String, &crate::journal::Held<crate::journal::RunRecord>)| OpenRun {
                column: column.clone(),
                operation: held.record.operation.verb(),
                started: held.record.started.clone(),
                changed: journal
                    .ranges(column)
                    .iter()
                    .map(|r| r.record.changed)
                    .sum(),
                backups: held
                    .record
                    .backups
                    .iter()
                    .map(|b| b.path.clone())
                    .collect::<Vec<PathBuf>>(),
            };
        Ok(journal.runs.iter().map(run).collect())
    }
}

/// Seconds since 1970; 0 on a clock before that.
pub(crate) fn now_unix() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| d.as_secs())
}

/// Now, RFC 3339.
pub(crate) fn now_text() -> String {
    jiff::Timestamp::now().to_string()
}
