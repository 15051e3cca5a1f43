//! The visitor that every pass sends through a column: says what each value is,
//! counts it, and seals or opens what is due.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use atrest_core::{FieldSealer, Keyring, SealError};
use jiff::Timestamp;

use crate::column::{Column, Reader, Whose};
use crate::engine::now_unix;
use crate::report::Tally;
use crate::subjects::{Ring, Subjects};
use crate::target::{self, Change, KeyOf, Row, RowKey, Value, ValueRef, Visitor};
use crate::transition::{Goal, Step};
use crate::{EngineError, Operation};

/// Classifies the rows that it is shown.
pub(crate) struct Classifier {
    column: Column,
    keyring: Keyring,
    reader: Reader,
    goal: Goal,
    /// Only counts without.
    sealer: Option<FieldSealer>,
    tally: Tally,
    page: Findings,
    /// Rows whose subjects are still to be asked for.
    waiting: Vec<Row>,
    /// Of the subject at hand.
    own_sealer: Option<FieldSealer>,
}

/// What one page gave.
#[derive(Default)]
pub(crate) struct Findings {
    /// What is due, with what takes its place.
    pub(crate) changes: Vec<Change>,
    /// What the backup keeps of each, where that is not the old value itself.
    pub(crate) kept: Vec<Value>,
    /// Rows whose value is too long to come along.
    pub(crate) deferred: Vec<RowKey>,
    failed: Option<EngineError>,
}

impl Classifier {
    /// Only counts.
    pub(crate) fn counting(column: &Column, keyring: &Keyring, goal: Goal) -> Self {
        Self {
            column: column.clone(),
            keyring: keyring.clone(),
            reader: column.reader(keyring),
            goal,
            sealer: None,
            tally: Tally::default(),
            page: Findings::default(),
            waiting: Vec::new(),
            own_sealer: None,
        }
    }

    /// Counts, and makes the changes that the goal wants.
    pub(crate) fn changing(
        column: &Column,
        keyring: &Keyring,
        goal: Goal,
    ) -> Result<Self, EngineError> {
        let mut classifier = Self::counting(column, keyring, goal);
        classifier.sealer = Some(classifier.new_sealer()?);
        Ok(classifier)
    }

    /// One for each page: a nonce prefix of its own.
    fn new_sealer(&self) -> Result<FieldSealer, EngineError> {
        Ok(FieldSealer::new(
            self.column.sealing(self.goal.operation, &self.keyring),
            self.goal.suite,
            now_unix(),
        )?)
    }

    /// What the page gave; ready for the next one.
    pub(crate) fn take(&mut self) -> Result<Findings, EngineError> {
        let mut page = std::mem::take(&mut self.page);
        if let Some(failed) = page.failed.take() {
            return Err(failed);
        }
        if self.sealer.is_some() && !page.changes.is_empty() {
            self.sealer = Some(self.new_sealer()?);
        }
        Ok(page)
    }

    /// Reads a row whose value was too long to come along, and classifies it.
    pub(crate) async fn long(&mut self, key: &RowKey) -> Result<Findings, EngineError> {
        // `None`: deleted since.
        if let Some(value) = self.column.target.read_one(key).await? {
            self.row(&|| Ok(key.clone()), value.as_ref())?;
            self.settle().await?;
        }
        self.take()
    }

    /// Asks whose the rows are that wait for it, and goes on with them: their keys are
    /// fetched, and made where there are none, for all of them at once.
    pub(crate) async fn settle(&mut self) -> Result<(), EngineError> {
        let Some(Whose { of, subjects }) = self.column.whose.clone() else {
            return Ok(());
        };
        let rows = std::mem::take(&mut self.waiting);
        let keys: Vec<RowKey> = rows.iter().map(|row| row.key.clone()).collect();
        let whose = of.of(&keys).await?;
        let rows: Vec<(Row, Option<String>)> = rows
            .into_iter()
            .zip(whose)
            .filter_map(|(row, subject)| Some((row, subject?))) // gone since: not here
            .collect();
        // One subject after the other: each has a reader and a sealer of its own.
        let mut order: Vec<usize> = (0..rows.len()).collect();
        let subject = |at: &usize| rows.get(*at).and_then(|(_, subject)| subject.as_deref());
        order.sort_by(|a, b| subject(a).cmp(&subject(b)));
        let rings = self.rings(&subjects, &rows, &order).await?;
        let mut changes: Vec<Option<(Change, Option<Value>)>> = Vec::new();
        changes.resize_with(rows.len(), || None);
        let mut last = None;
        for at in order {
            let (Some((row, subject)), Some(change)) = (rows.get(at), changes.get_mut(at)) else {
                continue;
            };
            if last != Some(subject) {
                let ring = subject.as_ref().and_then(|subject| rings.get(subject));
                self.reader.row_of(ring);
                self.own_sealer = None;
                last = Some(subject);
            }
            *change = self.judge(&|| Ok(row.key.clone()), row.value.as_ref())?;
        }
        self.reader.row_of(None);
        self.own_sealer = None;
        for (change, kept) in changes.into_iter().flatten() {
            self.page.changes.push(change);
            self.page.kept.extend(kept);
        }
        Ok(())
    }

    /// The keys of the rows' subjects, made where there are none and a value is to be
    /// sealed; `order` has the rows of one subject together.
    async fn rings(
        &mut self,
        subjects: &Subjects,
        rows: &[(Row, Option<String>)],
        order: &[usize],
    ) -> Result<HashMap<String, Arc<Ring>>, EngineError> {
        let now = Timestamp::now();
        let mut all: Vec<&str> = order
            .iter()
            .filter_map(|at| rows.get(*at)?.1.as_deref())
            .collect();
        all.dedup();
        let mut rings = subjects.rings(all, false, now).await?;
        let exit = self.goal.operation == Operation::Exit;
        if exit || self.sealer.is_none() || rings.values().all(|ring| ring.seals()) {
            return Ok(rings);
        }
        let mut without = HashSet::new();
        for (row, subject) in rows {
            let Some(subject) = subject.as_deref() else {
                continue;
            };
            let Some(ring) = rings.get(subject).filter(|ring| !ring.seals()) else {
                continue;
            };
            if without.contains(subject) {
                continue;
            }
            self.reader.row_of(Some(ring));
            let key = || Ok(row.key.clone());
            let stored = self.reader.classify(&key, row.value.as_ref())?;
            let step = stored.map_or(Step::Keep, |stored| self.reader.step(&stored, &self.goal));
            if matches!(step, Step::Seal | Step::SealStored) {
                without.insert(subject);
            }
        }
        if !without.is_empty() {
            rings.extend(subjects.rings(without, true, now).await?);
        }
        Ok(rings)
    }

    /// Classifies and counts one value, and makes what is to take its place.
    fn judge(
        &mut self,
        key: KeyOf<'_>,
        value: ValueRef<'_>,
    ) -> target::Result<Option<(Change, Option<Value>)>> {
        let step = self.reader.tally(key, value, &self.goal, &mut self.tally)?;
        let (false, Some(shared)) = (step == Step::Keep, &mut self.sealer) else {
            return Ok(None);
        };
        let key = key()?;
        let bytes = self.reader.token_len(step, value, &self.goal);
        if bytes > self.goal.longest_token {
            self.page.failed.get_or_insert(EngineError::TooLong {
                column: self.column.name().to_owned(),
                key: key.to_string(),
                bytes,
                limit: self.goal.longest_token,
            });
            return Ok(None);
        }
        let own = &mut self.own_sealer;
        let seal = || -> Result<_, SealError> {
            let sealer = match (self.reader.keys_of_row(self.goal.operation), own) {
                (None, _) => shared,
                (Some(_), Some(sealer)) => sealer,
                (Some(keyring), own) => {
                    own.insert(FieldSealer::new(keyring, self.goal.suite, now_unix())?)
                }
            };
            let new = self.reader.replacement(step, &key, value, sealer)?;
            let kept = match (&self.column.whose, self.goal.operation) {
                (Some(_), Operation::Encrypt) => Some(self.reader.kept(&key, value, sealer)?),
                _ => None,
            };
            Ok((new, kept))
        };
        match seal() {
            Ok((None, _)) => Ok(None),
            Ok((Some(new), kept)) => {
                let old = value.to_value();
                Ok(Some((Change { key, old, new }, kept)))
            }
            Err(source) => {
                self.page.failed.get_or_insert(EngineError::Seal {
                    column: self.column.name().to_owned(),
                    key: key.to_string(),
                    source,
                });
                Ok(None)
            }
        }
    }

    /// What was counted so far.
    pub(crate) fn counted(&self) -> &Tally {
        &self.tally
    }

    /// What was counted.
    pub(crate) fn tally(self) -> Tally {
        self.tally
    }
}

impl Visitor for Classifier {
    fn row(&mut self, key: KeyOf<'_>, value: ValueRef<'_>) -> target::Result<()> {
        if let ValueRef::Deferred(_) = value {
            self.page.deferred.push(key()?);
            return Ok(());
        }
        if self.column.whose.is_some() {
            self.waiting.push(Row {
                key: key()?,
                value: value.to_value(),
            });
            return Ok(());
        }
        if let Some((change, _)) = self.judge(key, value)? {
            self.page.changes.push(change);
        }
        Ok(())
    }
}
