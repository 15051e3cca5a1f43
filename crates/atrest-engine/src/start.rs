//! Where a run begins: at its journal's cursor when it was interrupted, else at the
//! first row; and the backup that its originals go to.

use std::sync::Arc;

use crate::backup::{BackupWriter, Backups, Joined, Origin};
use crate::column::Column;
use crate::engine::{RunOptions, now_text};
use crate::journal::{BackupRef, Held, Journal, RangeRecord, RunRecord, name};
use crate::observe::Event;
use crate::target::JournalChange;
use crate::{Engine, EngineError, Operation};

/// A run about to go.
pub(crate) struct Start {
    pub(crate) record: Held<RunRecord>,
    pub(crate) ranges: Vec<Held<RangeRecord>>,
    pub(crate) backup: Option<Arc<BackupWriter>>,
}

impl Engine {
    /// The run to go on with: an interrupted one of the same operation and key, or
    /// a new one.
    pub(crate) async fn begin(
        &self,
        operation: Operation,
        column: &Column,
        journal: &Journal,
        options: &RunOptions,
        backups: &Backups,
        rows: u64,
    ) -> Result<Start, EngineError> {
        let id = column.name();
        let keys = column.sealing(operation, &self.keyring);
        let key = keys.primary().id().to_string();
        let scribe = self.scribe();
        if let Some(held) = journal.runs.get(id) {
            let ranges = journal.ranges(id);
            let whole = ranges.len() == held.record.ranges;
            if held.record.operation == operation && held.record.key == key && whole {
                return self
                    .take_up(held.clone(), ranges, column, journal, backups)
                    .await;
            }
        }
        // Refused before the run that it takes the place of is forgotten.
        let backup = self.new_backup(operation, id, journal, backups)?;
        if let Some(held) = journal.runs.get(id) {
            let ranges = journal.ranges(id);
            let mut changes: Vec<JournalChange> = ranges.iter().filter_map(Held::delete).collect();
            changes.extend(held.delete());
            if let (Some(column), Some((last, before))) =
                (journal.columns.get(id), held.record.backups.split_last())
            {
                let mut column = column.clone();
                column.record.remember(before);
                // One that no row went to was discarded.
                let wrote = ranges.iter().any(|range| range.record.backup_len > 0);
                if wrote || last.path.exists() {
                    column.record.remember(std::slice::from_ref(last));
                }
                changes.push(column.save(&scribe).0);
            }
            self.database.journal_write(&changes).await?;
        }
        let workers = self.workers(options);
        let ranges = column.target.split(workers, rows).await?;
        let record = RunRecord {
            operation,
            key,
            started: now_text(),
            pass: backup.as_ref().map_or(0, |b| b.next_pass(id)),
            sweeping: false,
            ranges: ranges.len(),
            backups: backup.iter().map(|b| b.reference()).collect(),
        };
        let mut record = Held::new(name::run(id), record);
        let (change, mac) = record.save(&scribe);
        record.mac = Some(mac);
        let mut changes = vec![change];
        let ranges = ranges
            .into_iter()
            .enumerate()
            .map(|(i, range)| {
                let piece = RangeRecord {
                    range,
                    cursor: None,
                    done: false,
                    changed: 0,
                    opened: false,
                    backup_len: 0,
                };
                let mut held = Held::new(name::range(id, i), piece);
                let (change, mac) = held.save(&scribe);
                held.mac = Some(mac);
                changes.push(change);
                held
            })
            .collect();
        self.database.journal_write(&changes).await?;
        Ok(Start {
            record,
            ranges,
            backup,
        })
    }

    async fn take_up(
        &self,
        mut record: Held<RunRecord>,
        mut ranges: Vec<Held<RangeRecord>>,
        column: &Column,
        journal: &Journal,
        backups: &Backups,
    ) -> Result<Start, EngineError> {
        let id = column.name();
        self.observer.event(&Event::Note {
            column: id,
            text: &format!(
                "taking up the {} that began at {} and was interrupted",
                record.record.operation.verb(),
                record.record.started
            ),
        });
        let last = record.record.backups.last().cloned();
        let known = last.as_ref().map_or(0, |b| journal.known(&b.id).len);
        let backup = match last {
            // A file that no page went to may be gone, or another's by now: nothing
            // was in it.
            Some(BackupRef { path, id: file, .. })
                if !backups.explicit_other_than(&path)
                    && (known > 0 || backups.is_there(&path, &file)) =>
            {
                if !path.exists() {
                    return Err(EngineError::BackupMissing {
                        column: id.to_owned(),
                        path,
                    });
                }
                // Proves every frame: seconds for a large file.
                let file = tokio::task::block_in_place(|| backups.resume(&path, &file, known))?;
                Some(file)
            }
            _ => {
                let operation = record.record.operation;
                let backup = self.new_backup(operation, id, journal, backups)?;
                record
                    .record
                    .backups
                    .extend(backup.iter().map(|b| b.reference()));
                // What was durable in the file before says nothing about this one.
                for range in &mut ranges {
                    range.record.backup_len = 0;
                }
                backup
            }
        };
        let above = backup.as_ref().map_or(0, |b| b.next_pass(id));
        record.record.pass = above.max(record.record.pass + 1);
        let scribe = self.scribe();
        let (change, mac) = record.save(&scribe);
        record.mac = Some(mac);
        let mut changes = vec![change];
        for range in &mut ranges {
            let (change, mac) = range.save(&scribe);
            if range.mac.as_ref() != Some(&mac) {
                changes.push(change);
                range.mac = Some(mac);
            }
        }
        self.database.journal_write(&changes).await?;
        Ok(Start {
            record,
            ranges,
            backup,
        })
    }

    /// The backup of a new run: a new file, or the one that earlier runs of this
    /// operation on this database wrote, when the operator names it again.
    fn new_backup(
        &self,
        operation: Operation,
        column: &str,
        journal: &Journal,
        backups: &Backups,
    ) -> Result<Option<Arc<BackupWriter>>, EngineError> {
        let Some(path) = backups.fresh() else {
            return Ok(None);
        };
        let identity = journal.identity.as_ref().map_or("", |i| &i.record.id);
        let origin = Origin::new(identity, operation.verb(), self.database.location());
        // Proves every frame of a file that is there.
        let joined = tokio::task::block_in_place(|| {
            backups.join(path, origin, &|file| journal.known(file))
        })?;
        Ok(Some(match joined {
            Joined::New(writer) => writer,
            Joined::Earlier(writer) => {
                self.observer.event(&Event::Note {
                    column,
                    text: &format!(
                        "going on in {}, which an earlier {} wrote",
                        path.display(),
                        operation.verb()
                    ),
                });
                writer
            }
        }))
    }
}
