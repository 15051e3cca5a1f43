//! The visitor that every pass sends through a column: says what each value is,
//! counts it, and seals or opens what is due.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use atrest_core::{Keyring, SealError, Suite};
use jiff::Timestamp;

use crate::column::{Column, Reader, Whose};
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
    /// Rows whose subjects' keys are not in memory.
    waiting: Vec<Waiting>,
}

/// A row whose subject's keys are still to be asked for.
struct Waiting {
    /// Which one of the page's rows that are due or wait it is.
    place: usize,
    row: Row,
    subject: String,
}

/// What is due, and what takes its place.
struct Due {
    place: usize,
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
    due: Vec<Due>,
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
            waiting: Vec::new(),
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
        page.due.sort_by_key(|due| due.place);
        for due in std::mem::take(&mut page.due) {
            page.changes.push(due.change);
            page.kept.extend(due.kept);
        }
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
            self.row_of(&|| Ok(key.clone()), value.as_ref(), subject.as_deref())?;
            self.settle().await?;
        }
        self.take()
    }

    /// One row of a subject, or of nobody.
    fn row_of(
        &mut self,
        key: KeyOf<'_>,
        value: ValueRef<'_>,
        subject: Option<&str>,
    ) -> target::Result<()> {
        let place = self.page.due.len() + self.waiting.len();
        let ring = match (&self.column.whose, subject) {
            (Some(Whose { subjects, .. }), Some(subject)) => match subjects.kept(subject) {
                Some(ring) if ring.is_settled() || !self.makes_keys() => Some(ring),
                _ => {
                    let (key, value) = (key()?, value.to_value());
                    self.waiting.push(Waiting {
                        place,
                        row: Row { key, value },
                        subject: subject.to_owned(),
                    });
                    return Ok(());
                }
            },
            _ => None,
        };
        self.judge(place, key, value, ring.as_ref())
    }

    /// Whether a subject gets a key for what is sealed.
    fn makes_keys(&self) -> bool {
        self.sealers.is_some() && self.goal.operation != Operation::Exit
    }

    /// Goes on with the rows whose subjects' keys were not in memory: they are fetched, and
    /// made where there are none, for all of them at once.
    pub(crate) async fn settle(&mut self) -> Result<(), EngineError> {
        let waiting = std::mem::take(&mut self.waiting);
        let (Some(Whose { subjects, .. }), false) = (self.column.whose.clone(), waiting.is_empty())
        else {
            return Ok(());
        };
        let rings = self.rings(&subjects, &waiting).await?;
        for Waiting {
            place,
            row,
            subject,
        } in waiting
        {
            // Without its keys it would count as nobody's.
            let ring = rings.get(&subject).ok_or_else(|| SubjectError::NotKept {
                tag: subjects.tag(&subject),
            })?;
            self.judge(
                place,
                &|| Ok(row.key.clone()),
                row.value.as_ref(),
                Some(ring),
            )?;
        }
        Ok(())
    }

    /// The keys of the rows' subjects, made where there are none and a value is to be
    /// sealed.
    async fn rings(
        &mut self,
        subjects: &Subjects,
        waiting: &[Waiting],
    ) -> Result<HashMap<String, Arc<Ring>>, EngineError> {
        let now = Timestamp::now();
        let all: HashSet<&str> = waiting.iter().map(|row| row.subject.as_str()).collect();
        let mut rings = subjects.rings(all, false, now).await?;
        if !self.makes_keys() || rings.values().all(|ring| ring.is_settled()) {
            return Ok(rings);
        }
        let mut without = HashSet::new();
        for Waiting { row, subject, .. } in waiting {
            let subject = subject.as_str();
            let Some(ring) = rings.get(subject).filter(|ring| !ring.is_settled()) else {
                continue;
            };
            if without.contains(subject) {
                continue;
            }
            self.turn_to(Some(ring));
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

    /// The next row is a subject's, or nobody's.
    fn turn_to(&mut self, ring: Option<&Arc<Ring>>) {
        if self.reader.row_of(ring) {
            let all = self.sealers.iter_mut().chain(&mut self.keepers);
            all.chain(&mut self.fernet).for_each(Sealers::turn);
        }
    }

    /// Classifies and counts one value, and makes what is to take its place.
    fn judge(
        &mut self,
        place: usize,
        key: KeyOf<'_>,
        value: ValueRef<'_>,
        ring: Option<&Arc<Ring>>,
    ) -> target::Result<()> {
        self.turn_to(ring);
        let step = self.reader.tally(key, value, &self.goal, &mut self.tally)?;
        let (false, Some(sealers)) = (step == Step::Keep, &mut self.sealers) else {
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
        let mut seal = || -> Result<_, SealError> {
            let of_row = self.reader.keys_of_row(self.goal.operation);
            let sealer = sealers.of_row(of_row)?;
            let new = self.reader.replacement(step, &key, value, sealer)?;
            let kept = match &self.column.whose {
                None => None,
                Some(_) => {
                    let subject = self.reader.keys_of_subject();
                    let keepers = self.keepers.as_mut().unwrap_or(sealers);
                    let keeper = keepers.of_row(subject)?;
                    let rebound = match &mut self.fernet {
                        None => self.reader.rebound(&key, value, keeper)?,
                        Some(fernet) => {
                            self.reader.rebound(&key, value, fernet.of_row(subject)?)?
                        }
                    };
                    let original = rebound.as_ref().map_or(value, Value::as_ref);
                    Some(self.reader.kept(&key, original, keeper)?)
                }
            };
            Ok((new, kept))
        };
        match seal() {
            Ok((None, _)) => {}
            Ok((Some(new), kept)) => {
                let old = value.to_value();
                let change = Change { key, old, new };
                self.page.due.push(Due {
                    place,
                    change,
                    kept,
                });
            }
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
        self.row_of(key, value, subject.as_deref())
    }
}
