//! The visitor that every pass sends through a column: says what each value is,
//! counts it, and seals or opens what is due.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

use atrest_core::{Keyring, SealError, Suite};
use jiff::Timestamp;

use crate::column::{Column, Reader};
use crate::report::Tally;
use crate::sealers::Sealers;
use crate::subjects::{Ring, SubjectError, Subjects};
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
    sealers: Option<Sealers>,
    /// For what a backup keeps, where [`Self::sealers`] do not do.
    keepers: Option<Sealers>,
    /// For Fernet tokens that a backup keeps of those under another key.
    fernet: Option<Sealers>,
    tally: Tally,
    page: Findings,
    waiting: Waiting,
    /// A page's rows in clear that are nobody's, each with where in [`Findings::due`] it
    /// belongs. They wait likewise, to be sealed.
    in_clear: Vec<(usize, Row)>,
}

/// A page's rows that are subjects'. They wait until all of the page was read: then the
/// keys of all of them are asked for at once, and no lock of the database is held while
/// values are sealed (in SQLite a commit waits for whoever reads).
#[derive(Default)]
struct Waiting {
    rows: Vec<Waiter>,
    /// The rows' subjects, one behind the other.
    subjects: String,
}

struct Waiter {
    /// Where in [`Findings::due`] it belongs.
    place: usize,
    /// Where its subject stands.
    subject: Range<usize>,
    row: Row,
}

/// What is due, and what takes its place.
struct Due {
    change: Change,
    /// What the backup keeps, where that is not the old value itself.
    kept: Option<Value>,
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
    /// In key order; `None` for a row that waits, or that nothing is due for.
    due: Vec<Option<Due>>,
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
            sealers: None,
            keepers: None,
            fernet: None,
            tally: Tally::default(),
            page: Findings::default(),
            waiting: Waiting::default(),
            in_clear: Vec::new(),
        }
    }

    /// Counts, and makes the changes that the goal wants.
    pub(crate) fn changing(
        column: &Column,
        keyring: &Keyring,
        goal: Goal,
    ) -> Result<Self, EngineError> {
        let mut classifier = Self::counting(column, keyring, goal);
        let sealing = column.sealing(goal.operation, keyring);
        classifier.sealers = Some(Sealers::new(sealing, goal.suite)?);
        // A backup's token is to name its key, and to be the row's subject's.
        if column.whose.is_some()
            && (goal.suite == Suite::Fernet || goal.operation == Operation::Exit)
        {
            classifier.keepers = Some(Sealers::new(keyring, Suite::Xaes256Gcm)?);
        }
        if column.whose.is_some() && column.policy.suite == Suite::Fernet {
            classifier.fernet = Some(Sealers::new(keyring, Suite::Fernet)?);
        }
        Ok(classifier)
    }

    /// What the page gave; ready for the next one.
    pub(crate) fn take(&mut self) -> Result<Findings, EngineError> {
        let mut page = std::mem::take(&mut self.page);
        if let Some(failed) = page.failed.take() {
            return Err(failed);
        }
        page.changes
            .reserve_exact(page.due.iter().flatten().count());
        for due in page.due.drain(..).flatten() {
            page.changes.push(due.change);
            page.kept.extend(due.kept);
        }
        // Its memory serves the next page.
        self.page.due = std::mem::take(&mut page.due);
        if !page.changes.is_empty() {
            let sealing = self.column.sealing(self.goal.operation, &self.keyring);
            if let Some(sealers) = &mut self.sealers {
                sealers.new_page(sealing)?;
            }
            for keepers in self.keepers.iter_mut().chain(&mut self.fernet) {
                keepers.new_page(&self.keyring)?;
            }
        }
        Ok(page)
    }

    /// Reads a row whose value was too long to come along, and classifies it.
    pub(crate) async fn long(&mut self, key: &RowKey) -> Result<Findings, EngineError> {
        let whose = match &self.column.whose {
            None => Some(None),
            Some(whose) => whose
                .of
                .of(std::slice::from_ref(key))
                .await?
                .pop()
                .flatten(),
        };
        let value = self.column.target.read_one(key).await?;
        // `None`: deleted since.
        if let (Some(subject), Some(value)) = (whose, value) {
            let key = key.clone();
            self.row_of(Row { key, value }, subject.as_deref())?;
            self.settle().await?;
        }
        self.take()
    }

    /// One row of a subject, or of nobody.
    fn row_of(&mut self, row: Row, subject: Option<&str>) -> target::Result<()> {
        match subject {
            Some(subject) => {
                self.waiting.push(self.page.due.len(), subject, row);
                self.page.due.push(None);
            }
            None => {
                let step = self.look(&|| Ok(row.key.clone()), row.value.as_ref(), None)?;
                if step != Step::Keep {
                    let due = self.change(step, row);
                    self.page.due.push(due);
                }
            }
        }
        Ok(())
    }

    /// The same where the database has it: only who needs it pays for a copy.
    fn row_in_place(
        &mut self,
        key: KeyOf<'_>,
        value: ValueRef<'_>,
        subject: Option<&str>,
    ) -> target::Result<()> {
        let row = || {
            let (key, value) = (key()?, value.to_value());
            Ok(Row { key, value })
        };
        if subject.is_some() {
            return self.row_of(row()?, subject);
        }
        match self.look(key, value, None)? {
            Step::Keep => {}
            Step::Seal if self.reader.is_in_clear() => {
                self.in_clear.push((self.page.due.len(), row()?));
                self.page.due.push(None);
            }
            step => {
                let due = self.change(step, row()?);
                self.page.due.push(due);
            }
        }
        Ok(())
    }

    /// Whether a subject gets a key for what is sealed.
    fn makes_keys(&self) -> bool {
        self.sealers.is_some() && self.goal.operation != Operation::Exit
    }

    /// Goes on with the rows that wait.
    pub(crate) async fn settle(&mut self) -> Result<(), EngineError> {
        self.seal_in_clear()?;
        self.settle_subjects().await
    }

    /// Seals what was counted already, and is in clear.
    fn seal_in_clear(&mut self) -> Result<(), EngineError> {
        let mut rows = std::mem::take(&mut self.in_clear);
        if !rows.is_empty() {
            self.turn_to(None);
        }
        for (place, row) in rows.drain(..) {
            let key = || Ok(row.key.clone());
            self.reader.classify(&key, row.value.as_ref())?;
            self.page.due[place] = self.change(Step::Seal, row);
        }
        // Its memory serves the next page.
        self.in_clear = rows;
        Ok(())
    }

    async fn settle_subjects(&mut self) -> Result<(), EngineError> {
        let mut waiting = std::mem::take(&mut self.waiting);
        let Waiting { rows, subjects } = &mut waiting;
        let (Some(whose), false) = (self.column.whose.clone(), rows.is_empty()) else {
            return Ok(());
        };
        let name = |waiter: &Waiter| &subjects[waiter.subject.clone()];
        let names: Vec<&str> = rows.iter().map(name).collect();
        let rings = self.rings(&whose.subjects, &names, rows).await?;
        for ((Waiter { place, row, .. }, ring), name) in rows.drain(..).zip(rings).zip(names) {
            let key = || Ok(row.key.clone());
            let step = self.look(&key, row.value.as_ref(), Some(&ring))?;
            // Without a key of its subject it would be sealed under everybody's.
            if step.seals() && self.makes_keys() && ring.own.is_none() {
                let tag = whose.subjects.tag(name);
                return Err(SubjectError::NotKept { tag }.into());
            }
            if step != Step::Keep {
                self.page.due[place] = self.change(step, row);
            }
        }
        // Its memory serves the next page.
        subjects.clear();
        self.waiting = waiting;
        Ok(())
    }

    /// The keys of the rows' subjects, made where there are none and a row is to be sealed.
    async fn rings(
        &mut self,
        subjects: &Subjects,
        names: &[&str],
        rows: &[Waiter],
    ) -> Result<Vec<Arc<Ring>>, EngineError> {
        let now = Timestamp::now();
        let mut rings = subjects.rings(names, false, now).await?;
        if !self.makes_keys() || rings.iter().all(|ring| ring.is_settled()) {
            return Ok(rings);
        }
        let mut lacking = HashSet::new();
        for ((Waiter { row, .. }, name), ring) in rows.iter().zip(names).zip(&rings) {
            if ring.is_settled() || lacking.contains(name) {
                continue;
            }
            self.turn_to(Some(ring));
            let key = || Ok(row.key.clone());
            let stored = self.reader.classify(&key, row.value.as_ref())?;
            let step = stored.map_or(Step::Keep, |stored| self.reader.step(&stored, &self.goal));
            if step.seals() {
                lacking.insert(*name);
            }
        }
        let lacking = Vec::from_iter(lacking);
        if lacking.is_empty() {
            return Ok(rings);
        }
        let made = subjects.rings(&lacking, true, now).await?;
        let made: HashMap<&str, Arc<Ring>> = lacking.into_iter().zip(made).collect();
        for (name, ring) in names.iter().zip(&mut rings) {
            if let Some(made) = made.get(name) {
                *ring = Arc::clone(made);
            }
        }
        Ok(rings)
    }

    /// The next row is a subject's, or nobody's.
    fn turn_to(&mut self, ring: Option<&Arc<Ring>>) {
        if self.reader.row_of(ring) {
            let all = self.sealers.iter_mut().chain(&mut self.keepers);
            all.chain(&mut self.fernet).for_each(Sealers::turn);
        }
    }

    /// Classifies and counts one value, and says what is to be made of it.
    fn look(
        &mut self,
        key: KeyOf<'_>,
        value: ValueRef<'_>,
        ring: Option<&Arc<Ring>>,
    ) -> target::Result<Step> {
        self.turn_to(ring);
        let step = self.reader.tally(key, value, &self.goal, &mut self.tally)?;
        Ok(match self.sealers {
            None => Step::Keep,
            Some(_) => step,
        })
    }

    /// Makes what is to take the place of the value that was looked at last.
    fn change(&mut self, step: Step, row: Row) -> Option<Due> {
        let Row { key, value: old } = row;
        let bytes = self.reader.token_len(step, old.as_ref(), &self.goal);
        if bytes > self.goal.longest_token {
            self.page.failed.get_or_insert(EngineError::TooLong {
                column: self.column.name().to_owned(),
                key: key.to_string(),
                bytes,
                limit: self.goal.longest_token,
            });
            return None;
        }
        match self.seal(step, &key, old.as_ref()) {
            Ok((new, kept)) => {
                let change = Change {
                    key,
                    old,
                    new: new?,
                };
                Some(Due { change, kept })
            }
            Err(source) => {
                self.page.failed.get_or_insert(EngineError::Seal {
                    column: self.column.name().to_owned(),
                    key: key.to_string(),
                    source,
                });
                None
            }
        }
    }

    /// What takes a value's place, and what the backup keeps of it where that is not the
    /// value itself.
    fn seal(
        &mut self,
        step: Step,
        key: &RowKey,
        value: ValueRef<'_>,
    ) -> Result<(Option<Value>, Option<Value>), SealError> {
        let Some(sealers) = &mut self.sealers else {
            return Ok((None, None));
        };
        let of_row = self.reader.keys_of_row(self.goal.operation);
        let sealer = sealers.of_row(of_row)?;
        let new = self.reader.replacement(step, key, value, sealer)?;
        if self.column.whose.is_none() {
            return Ok((new, None));
        }
        let subject = self.reader.keys_of_subject();
        let keepers = self.keepers.as_mut().unwrap_or(sealers);
        let keeper = keepers.of_row(subject)?;
        let rebound = match &mut self.fernet {
            None => self.reader.rebound(key, value, keeper)?,
            Some(fernet) => self.reader.rebound(key, value, fernet.of_row(subject)?)?,
        };
        let original = rebound.as_ref().map_or(value, Value::as_ref);
        Ok((new, Some(self.reader.kept(key, original, keeper)?)))
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

impl Waiting {
    fn push(&mut self, place: usize, subject: &str, row: Row) {
        let begin = self.subjects.len();
        self.subjects.push_str(subject);
        self.rows.push(Waiter {
            place,
            subject: begin..self.subjects.len(),
            row,
        });
    }
}

impl Visitor for Classifier {
    fn row(
        &mut self,
        key: KeyOf<'_>,
        value: ValueRef<'_>,
        beside: Option<ValueRef<'_>>,
    ) -> target::Result<()> {
        if let ValueRef::Deferred(_) = value {
            self.page.deferred.push(key()?);
            return Ok(());
        }
        let subject = match &self.column.whose {
            None => None,
            Some(whose) => whose.of.of_row(key, beside)?,
        };
        self.row_in_place(key, value, subject.as_deref())
    }
}
