//! `encrypt`, `rotate` and `decrypt`: preflight, schema, journal, the run itself,
//! and what is remembered afterwards.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use atrest_core::{Form, Suite};

use crate::backup::{BackupError, Backups};
use crate::column::Column;
use crate::engine::{RunOptions, now_text};
use crate::journal::{ColumnRecord, Held, Identity, Journal, LastRun, RunRecord, name};
use crate::observe::Event;
use crate::pace::Pace;
use crate::policy::ColumnPolicy;
use crate::report::{ColumnReport, Tally};
use crate::run::{Outcome, Run};
use crate::start::Start;
use crate::target::{Description, Finding, JournalChange, KeyRange, SchemaChange};
use crate::{Engine, EngineError, Operation};

impl Engine {
    /// Runs `operation` on a column to its end, or takes an interrupted run up.
    ///
    /// # Errors
    /// Whatever preflight refuses, before any row changes; the database's, the
    /// backup's and [`EngineError::Interrupted`], after which the same call goes on.
    pub async fn change(
        &self,
        operation: Operation,
        policy: &ColumnPolicy,
        options: &RunOptions,
        backups: &Backups,
    ) -> Result<ColumnReport, EngineError> {
        self.check_external(operation)?;
        let begin = Instant::now();
        let id = policy.id();
        let mut lock = self.database.lock(&id).await?;
        let mut journal = self.journal().await?;
        let mut column = self.column(policy, &journal).await?;
        let rows = column.target.rows().await?;
        // Side by side: each takes longer than anything else before the first page.
        let (sampled, described) = tokio::try_join!(
            self.sample(&column, operation, options, &journal, rows),
            self.described(operation, &column, options),
        )?;
        let opened = self
            .probe(&column, operation, options, &journal, sampled)
            .await?;
        if let Some(described) = described {
            self.preflight(described, &mut column, &mut journal, options)
                .await?;
        }
        self.start_journal(&mut journal).await?;
        let scribe = self.scribe();
        if operation != Operation::Decrypt && journal.column(&id).is_none() {
            let record = ColumnRecord {
                context: policy.context(),
                bind: policy.bind,
                schema: None,
                last_run: None,
                backups: Vec::new(),
            };
            self.save_column(&mut journal, &id, record).await?;
        }
        let Start {
            mut record,
            ranges,
            backup,
        } = match self
            .begin(operation, &column, &journal, options, backups, rows)
            .await
        {
            Err(refused @ EngineError::Backup(BackupError::Exists { .. }))
                if journal.run(&id).is_none() =>
            {
                return self
                    .nothing_due(operation, &column, policy, options)
                    .await?
                    .ok_or(refused);
            }
            start => start?,
        };
        lock.check().await?;
        let (pace, workers) = (Pace::new(options.max_rate), self.workers(options));
        let run = Arc::new(Run {
            goal: column.goal(operation, &self.keyring, options),
            opened: AtomicBool::new(opened || ranges.iter().any(|range| range.record.opened)),
            column: column.clone(),
            keyring: self.keyring.clone(),
            scribe,
            backup,
            batch: pace.page(self.batch_size(options), ranges.len().min(workers)),
            pace,
            workers,
            observer: Arc::clone(&self.observer),
            stop: self.stop.clone(),
        });
        let outcome = run
            .finish(&mut record, ranges, rows, options.max_sweeps)
            .await?;
        let mut report = self
            .close(operation, policy, &record, outcome, backups)
            .await?;
        self.left_behind(operation, policy, options, &mut report)
            .await?;
        drop(lock);
        report.seconds = begin.elapsed().as_secs_f64();
        Ok(report)
    }

    /// Refuses what would break the application; makes room for tokens when told.
    async fn preflight(
        &self,
        (description, optional): (Description, bool),
        column: &mut Column,
        journal: &mut Journal,
        options: &RunOptions,
    ) -> Result<(), EngineError> {
        let policy = &column.policy.clone();
        let id = policy.id();
        if !description.refusals.is_empty() {
            return Err(EngineError::Preflight {
                column: id,
                findings: description.refusals,
            });
        }
        for warning in &description.warnings {
            self.observer.event(&Event::Note {
                column: &id,
                text: &format!("{}; {}", warning.what, warning.next),
            });
        }
        let Some(schema) = description.schema else {
            return Ok(());
        };
        if !options.apply_schema {
            return Err(EngineError::SchemaNeeded {
                column: id,
                declared_type: description.declared_type,
                ddl: schema.up,
            });
        }
        self.start_journal(journal).await?;
        // Remembered before it is done: the way back must survive a crash between.
        let statements = schema.up.clone();
        let first = journal.column(&id).and_then(|c| c.schema.clone());
        let schema = first.clone().map_or(schema.clone(), |first| SchemaChange {
            original_type: first.original_type,
            down: first.down,
            ..schema
        });
        let before = journal.column(&id);
        let record = ColumnRecord {
            context: policy.context(),
            bind: policy.bind,
            schema: Some(schema),
            last_run: before.and_then(|c| c.last_run.clone()),
            backups: before.map(|c| c.backups.clone()).unwrap_or_default(),
        };
        self.save_column(journal, &id, record.clone()).await?;
        if let Err(error) = self.database.apply(&statements).await {
            if !optional {
                return Err(error.into());
            }
            // The values of today fit: what was not done is not remembered as done.
            let schema = first;
            let record = ColumnRecord { schema, ..record };
            self.save_column(journal, &id, record).await?;
            self.observer.event(&Event::Note {
                column: &id,
                text: &format!(
                    "it was not widened for longer values that the application may write: {error}"
                ),
            });
            return Ok(());
        }
        *column = self.column(policy, journal).await?;
        Ok(())
    }

    /// What the database says of the column for the tokens that the operation makes, and
    /// whether these would fit without the DDL that it names.
    ///
    /// The longest value gives a bound that is cheap, and too high where that value is a
    /// token already. Where the column fails it only by its width, all values are read:
    /// those that are due count. `None`: the operation makes no tokens.
    async fn described(
        &self,
        operation: Operation,
        column: &Column,
        options: &RunOptions,
    ) -> Result<Option<(Description, bool)>, EngineError> {
        if operation == Operation::Decrypt {
            return Ok(None);
        }
        let longest = column.target.longest().await?;
        let form = form_of_tokens(column).await?;
        let bound = longest_token(operation, column.policy.suite, form, longest);
        if operation == Operation::Encrypt
            && options.apply_schema
            && let Some(description) = widened(column, form, bound, true).await?
        {
            let narrow = column.target.describe(bound, false).await?;
            return Ok(Some((description, narrow.schema.is_none())));
        }
        let mut description = column.target.describe(bound, true).await?;
        let fits = |d: &Description| d.schema.is_none() && d.refusals.is_empty();
        if !fits(&description) && fits(&column.target.describe(0, false).await?) {
            let tally = self.scan(column, operation, options).await?;
            description = column.target.describe(tally.longest_token, true).await?;
        }
        if operation == Operation::Encrypt {
            let narrow = narrow(column, form, &description, options);
            description.warnings.extend(narrow);
        }
        Ok(Some((description, false)))
    }

    /// The other software's keys are there where they are needed.
    pub(crate) fn check_external(&self, operation: Operation) -> Result<(), EngineError> {
        if operation.needs_external() && self.external.is_none() {
            return Err(EngineError::NoExternalKey {
                verb: operation.verb(),
            });
        }
        Ok(())
    }

    /// The journal is there, and all of it stands under the primary key.
    async fn start_journal(&self, journal: &mut Journal) -> Result<(), EngineError> {
        if !journal.exists {
            self.database.journal_create().await?;
        }
        let changes = journal.adopt(&self.scribe());
        if journal.exists && changes.is_empty() && journal.identity.is_some() {
            return Ok(());
        }
        if !changes.is_empty() {
            self.database.journal_write(&changes).await?;
        }
        let mut named = Ok(());
        if journal.identity.is_none() {
            let (change, _) =
                Held::new(name::IDENTITY.to_owned(), Identity::random()?).save(&self.scribe());
            named = self.database.journal_write(&[change]).await;
        }
        *journal = self.journal().await?;
        // A run on another column may have named it at the same moment.
        if journal.identity.is_none() {
            named?;
        }
        Ok(())
    }

    async fn save_column(
        &self,
        journal: &mut Journal,
        id: &str,
        record: ColumnRecord,
    ) -> Result<(), EngineError> {
        let held = match journal.columns.get(id) {
            Some(held) => Held {
                record,
                ..held.clone()
            },
            None => Held::new(name::column(id), record),
        };
        let (change, mac) = held.save(&self.scribe());
        self.database.journal_write(&[change]).await?;
        journal.columns.insert(
            id.to_owned(),
            Held {
                mac: Some(mac),
                ..held
            },
        );
        Ok(())
    }

    /// The report of a run that finds nothing to do, in two passes as every run; it
    /// needs no backup, so that no file stands in its way. `None`: something is due.
    async fn nothing_due(
        &self,
        operation: Operation,
        column: &Column,
        policy: &ColumnPolicy,
        options: &RunOptions,
    ) -> Result<Option<ColumnReport>, EngineError> {
        let begin = Instant::now();
        let mut tally = Tally::default();
        for _ in 0..2 {
            tally = self.scan(column, operation, options).await?;
            if tally.due > 0 {
                return Ok(None);
            }
        }
        let (id, suite) = (column.name(), policy.suite.to_string());
        let mut report = ColumnReport::new(id, suite, policy.context(), tally);
        self.left_behind(operation, policy, options, &mut report)
            .await?;
        report.seconds = begin.elapsed().as_secs_f64();
        Ok(Some(report))
    }

    /// The run is over: its records go, what it did stays with the column.
    async fn close(
        &self,
        operation: Operation,
        policy: &ColumnPolicy,
        record: &Held<RunRecord>,
        outcome: Outcome,
        backups: &Backups,
    ) -> Result<ColumnReport, EngineError> {
        let id = policy.id();
        let mut report = ColumnReport::new(
            &id,
            policy.suite.to_string(),
            policy.context(),
            outcome.tally,
        );
        report.changed = outcome.ranges.iter().map(|r| r.record.changed).sum();
        report.skipped = outcome.missed;
        report.sweeps = outcome.sweeps;
        report.settled = outcome.settled;
        if !outcome.settled {
            report.notes.push(format!(
                "{id}: after {} sweeps the application still writes values that are due; deploy its encrypted fields, then run atrest {} again",
                outcome.sweeps,
                operation.verb()
            ));
        }
        let references = backups.references(&record.record.backups);
        let mut changes: Vec<JournalChange> =
            outcome.ranges.iter().filter_map(Held::delete).collect();
        changes.extend(record.delete());
        let journal = self.journal().await?;
        if let Some(held) = journal.columns.get(&id) {
            let mut held = held.clone();
            held.record.ended(LastRun {
                operation,
                finished: now_text(),
                changed: report.changed,
                backups: references,
            });
            changes.push(held.save(&self.scribe()).0);
        }
        self.database.journal_write(&changes).await?;
        Ok(report)
    }
}

/// The longest token that the operation can make of a stored value of `longest` bytes.
fn longest_token(operation: Operation, suite: Suite, form: Form, longest: u64) -> u64 {
    // What the shortest frame, that of xaes-256-gcm, leaves of a token for the clear value:
    // four characters are three bytes, less the 4 and the 46 of the frame.
    let clear = match form {
        Form::Text => longest.saturating_sub(4) / 4 * 3 + longest.saturating_sub(4) % 4 * 3 / 4,
        Form::Bytes => longest,
    }
    .saturating_sub(46);
    match operation {
        Operation::Exit => Suite::Fernet.token_len(form, clear),
        // What changes is a token already.
        Operation::Adopt | Operation::Rotate => suite.token_len(form, clear),
        Operation::Encrypt | Operation::Decrypt => suite.token_len(form, longest),
    }
}

/// What the database says of the column for tokens of the longest values that its declared
/// length lets the application write, or of `longest` bytes; `None` where it holds those, or
/// cannot be made to.
pub(crate) async fn widened(
    column: &Column,
    form: Form,
    longest: u64,
    to_change: bool,
) -> Result<Option<Description>, EngineError> {
    let Some(room) = column.target.describe(0, false).await?.room else {
        return Ok(None);
    };
    let token = column.policy.suite.token_len(form, room.value);
    if token <= room.token {
        return Ok(None);
    }
    let token = token.max(longest);
    let description = column.target.describe(token, to_change).await?;
    let possible = description.refusals.is_empty() && description.schema.is_some();
    Ok(possible.then_some(description))
}

/// Where values of a length that the column allows would not fit once they are tokens.
pub(crate) fn narrow(
    column: &Column,
    form: Form,
    description: &Description,
    options: &RunOptions,
) -> Option<Finding> {
    let room = description.room.filter(|_| description.schema.is_none())?;
    let token_len = |value| column.policy.suite.token_len(form, value);
    if token_len(room.value) <= room.token {
        return None;
    }
    let fits = (0..room.token).rev().find(|n| token_len(*n) <= room.token);
    let which = fits.map_or_else(String::new, |n| format!(" of more than {n} bytes"));
    Some(Finding {
        what: format!(
            "what the application writes later does not fit its declared length: values{which} \
             become tokens that are too long, and the database refuses them"
        ),
        next: match options.apply_schema {
            true => "something keeps it from being widened (an index, say): widen it by hand",
            false => "--apply-schema makes room for all that it holds now",
        }
        .to_owned(),
    })
}

/// The form of the column's tokens: that of the first value that is there.
pub(crate) async fn form_of_tokens(column: &Column) -> Result<Form, EngineError> {
    let rows = column
        .target
        .read(&KeyRange::default(), 100, 8 << 10)
        .await?;
    let form = rows
        .iter()
        .find_map(|r| crate::column::form(r.value.as_ref()))
        .map(|(form, _)| form);
    Ok(form.unwrap_or(Form::Text))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A column that holds tokens holds them after `rotate`, too.
    #[test]
    fn a_token_needs_no_more_room_when_it_is_made_anew() {
        for form in [Form::Text, Form::Bytes] {
            for clear in 0..200 {
                for suite in Suite::ALL {
                    let token = suite.token_len(form, clear);
                    let want = suite.token_len(form, clear);
                    let got = longest_token(Operation::Rotate, suite, form, token);
                    if suite == Suite::Xaes256Gcm {
                        assert_eq!(got, want, "{suite} {form:?} {clear}");
                    }
                    assert!(got >= want, "{suite} {form:?} {clear}");
                    let out = longest_token(Operation::Exit, suite, form, token);
                    assert!(out >= Suite::Fernet.token_len(form, clear));
                    let room = longest_token(Operation::Adopt, Suite::Xaes256Gcm, form, token);
                    assert!(room >= Suite::Xaes256Gcm.token_len(form, clear));
                }
            }
        }
    }
}
