//! The migration protocol (docs/protocol.md): a pass that changes every row that
//! is due, page by page, then sweeps until two passes in a row find nothing.
//!
//! Per page: read, classify, seal, append the originals to the backup and make it
//! durable, then one transaction that changes each row only if it still holds
//! exactly what was read, and moves the journal on. Whatever happens in between,
//! running the same command again goes on from the last committed page.

use std::sync::Arc;

use atrest_core::{FieldSealer, Keyring};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::EngineError;
use crate::backup::{BackupError, BackupWriter};
use crate::column::Column;
use crate::engine::now_unix;
use crate::journal::{Held, RangeRecord, RunRecord, Scribe};
use crate::observe::{Event, Observer, Phase, Stop};
use crate::pace::Pace;
use crate::page::{Page, Pager};
use crate::report::Tally;
use crate::scan::gather;
use crate::target::{Change, JournalChange, KeyRange, Row, RowKey, Value};
use crate::transition::{Goal, Step};

/// Pages without a change between two saves of the cursor.
const QUIET_PAGES: u32 = 32;

/// What all workers of a run share.
pub(crate) struct Run {
    pub(crate) column: Column,
    pub(crate) goal: Goal,
    pub(crate) keyring: Keyring,
    pub(crate) scribe: Scribe,
    pub(crate) backup: Option<Arc<BackupWriter>>,
    pub(crate) pace: Pace,
    pub(crate) batch: usize,
    pub(crate) workers: usize,
    pub(crate) observer: Arc<dyn Observer>,
    pub(crate) stop: Stop,
}

/// What a run came to.
pub(crate) struct Outcome {
    /// The last pass.
    pub(crate) tally: Tally,
    pub(crate) sweeps: u32,
    pub(crate) settled: bool,
    /// Rows of the last pass that a writer got to first.
    pub(crate) missed: u64,
    pub(crate) ranges: Vec<Held<RangeRecord>>,
}

/// What one worker counted on one range.
struct Piece {
    index: usize,
    range: Held<RangeRecord>,
    tally: Tally,
    changed: u64,
    missed: u64,
}

impl Run {
    /// Takes a run from where its journal says it stands to its end.
    pub(crate) async fn finish(
        self: &Arc<Self>,
        record: &mut Held<RunRecord>,
        mut ranges: Vec<Held<RangeRecord>>,
        max_sweeps: u32,
    ) -> Result<Outcome, EngineError> {
        let mut clean = 0;
        let mut outcome = None;
        // Only a progress bar's end: one count serves every pass.
        let rows = self.column.target.counts().await?.total;
        if !record.record.sweeping {
            let resumed = ranges
                .iter()
                .any(|r| r.record.done || r.record.cursor.is_some());
            let pass = self
                .pass(Phase::Change, record.record.pass, rows, ranges, resumed)
                .await?;
            // A pass that was taken up again has not seen what writers did to its
            // first half since.
            clean = u32::from(!resumed && pass.tally.due == 0);
            ranges = pass.ranges.clone();
            outcome = Some(pass);
        }
        let mut sweeps = 0;
        while clean < 2 && sweeps < max_sweeps {
            sweeps += 1;
            record.record.sweeping = true;
            record.record.pass += 1;
            let (change, mac) = record.save(&self.scribe);
            self.column.target.write(&[], &[change]).await?;
            record.mac = Some(mac);
            let pass = self
                .pass(
                    Phase::Sweep(sweeps),
                    record.record.pass,
                    rows,
                    ranges,
                    false,
                )
                .await?;
            clean = if pass.tally.due == 0 { clean + 1 } else { 0 };
            ranges = pass.ranges.clone();
            outcome = Some(pass);
        }
        let settled = clean >= 2;
        match outcome {
            Some(outcome) => Ok(Outcome {
                sweeps,
                settled,
                ..outcome
            }),
            None => Ok(Outcome {
                tally: Tally::default(),
                sweeps,
                settled,
                missed: 0,
                ranges,
            }),
        }
    }

    /// One pass over all ranges that are not done; a sweep goes over all.
    async fn pass(
        self: &Arc<Self>,
        phase: Phase,
        pass: u32,
        rows: u64,
        ranges: Vec<Held<RangeRecord>>,
        resumed: bool,
    ) -> Result<Outcome, EngineError> {
        self.observer.event(&Event::Pass {
            column: self.column.name(),
            phase,
            rows,
            resumed,
        });
        let slots = Arc::new(Semaphore::new(self.workers));
        let mut tasks = JoinSet::new();
        let mut done = Vec::new();
        for (index, mut range) in ranges.into_iter().enumerate() {
            if phase == Phase::Change && range.record.done {
                done.push((index, range));
                continue;
            }
            if phase != Phase::Change {
                range.record.cursor = None;
            }
            let (run, slots) = (Arc::clone(self), Arc::clone(&slots));
            tasks.spawn(async move {
                let _slot = slots
                    .acquire_owned()
                    .await
                    .map_err(|e| EngineError::Worker(e.to_string()))?;
                run.range(index, range, pass).await
            });
        }
        let mut outcome = Outcome {
            tally: Tally::default(),
            sweeps: 0,
            settled: false,
            missed: 0,
            ranges: Vec::new(),
        };
        for piece in gather(tasks).await? {
            done.push((piece.index, piece.range));
            outcome.missed += piece.missed;
            outcome.tally.add(self.after(piece.tally, piece.changed));
        }
        done.sort_by_key(|(index, _)| *index);
        outcome.ranges = done.into_iter().map(|(_, range)| range).collect();
        self.observer.event(&Event::PassEnd);
        Ok(outcome)
    }

    /// What was counted before the page's transaction, as it stands after it.
    fn after(&self, mut tally: Tally, changed: u64) -> Tally {
        let mut left = changed;
        let mut take = |n: &mut u64| {
            let taken = left.min(*n);
            *n -= taken;
            left -= taken;
        };
        match self.goal.operation {
            crate::Operation::Encrypt => {
                take(&mut tally.plaintext);
                take(&mut tally.undecryptable);
            }
            _ => tally
                .sealed
                .iter_mut()
                .filter(|(id, _)| **id != self.goal.primary)
                .for_each(|(_, n)| take(n)),
        }
        match self.goal.operation {
            crate::Operation::Decrypt => {
                tally.sealed.values_mut().for_each(take);
                tally.plaintext += changed;
            }
            _ => *tally.sealed.entry(self.goal.primary).or_default() += changed,
        }
        tally.sealed.retain(|_, n| *n > 0);
        tally
    }

    async fn range(
        &self,
        index: usize,
        mut range: Held<RangeRecord>,
        pass: u32,
    ) -> Result<Piece, EngineError> {
        let rest = KeyRange {
            after: range
                .record
                .cursor
                .clone()
                .or(range.record.range.after.clone()),
            until: range.record.range.until.clone(),
        };
        let mut pager = Pager::new(&self.column.target, rest, self.batch);
        let mut reader = self.column.reader(&self.keyring);
        let (mut tally, mut changed, mut missed, mut quiet) = (Tally::default(), 0, 0, 0);
        while let Some(Page { rows, last }) = pager.next().await? {
            if self.stop.requested() {
                return Err(EngineError::Interrupted);
            }
            let read = rows.len() as u64;
            let cursor = rows.last().map(|r| r.key.clone());
            let mut sealer = FieldSealer::new(&self.keyring, self.goal.suite, now_unix())?;
            let mut changes = Vec::new();
            let mut page_changed = 0;
            for Row { key, value } in rows {
                if !matches!(value, Value::Deferred(_)) {
                    self.classify(
                        &mut reader,
                        &mut sealer,
                        &mut tally,
                        key,
                        value,
                        &mut changes,
                    )?;
                    continue;
                }
                // A long value is a page of its own, so that only one is in memory.
                let Some(value) = self.column.target.read_one(&key).await? else {
                    continue;
                };
                let mut one = Vec::new();
                self.classify(&mut reader, &mut sealer, &mut tally, key, value, &mut one)?;
                if !one.is_empty() {
                    let n = self.commit(&mut range, one, pass).await?;
                    page_changed += n;
                    missed += 1 - n.min(1);
                }
            }
            if let Some(cursor) = cursor {
                range.record.cursor = Some(cursor);
            }
            range.record.done |= last;
            quiet += 1;
            if !changes.is_empty() {
                let due = changes.len() as u64;
                let n = self.commit(&mut range, changes, pass).await?;
                page_changed += n;
                missed += due.saturating_sub(n);
                quiet = 0;
            } else if quiet >= QUIET_PAGES || last {
                self.save(&mut range, &[]).await?;
                quiet = 0;
            }
            changed += page_changed;
            self.observer.event(&Event::Rows {
                read,
                changed: page_changed,
            });
        }
        Ok(Piece {
            index,
            range,
            tally,
            changed,
            missed,
        })
    }

    fn classify(
        &self,
        reader: &mut crate::column::Reader,
        sealer: &mut FieldSealer,
        tally: &mut Tally,
        key: RowKey,
        value: Value,
        changes: &mut Vec<Change>,
    ) -> Result<(), EngineError> {
        let step = reader.tally(&key, &value, &self.goal, tally);
        if step == Step::Keep {
            return Ok(());
        }
        let new = reader
            .replacement(step, &key, &value, sealer)
            .map_err(|source| EngineError::Seal {
                column: self.column.name().to_owned(),
                key: key.to_string(),
                source,
            })?;
        if let Some(new) = new {
            changes.push(Change {
                key,
                old: value,
                new,
            });
        }
        Ok(())
    }

    /// Originals durable in the backup, then the rows and the journal in one
    /// transaction.
    async fn commit(
        &self,
        range: &mut Held<RangeRecord>,
        changes: Vec<Change>,
        pass: u32,
    ) -> Result<u64, EngineError> {
        self.pace.take(changes.len()).await;
        let changes = Arc::new(changes);
        if let Some(backup) = &self.backup {
            let (backup, target, changes) = (
                Arc::clone(backup),
                self.column.name().to_owned(),
                Arc::clone(&changes),
            );
            let append = move || -> Result<u64, BackupError> {
                let rows: Vec<_> = changes.iter().map(|c| (&c.key, &c.old)).collect();
                backup.append(&target, pass, &rows)
            };
            range.record.backup_len = tokio::task::spawn_blocking(append)
                .await
                .map_err(|e| EngineError::Worker(e.to_string()))??;
        }
        // The count is only known afterwards; the journal's is corrected by the
        // next save, and what it guides (the cursor) is exact.
        let before = range.record.changed;
        range.record.changed += changes.len() as u64;
        let n = self.save(range, &changes).await?;
        range.record.changed = before + n;
        Ok(n)
    }

    async fn save(
        &self,
        range: &mut Held<RangeRecord>,
        changes: &[Change],
    ) -> Result<u64, EngineError> {
        let (change, mac): (JournalChange, String) = range.save(&self.scribe);
        let n = self.column.target.write(changes, &[change]).await?;
        range.mac = Some(mac);
        Ok(n)
    }
}
