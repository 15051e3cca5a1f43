//! One key for each person (or whatever else a row can belong to): a column of the
//! policy that names its `subject` has each subject's values sealed under keys of that
//! subject alone, so that destroying them erases what they sealed, wherever a copy of
//! it lies (spec/subjects.md).
//!
//! The keys are random, wrapped by a key of the keyring, and stand in the table
//! `atrest_keys`. They are fetched for a page of rows at once, and kept for as long as
//! there is room.

mod backups;
mod belongings;
mod error;
mod forget;
mod keys;
mod known;
pub mod receipt;
mod record;
mod rewrap;
mod ring;
mod source;
mod witness;

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use atrest_core::hazmat::Mac;
use atrest_core::{Key, KeyId, KeyWrapper, Keyring, Purpose};
use jiff::Timestamp;

use crate::target::Database;

pub use belongings::Belonging;
pub use error::SubjectError;
pub use forget::{SubjectKeyState, SubjectState};
pub use keys::SubjectKeys;
pub use known::{Destroyed, Standing};
pub(crate) use record::{Body, Prover, SubjectKey};
pub use rewrap::Rewrapped;
pub use ring::Erasure;
pub(crate) use ring::{Closed, Ring};
pub(crate) use source::SubjectOf;

use record::{NAME, Proven, place, tag};

/// Subjects whose keys are kept in memory at most: some 50 MB.
const KEPT: usize = 50_000;

/// How long what is in memory is good without asking again: so long may a process that
/// runs on (`atrest serve`, an application) open what another one has had forgotten.
const GOOD_FOR: Duration = Duration::from_secs(30);

/// What of a keyring subjects need.
#[derive(Debug)]
pub struct SubjectKeyring<'a> {
    /// The keys that wrap subjects' keys, the active one first.
    pub wrapping: &'a Keyring,
    /// The key that makes subjects' tags and proves their records.
    pub index: &'a Key,
    /// Tags of subjects that were forgotten, with the ids of their keys.
    pub forgotten: Vec<(String, Vec<KeyId>)>,
}

/// The keys of all subjects of one database.
pub struct Subjects {
    database: Arc<dyn Database>,
    /// The keys that everything else is sealed under.
    shared: Keyring,
    wrappers: Vec<(KeyId, KeyWrapper)>,
    tags: Mac,
    prover: Prover,
    forgotten: HashMap<String, Vec<KeyId>>,
    /// With the time of asking.
    kept: Mutex<HashMap<String, (Instant, Arc<Ring>)>>,
    /// Held while keys are made, so that workers of one run make none twice.
    making: tokio::sync::Mutex<()>,
    /// Tags of forgotten subjects whose keys are back.
    back: Mutex<HashSet<String>>,
}

impl fmt::Debug for Subjects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subjects").finish_non_exhaustive()
    }
}

impl Subjects {
    /// The subjects of `database`, under a keyring whose data keys are `shared`.
    #[must_use]
    pub fn new(database: Arc<dyn Database>, shared: &Keyring, keys: SubjectKeyring<'_>) -> Self {
        let wrapper = |key: &Key| (key.id(), KeyWrapper::new(key));
        Self {
            database,
            shared: shared.clone(),
            wrappers: keys.wrapping.keys().map(wrapper).collect(),
            tags: Mac::new(keys.index, Purpose::SubjectTag),
            prover: Prover(Mac::new(keys.index, Purpose::SubjectRecord)),
            forgotten: keys.forgotten.into_iter().collect(),
            kept: Mutex::default(),
            making: tokio::sync::Mutex::new(()),
            back: Mutex::default(),
        }
    }

    /// The tag of a subject: the name of its record, and of the subject itself where
    /// it must not be named.
    ///
    /// `subject` is the canonical text of the column that says whose a row is.
    #[must_use]
    pub fn tag(&self, subject: &str) -> String {
        tag(&self.tags, subject)
    }

    /// Tags of subjects that were forgotten and whose keys are in the database again,
    /// as far as they were come upon: an old copy of it was put back. The keys are not
    /// used.
    #[must_use]
    pub fn back(&self) -> Vec<String> {
        let back = self.back.lock().unwrap_or_else(PoisonError::into_inner);
        let mut back: Vec<String> = back.iter().cloned().collect();
        back.sort_unstable();
        back
    }

    /// The keyring of `subject`, if it is in memory and still good.
    pub(crate) fn kept(&self, subject: &str) -> Option<Arc<Ring>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let (asked, ring) = kept.get(subject)?;
        (asked.elapsed() < GOOD_FOR).then(|| Arc::clone(ring))
    }

    /// The keyring of each of `subjects`; with `make`, every one of them has a key to
    /// seal with, which is durable and was read back.
    pub(crate) async fn rings<'s>(
        &self,
        subjects: impl IntoIterator<Item = &'s str>,
        make: bool,
        now: Timestamp,
    ) -> Result<HashMap<String, Arc<Ring>>, SubjectError> {
        let mut rings = HashMap::new();
        let mut wanted = HashSet::new();
        // Those that have no key to seal with, as far as is known.
        let mut lacking = HashSet::new();
        for subject in subjects {
            match self.kept(subject) {
                Some(ring) if ring.is_settled() || !make => {
                    rings.insert(subject.to_owned(), ring);
                }
                Some(_) => drop(lacking.insert(subject.to_owned())),
                None => drop(wanted.insert(subject.to_owned())),
            }
        }
        let mut asked = Instant::now();
        let mut found = HashMap::new();
        if !wanted.is_empty() {
            found = self.fetch(&wanted).await?;
        }
        if make {
            let without = found.iter().filter(|(_, ring)| !ring.is_settled());
            lacking.extend(without.map(|(subject, _)| subject.clone()));
        }
        if !lacking.is_empty() {
            let _making = self.making.lock().await;
            // Another worker may have made them since.
            for subject in &lacking {
                if let Some(ring) = self.kept(subject).filter(|ring| ring.is_settled()) {
                    found.remove(subject);
                    rings.insert(subject.clone(), ring);
                }
            }
            lacking.retain(|subject| !rings.contains_key(subject));
            if !lacking.is_empty() {
                asked = Instant::now();
                found.extend(self.make(&lacking, now).await?);
            }
        }
        if found.is_empty() {
            return Ok(rings);
        }
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() + found.len() > KEPT {
            kept.clear();
        }
        for (subject, ring) in found {
            kept.insert(subject.clone(), (asked, Arc::clone(&ring)));
            rings.insert(subject, ring);
        }
        Ok(rings)
    }

    /// What the database has of these subjects' keys.
    async fn fetch(
        &self,
        subjects: &HashSet<String>,
    ) -> Result<HashMap<String, Arc<Ring>>, SubjectError> {
        let tags: Vec<String> = subjects.iter().map(|subject| self.tag(subject)).collect();
        let records = self.proven(&tags).await?;
        let ring = |(subject, tag): (&String, &String)| {
            let ring = match records.get(tag) {
                None => Ring::without_keys(&self.shared),
                Some(record) => self.ring(record)?,
            };
            Ok((subject.clone(), Arc::new(ring)))
        };
        subjects.iter().zip(&tags).map(ring).collect()
    }

    /// The records of these tags, proven.
    async fn proven(&self, tags: &[String]) -> Result<HashMap<String, Proven>, SubjectError> {
        let names: Vec<String> = tags.iter().map(|tag| format!("{NAME}{tag}")).collect();
        let records = self.database.keys_read(&names).await?.unwrap_or_default();
        records
            .iter()
            .map(|record| {
                let proven = self.prover.prove(record)?;
                Ok((proven.tag.clone(), proven))
            })
            .collect()
    }

    fn ring(&self, record: &Proven) -> Result<Ring, SubjectError> {
        let gone = self.forgotten.get(&record.tag);
        let is_gone = |id: KeyId| gone.is_some_and(|gone| gone.contains(&id));
        let forget = record.body.forget.as_ref();
        let mut ring = Ring {
            forgotten: forget.is_some(),
            ..Ring::without_keys(&self.shared)
        };
        let mut keys = Vec::new();
        for entry in &record.body.keys {
            let damaged = || SubjectError::Damaged {
                name: format!("{NAME}{}", record.tag),
            };
            let id = entry.key_id().ok_or_else(damaged)?;
            match (entry.wrapped(), forget) {
                (Some(_), _) if is_gone(id) => {
                    self.is_back(&record.tag);
                    ring.destroyed.push(id);
                }
                (Some(_), Some(forget)) if !forget.begun => ring.suspended.push(id),
                (None, _) | (Some(_), Some(_)) => ring.destroyed.push(id),
                (Some(wrapped), None) => match self.unwrap(&record.tag, &wrapped) {
                    Ok(key) if key.id() == id => keys.push(key),
                    Ok(_) => return Err(damaged()),
                    Err(_) => ring.closed.push(Closed {
                        id,
                        under: KeyWrapper::wrapped_under(&wrapped),
                    }),
                },
            }
        }
        ring.keys = keys.iter().map(Key::id).collect();
        let mut keys = keys.into_iter();
        if let Some(first) = keys.next() {
            ring.own = ring.closed.is_empty().then(|| first.id());
            let keyring = self.shared.behind(first, keys.collect());
            ring.keyring = keyring.map_err(|source| SubjectError::Keyring {
                tag: record.tag.clone(),
                source,
            })?;
        }
        Ok(ring)
    }

    /// The keys of a forgotten subject are there again.
    fn is_back(&self, tag: &str) {
        let mut back = self.back.lock().unwrap_or_else(PoisonError::into_inner);
        back.insert(tag.to_owned());
    }

    /// Forgets what was kept in memory: keys changed.
    fn let_go(&self) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.clear();
    }

    fn unwrap(&self, tag: &str, wrapped: &[u8]) -> Result<Key, SubjectError> {
        let id = KeyWrapper::wrapped_under(wrapped);
        self.wrappers
            .iter()
            .find(|(wrapper, _)| Some(*wrapper) == id)
            .and_then(|(_, wrapper)| wrapper.unwrap(wrapped, &place(tag)).ok())
            .ok_or_else(|| SubjectError::Wrapped {
                tag: tag.to_owned(),
                id,
            })
    }

    /// Makes a key for each of these subjects that has none to seal with, and reads them
    /// back before the first value is sealed under them.
    async fn make(
        &self,
        subjects: &HashSet<String>,
        now: Timestamp,
    ) -> Result<HashMap<String, Arc<Ring>>, SubjectError> {
        self.database.keys_create().await?;
        self.add(subjects, now).await?;
        let mut made = self.fetch(subjects).await?;
        let without = |made: &HashMap<String, Arc<Ring>>| -> HashSet<String> {
            let without = made.iter().filter(|(_, ring)| !ring.is_settled());
            without.map(|(subject, _)| subject.clone()).collect()
        };
        let rest = without(&made);
        if !rest.is_empty() {
            self.renew(&rest, now).await?;
            made.extend(self.fetch(&rest).await?);
        }
        match without(&made).iter().next() {
            None => Ok(made),
            Some(subject) => Err(SubjectError::NotKept {
                tag: self.tag(subject),
            }),
        }
    }

    /// A record with a first key for each of these subjects that has no record.
    async fn add(&self, subjects: &HashSet<String>, now: Timestamp) -> Result<(), SubjectError> {
        let record = |subject: &String| {
            let tag = self.tag(subject);
            let keys = vec![self.new_key(&tag, &[], now)?];
            let body = Body {
                keys,
                ..Body::default()
            };
            self.prover.record(&tag, &body)
        };
        let mut new = subjects.iter().map(record).collect::<Result<Vec<_>, _>>()?;
        // Two processes that add the same ones do it in one order, and wait for each other.
        new.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        Ok(self.database.keys_add(&new).await?)
    }

    /// A new key for each of these subjects whose record has none to seal with: forgotten
    /// ones that are back and write, held ones.
    async fn renew(&self, subjects: &HashSet<String>, now: Timestamp) -> Result<(), SubjectError> {
        let tags: Vec<String> = subjects.iter().map(|subject| self.tag(subject)).collect();
        let mut changes = Vec::new();
        for (tag, record) in self.proven(&tags).await? {
            // Another process made one since, or it is being forgotten.
            if self.ring(&record)?.is_settled() {
                continue;
            }
            let mut body = record.body.clone();
            let key = self.new_key(&tag, &body.keys, now)?;
            body.keys.insert(0, key);
            changes.push(self.prover.change(&record, &body)?);
        }
        if changes.is_empty() {
            return Ok(());
        }
        changes.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        Ok(self.database.keys_change(&changes).await?)
    }

    /// A new key, with an id that none of `others` and none of the keyring has.
    fn new_key(
        &self,
        tag: &str,
        others: &[SubjectKey],
        now: Timestamp,
    ) -> Result<SubjectKey, SubjectError> {
        let (_, wrapper) = self.wrappers.first().ok_or(SubjectError::NoKeyring)?;
        loop {
            let key = Key::generate()?;
            let id = key.id();
            let taken = self.shared.get(id).is_some()
                || others.iter().any(|other| other.key_id() == Some(id));
            if !taken {
                return SubjectKey::new(&key, tag, wrapper, now);
            }
        }
    }
}
