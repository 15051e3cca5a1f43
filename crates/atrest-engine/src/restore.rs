//! A backup back into its table, or compared with it.
//!
//! A row is written only if its clear value still is the backed-up one's: what the
//! application changed since is newer than the backup, and stays (unless forced).
//! A row that a later pass backed up again is judged by that later entry alone. Runs
//! that share a file count their passes on, so that "later" holds for all of them.

mod last;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use atrest_core::Stored;
use serde::Serialize;
use zeroize::Zeroizing;

use crate::backup::{BackupError, BackupPage, BackupReader};
use crate::column::{Column, Reader};
use crate::engine::RunOptions;
use crate::journal::Journal;
use crate::observe::{Event, Phase};
use crate::policy::ColumnPolicy;
use crate::subjects::Erasure;
use crate::target::{Change, KeyRange, Row, RowKey, Value};
use crate::{Engine, EngineError};

use last::Survey;

/// Rows asked for at once while following a backup page through the table.
const CHUNK: usize = 1000;

/// What a restore or a comparison came to, for one column.
#[derive(Debug, Clone, Default, Serialize)]
pub struct RestoreReport {
    /// "table.column".
    pub column: String,
    /// Entries in the backup (superseded ones aside).
    pub entries: u64,
    /// Rows whose clear value is the backed-up one.
    pub same: u64,
    /// Rows that hold another value: changed since.
    pub changed_since: u64,
    /// Rows that are gone.
    pub missing: u64,
    /// Rows whose value does not open.
    pub undecryptable: u64,
    /// Entries of subjects that were forgotten: they are not brought back.
    pub forgotten: u64,
    /// Entries of subjects that are to be forgotten, which can be taken back.
    pub to_be_forgotten: u64,
    /// Entries that do not open themselves for another reason. Their rows were left.
    pub unopened: u64,
    /// Rows written.
    pub changed: u64,
    /// Of these, rows of subjects that were forgotten: the backup is from before their
    /// values were sealed under keys of their own, and brought them back.
    pub brought_back: u64,
    /// Rows that were to be written and that a writer got to first.
    pub skipped: u64,
    /// Keys of the first rows that differ.
    pub rows: Vec<String>,
    /// The file was not closed: it is being written, or its writer died. All that is
    /// in it was used; that nothing is missing where it ends is not proven.
    pub unfinished: bool,
    /// The last frame of an unfinished file is torn.
    pub torn: bool,
}

impl RestoreReport {
    /// Every entry is accounted for by an equal value, and the file is whole.
    #[must_use]
    pub fn clean(&self) -> bool {
        !self.unfinished
            && self.changed_since + self.missing + self.undecryptable + self.skipped == 0
            && self.unopened + self.to_be_forgotten + self.brought_back == 0
    }

    /// The same of what `mode` was to do: forced, what was changed since is overwritten.
    #[must_use]
    pub fn is_done(&self, mode: RestoreMode) -> bool {
        match mode {
            RestoreMode::Compare | RestoreMode::Restore => self.clean(),
            RestoreMode::Force => {
                let left = self.missing + self.skipped + self.unopened + self.to_be_forgotten;
                !self.unfinished && left + self.brought_back == 0
            }
        }
    }
}

/// What to do with a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestoreMode {
    /// Compare only.
    Compare,
    /// Write back what was not changed since.
    Restore,
    /// Write back everything whose row is there.
    Force,
}

impl Engine {
    /// Follows a backup through the columns of the policy.
    ///
    /// # Errors
    /// [`crate::backup::BackupError`]; the database's; [`EngineError::Interrupted`].
    pub async fn restore(
        &self,
        path: &Path,
        policies: &[&ColumnPolicy],
        mode: RestoreMode,
        options: &RunOptions,
    ) -> Result<Vec<RestoreReport>, EngineError> {
        let journal = match mode {
            RestoreMode::Compare => self.journal_to_read().await?,
            RestoreMode::Restore | RestoreMode::Force => self.journal().await?,
        };
        let survey = self.survey(path, &journal)?;
        let total = &survey.total;
        let mut columns = BTreeMap::new();
        let mut locks = Vec::new();
        for policy in policies {
            if !total.contains_key(&policy.id()) {
                continue;
            }
            if mode != RestoreMode::Compare {
                locks.push(self.database.lock(&policy.id()).await?);
            }
            let column = self.column(policy, &journal).await?;
            let report = RestoreReport {
                column: policy.id(),
                ..RestoreReport::default()
            };
            columns.insert(policy.id(), (column, report));
        }
        let rows = total
            .iter()
            .filter(|(id, _)| columns.contains_key(*id))
            .map(|(_, n)| n)
            .sum();
        self.observer.event(&Event::Pass {
            column: "backup",
            phase: Phase::Restore,
            rows,
            resumed: false,
        });
        let open = || BackupReader::open(path, &self.keyring);
        let (mut unfinished, mut torn) = (false, false);
        for mut share in survey.shares() {
            share.learn(open)?;
            let mut reader = open()?;
            while let Some(mut page) = reader.next_page()? {
                if self.stop.requested() {
                    return Err(EngineError::Interrupted);
                }
                let Some((column, report)) = columns.get_mut(&page.target) else {
                    continue;
                };
                let read = share.keep(&mut page);
                let changed = self.page(column, &page, mode, report).await?;
                self.observer.event(&Event::Rows { read, changed });
            }
            unfinished |= !reader.closed();
            torn |= reader.torn();
        }
        self.observer.event(&Event::PassEnd);
        let mut reports: Vec<_> = columns
            .into_values()
            .map(|(_, report)| RestoreReport {
                unfinished,
                torn,
                ..report
            })
            .collect();
        if mode != RestoreMode::Compare {
            drop(locks);
            self.restored(policies, options, &mut reports).await?;
        }
        Ok(reports)
    }

    /// After a restore to clear values the original type may come back too.
    async fn restored(
        &self,
        policies: &[&ColumnPolicy],
        options: &RunOptions,
        reports: &mut [RestoreReport],
    ) -> Result<(), EngineError> {
        if !options.apply_schema {
            return Ok(());
        }
        for policy in policies
            .iter()
            .filter(|p| reports.iter().any(|r| r.column == p.id()))
        {
            let mut state = self.verify(policy, options).await?;
            self.way_back(policy, options, &mut state).await?;
        }
        Ok(())
    }

    /// Proves the whole file: nothing of one that is damaged, or shorter than the
    /// journal knows it was, is used.
    fn survey(&self, path: &Path, journal: &Journal) -> Result<Survey, EngineError> {
        let mut reader = BackupReader::open(path, &self.keyring)?;
        let survey = Survey::of(&mut reader)?;
        let (len, known) = (reader.offset(), journal.known(&reader.id()).len);
        if len < known {
            let path = path.to_owned();
            return Err(BackupError::Cut { path, len, known }.into());
        }
        Ok(survey)
    }

    /// Follows one page; gives how many rows were to be written.
    async fn page(
        &self,
        column: &Column,
        page: &BackupPage,
        mode: RestoreMode,
        report: &mut RestoreReport,
    ) -> Result<u64, EngineError> {
        let current = current(column, page).await?;
        let there = page.rows.iter().map(|(key, _)| key);
        let there: Vec<RowKey> = there
            .filter(|key| current.contains_key(key))
            .cloned()
            .collect();
        let rings = column.rings_of(&there).await?;
        let mut reader = column.reader(&self.keyring);
        let (mut changes, mut brought_back) = (Vec::new(), 0);
        let mut done = HashSet::new();
        for (key, original) in &page.rows {
            if !done.insert(key) {
                continue;
            }
            report.entries += 1;
            let Some(now) = current.get(key) else {
                report.missing += 1;
                name(report, key);
                continue;
            };
            reader.row_of(rings.get(key));
            let opened = match page.sealed {
                true => reader.original(key, original)?,
                false => Some(original.clone()),
            };
            let Some(original) = opened else {
                match reader.erasure_of_kept(key, original)? {
                    Some(Erasure::Done) => report.forgotten += 1,
                    Some(Erasure::Asked) => report.to_be_forgotten += 1,
                    None => {
                        report.unopened += 1;
                        name(report, key);
                    }
                }
                continue;
            };
            let was = clear(&mut reader, key, &original)?;
            let is = clear(&mut reader, key, now)?;
            let write = match &is {
                None => {
                    report.undecryptable += 1;
                    name(report, key);
                    mode == RestoreMode::Force
                }
                Some(_) if is == was => {
                    report.same += 1;
                    mode != RestoreMode::Compare
                }
                Some(_) => {
                    report.changed_since += 1;
                    name(report, key);
                    mode == RestoreMode::Force
                }
            };
            if write && *now != original {
                let forgotten = rings
                    .get(key)
                    .is_some_and(|ring| !ring.destroyed.is_empty());
                brought_back += u64::from(forgotten && !page.sealed && original != Value::Null);
                changes.push(Change {
                    key: key.clone(),
                    old: now.clone(),
                    new: original,
                });
            }
        }
        let due = changes.len() as u64;
        if due > 0 {
            let changed = column.target.write(changes, &[]).await?;
            report.changed += changed;
            report.brought_back += brought_back.min(changed);
            report.skipped += due.saturating_sub(changed);
        }
        Ok(due)
    }
}

/// The clear value (`None` within: NULL); `None` when it does not open.
fn clear(
    reader: &mut Reader,
    key: &RowKey,
    value: &Value,
) -> Result<Option<Option<Zeroizing<Vec<u8>>>>, EngineError> {
    let stored = reader.classify(&|| Ok(key.clone()), value.as_ref())?;
    Ok(match stored {
        None => Some(None),
        Some(Stored::Undecryptable(_)) => None,
        Some(_) => Some(Some(Zeroizing::new(reader.clear().to_vec()))),
    })
}

fn name(report: &mut RestoreReport, key: &RowKey) {
    if report.rows.len() < crate::report::NAMED_ROWS {
        report.rows.push(key.to_string());
    }
}

/// The table's values for a page's keys: the page is in key order, so this reads
/// one stretch of the table.
async fn current(
    column: &Column,
    page: &BackupPage,
) -> Result<HashMap<RowKey, Value>, EngineError> {
    let mut found = HashMap::with_capacity(page.rows.len());
    let (Some((first, _)), Some((last, _))) = (page.rows.first(), page.rows.last()) else {
        return Ok(found);
    };
    let wanted: HashSet<&RowKey> = page.rows.iter().map(|(key, _)| key).collect();
    if let Some(value) = column.target.read_one(first).await? {
        found.insert(first.clone(), value);
    }
    let mut rest = KeyRange {
        after: Some(first.clone()),
        until: Some(last.clone()),
    };
    if first == last {
        return Ok(found);
    }
    loop {
        let rows = column.target.read(&rest, CHUNK, 64 << 10).await?;
        let more = rows.len() == CHUNK;
        rest.after = rows.last().map(|r| r.key.clone());
        for Row { key, value } in rows {
            if !wanted.contains(&key) {
                continue;
            }
            let value = match value {
                Value::Deferred(_) => column.target.read_one(&key).await?,
                value => Some(value),
            };
            if let Some(value) = value {
                found.insert(key, value);
            }
        }
        if !more {
            break;
        }
    }
    Ok(found)
}
