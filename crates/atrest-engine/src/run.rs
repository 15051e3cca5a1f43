//! The migration protocol (docs/protocol.md): a pass that changes every row that
//! is due, page by page, then sweeps until two passes in a row find nothing, or one
//! does while nobody else writes.
//!
//! Per page: read, classify, seal, append the originals to the backup and make it
//! durable, then one transaction that changes each row only if it still holds
//! exactly what was read, and moves the journal on. While a page is committed, the
//! next one is read, sealed and backed up. Whatever happens in between,
//! running the same command again goes on from the last committed page.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use atrest_core::Keyring;
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, JoinSet};

use crate::backup::{BackupError, BackupWriter};
use crate::classifier::{Classifier, Findings};
use crate::column::Column;
use crate::journal::{Held, RangeRecord, RunRecord, Scribe};
use crate::observe::{Event, Observer, Phase, Stop};
use crate::pace::Pace;
use crate::page::{Page, Pager};
use crate::report::Tally;
use crate::scan::gather;
use crate::target::{Change, JournalChange, KeyRange};
use crate::transition::Goal;
use crate::{EngineError, Operation};

/// Pages without a change between two saves of the cursor.
const QUIET_PAGES: u32 = 32;

/// Passes in a row that find nothing, until a run is over.
const CLEAN_PASSES: u32 = 2;

/// What all workers of a run share.
pub(crate) struct Run {
    pub(crate) column: Column,
    pub(crate) goal: Goal,
    /// A value opened that no run of ours wrote: the application has these keys.
    pub(crate) opened: AtomicBool,
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
#[derive(Default)]
pub(crate) struct Outcome {
    /// The last pass.
    pub(crate) tally: Tally,
    pub(crate) sweeps: u32,
    pub(crate) settled: bool,
    /// Rows of the last pass that a writer got to first.
    pub(crate) missed: u64,
    /// Nobody else wrote during the last pass: it is as good as any number of them.
    alone: bool,
    pub(crate) ranges: Vec<Held<RangeRecord>>,
}

impl Outcome {
    /// How many passes in a row found nothing, after `before` of them.
    fn clean(&self, before: u32) -> u32 {
        match (self.tally.due, self.alone) {
            (0, true) => CLEAN_PASSES,
            (0, false) => before + 1,
            _ => 0,
        }
    }
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
    /// Takes a run from where its journal says it stands to its end; `rows` is
    /// about how many there are.
    pub(crate) async fn finish(
        self: &Arc<Self>,
        record: &mut Held<RunRecord>,
        mut ranges: Vec<Held<RangeRecord>>,
        rows: u64,
        max_sweeps: u32,
    ) -> Result<Outcome, EngineError> {
        let mut clean = 0;
        let mut outcome = None;
        if !record.record.sweeping {
            let resumed = ranges
                .iter()
                .any(|r| r.record.done || r.record.cursor.is_some());
            let pass = self
                .pass(Phase::Change, record.record.pass, rows, ranges, resumed)
                .await?;
            // A pass that was taken up again has not seen what writers did to its
            // first half since.
            clean = if resumed { 0 } else { pass.clean(0) };
            ranges = pass.ranges.clone();
            outcome = Some(pass);
        }
        let mut sweeps = 0;
        while clean < CLEAN_PASSES && sweeps < max_sweeps {
            sweeps += 1;
            record.record.sweeping = true;
            self.opened.store(true, Ordering::Relaxed);
            record.record.pass += 1;
            let (change, mac) = record.save(&self.scribe);
            self.column.target.write(Vec::new(), &[change]).await?;
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
            clean = pass.clean(clean);
            ranges = pass.ranges.clone();
            outcome = Some(pass);
        }
        let settled = clean >= CLEAN_PASSES;
        match outcome {
            Some(outcome) => Ok(Outcome {
                sweeps,
                settled,
                ..outcome
            }),
            None => Ok(Outcome {
                sweeps,
                settled,
                ranges,
                ..Outcome::default()
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
        let history = self.column.target.history().await?;
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
        let mut outcome = Outcome::default();
        for piece in gather(tasks).await? {
            done.push((piece.index, piece.range));
            outcome.missed += piece.missed;
            outcome.tally.add(self.after(piece.tally, piece.changed));
        }
        done.sort_by_key(|(index, _)| *index);
        outcome.ranges = done.into_iter().map(|(_, range)| range).collect();
        outcome.alone = history.is_some() && history == self.column.target.history().await?;
        self.observer.event(&Event::PassEnd);
        Ok(outcome)
    }

    /// What was counted before the page's transaction, as it stands after it.
    fn after(&self, mut tally: Tally, changed: u64) -> Tally {
        if self.column.whose.is_some() {
            return self.after_of_subjects(tally, changed);
        }
        let mut left = changed;
        let mut take = |n: &mut u64| {
            let taken = left.min(*n);
            *n -= taken;
            left -= taken;
        };
        match self.goal.operation {
            Operation::Encrypt => take(&mut tally.plaintext),
            Operation::Adopt => tally
                .sealed
                .iter_mut()
                .filter(|(id, _)| self.column.is_external(**id))
                .for_each(|(_, n)| take(n)),
            _ => tally
                .sealed
                .iter_mut()
                .filter(|(id, _)| **id != self.goal.primary)
                .for_each(|(_, n)| take(n)),
        }
        match self.goal.operation {
            Operation::Decrypt => {
                tally.sealed.values_mut().for_each(take);
                tally.plaintext += changed;
            }
            _ => *tally.sealed.entry(self.goal.primary).or_default() += changed,
        }
        tally.sealed.retain(|_, n| *n > 0);
        tally
    }

    /// The same where rows are subjects': which of them changed is known when all did.
    fn after_of_subjects(&self, mut tally: Tally, changed: u64) -> Tally {
        let theirs = changed.min(tally.due_by_subject);
        let nobodys = changed - theirs;
        let mut left = changed;
        let mut take = |n: &mut u64| {
            let taken = left.min(*n);
            *n -= taken;
            left -= taken;
        };
        match self.goal.operation {
            Operation::Encrypt => take(&mut tally.plaintext),
            Operation::Rotate | Operation::Adopt => tally.sealed.values_mut().for_each(take),
            Operation::Decrypt | Operation::Exit => {
                take(&mut tally.by_subject);
                tally.sealed.values_mut().for_each(take);
            }
        }
        if self.goal.operation == Operation::Decrypt {
            tally.plaintext += changed;
        } else if self.goal.operation == Operation::Exit {
            *tally.sealed.entry(self.goal.primary).or_default() += changed;
        } else {
            tally.by_subject += theirs;
            *tally.sealed.entry(self.goal.primary).or_default() += nobodys;
        }
        tally.sealed.retain(|_, n| *n > 0);
        tally
    }

    async fn range(
        self: &Arc<Self>,
        index: usize,
        range: Held<RangeRecord>,
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
        pager.start(Classifier::changing(
            &self.column,
            &self.keyring,
            self.goal,
        )?);
        let mut work = Work {
            range,
            changed: 0,
            missed: 0,
        };
        let mut flight = Flight::default();
        let mut long = Classifier::changing(&self.column, &self.keyring, self.goal)?;
        let (mut tally, mut quiet) = (Tally::default(), 0);
        while let Some(Page {
            visitor: mut classifier,
            rows,
            cursor,
        }) = pager.next().await?
        {
            if let Err(ended) = self.go_on(classifier.counted()) {
                flight.land(&mut work).await?;
                return Err(ended);
            }
            let mut findings = classifier.take()?;
            let deferred = std::mem::take(&mut findings.deferred);
            let last = cursor.is_none();
            if last {
                tally.add(classifier.tally());
            } else {
                pager.start(classifier);
            }
            // A long value is a page of its own, so that only one is in memory.
            for key in deferred {
                flight.land(&mut work).await?;
                let one = long.long(&key).await?;
                self.go_on(long.counted())?;
                let one = self.back_up(one, pass).await?;
                if !one.rows.is_empty() {
                    self.commit(&mut work, one).await?;
                }
            }
            let changes = self.back_up(findings, pass).await?;
            flight.land(&mut work).await?;
            let record = &mut work.range.record;
            record.cursor = cursor.or(record.cursor.take());
            record.done |= last;
            self.observer.event(&Event::Rows {
                read: rows as u64,
                changed: 0,
            });
            quiet += 1;
            if !changes.rows.is_empty() || quiet >= QUIET_PAGES || last {
                quiet = 0;
                flight.start(self, work.clone(), changes);
            }
        }
        flight.land(&mut work).await?;
        tally.add(long.tally());
        Ok(Piece {
            index,
            range: work.range,
            tally,
            changed: work.changed,
            missed: work.missed,
        })
    }

    /// Neither asked to stop, nor has `encrypt` come to a value under a missing key
    /// before one that opens.
    fn go_on(&self, seen: &Tally) -> Result<(), EngineError> {
        if self.stop.requested() {
            return Err(EngineError::Interrupted);
        }
        if seen.sealed_total() > 0 {
            self.opened.store(true, Ordering::Relaxed);
        }
        match &seen.unknown_row {
            Some(row)
                if self.goal.operation == Operation::Encrypt
                    && !self.opened.load(Ordering::Relaxed) =>
            {
                Err(EngineError::WrongKeyMet {
                    column: self.column.name().to_owned(),
                    row: row.clone(),
                    key_ids: seen.key_ids(),
                    primary: self.goal.primary.to_string(),
                })
            }
            _ => Ok(()),
        }
    }

    /// Makes the originals durable in the backup.
    async fn back_up(&self, findings: Findings, pass: u32) -> Result<BackedUp, EngineError> {
        let Findings {
            changes: rows,
            kept,
            ..
        } = findings;
        let (Some(backup), false) = (&self.backup, rows.is_empty()) else {
            return Ok(BackedUp { rows, len: None });
        };
        let (backup, target) = (Arc::clone(backup), self.column.name().to_owned());
        let append = move || -> Result<_, BackupError> {
            let sealed = !kept.is_empty();
            let originals: Vec<_> = match sealed {
                false => rows.iter().map(|c| (&c.key, &c.old)).collect(),
                true => rows.iter().map(|c| &c.key).zip(&kept).collect(),
            };
            let len = backup.append(&target, pass, sealed, &originals)?;
            Ok(BackedUp {
                rows,
                len: Some(len),
            })
        };
        tokio::task::spawn_blocking(append)
            .await
            .map_err(|e| EngineError::Worker(e.to_string()))?
            .map_err(Into::into)
    }

    /// The rows and the journal in one transaction.
    async fn commit(&self, work: &mut Work, changes: BackedUp) -> Result<(), EngineError> {
        let due = changes.rows.len() as u64;
        self.pace.take(changes.rows.len(), &self.stop).await?;
        let record = &mut work.range.record;
        record.opened = self.opened.load(Ordering::Relaxed);
        record.backup_len = changes.len.unwrap_or(record.backup_len);
        // The count is only known afterwards; the journal's is corrected by the
        // next save, and what it guides (the cursor) is exact.
        let before = record.changed;
        record.changed += due;
        let (change, mac): (JournalChange, String) = work.range.save(&self.scribe);
        let changed = self.column.target.write(changes.rows, &[change]).await?;
        work.range.mac = Some(mac);
        work.range.record.changed = before + changed;
        work.changed += changed;
        work.missed += due.saturating_sub(changed);
        self.observer.event(&Event::Rows { read: 0, changed });
        Ok(())
    }
}

/// Changes whose originals are durable.
struct BackedUp {
    rows: Vec<Change>,
    /// The backup's length up to and with them.
    len: Option<u64>,
}

/// How far a worker has come on its range.
#[derive(Clone)]
struct Work {
    range: Held<RangeRecord>,
    changed: u64,
    missed: u64,
}

/// The page that is being committed while the next one is classified, sealed and
/// backed up.
#[derive(Default)]
struct Flight(Option<JoinHandle<Result<Work, EngineError>>>);

impl Flight {
    fn start(&mut self, run: &Arc<Run>, mut work: Work, changes: BackedUp) {
        let run = Arc::clone(run);
        self.0 = Some(tokio::spawn(async move {
            run.commit(&mut work, changes).await?;
            Ok(work)
        }));
    }

    /// Waits for the page, and takes what came of it into `work`.
    async fn land(&mut self, work: &mut Work) -> Result<(), EngineError> {
        if let Some(page) = self.0.take() {
            *work = page
                .await
                .map_err(|e| EngineError::Worker(e.to_string()))??;
        }
        Ok(())
    }
}

impl Drop for Flight {
    /// A run that ends early takes its page along: rolled back where it is not
    /// committed yet.
    fn drop(&mut self) {
        if let Some(page) = &self.0 {
            page.abort();
        }
    }
}
