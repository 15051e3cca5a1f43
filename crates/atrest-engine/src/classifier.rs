//! The visitor that every pass sends through a column: says what each value is,
//! counts it, and seals or opens what is due.

use atrest_core::{FieldSealer, Keyring};

use crate::EngineError;
use crate::column::{Column, Reader};
use crate::engine::now_unix;
use crate::report::Tally;
use crate::target::{self, Change, KeyOf, RowKey, ValueRef, Visitor};
use crate::transition::{Goal, Step};

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
}

/// What one page gave.
#[derive(Default)]
pub(crate) struct Findings {
    /// What is due, with what takes its place.
    pub(crate) changes: Vec<Change>,
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
            &self.keyring,
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
        }
        self.take()
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
        let step = self.reader.tally(key, value, &self.goal, &mut self.tally)?;
        let (false, Some(sealer)) = (step == Step::Keep, &mut self.sealer) else {
            return Ok(());
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
            return Ok(());
        }
        match self.reader.replacement(step, &key, value, sealer) {
            Ok(None) => {}
            Ok(Some(new)) => self.page.changes.push(Change {
                key,
                old: value.to_value(),
                new,
            }),
            Err(source) => {
                self.page.failed.get_or_insert(EngineError::Seal {
                    column: self.column.name().to_owned(),
                    key: key.to_string(),
                    source,
                });
            }
        }
        Ok(())
    }
}
