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
mod kept;
mod keys;
mod known;
mod parallel;
pub mod receipt;
mod record;
mod rewrap;
mod ring;
mod source;
mod witness;

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use atrest_core::hazmat::Mac;
use atrest_core::{Key, KeyId, KeyWrapper, Keyring, Purpose};
use jiff::Timestamp;

use crate::target::{Database, Record};

pub use belongings::Belonging;
pub use error::SubjectError;
pub use forget::{OpenErasures, SubjectKeyState, SubjectState};
pub use keys::SubjectKeys;
pub use known::{Destroyed, Standing};
pub(crate) use record::{Body, Prover, SubjectKey};
pub use rewrap::Rewrapped;
pub use ring::Erasure;
pub(crate) use ring::{Closed, Ring};
pub(crate) use source::SubjectOf;

use kept::Kept;
use record::{NAME, Proven, place, tag};

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
    kept: Kept,
    /// Held while keys are made, so that workers of one run make none twice.
    making: tokio::sync::Mutex<()>,
    /// The table for them is there.
    created: tokio::sync::OnceCell<()>,
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
            kept: Kept::default(),
            making: tokio::sync::Mutex::default(),
            created: tokio::sync::OnceCell::default(),
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

    /// The keyring of each of `subjects`, in their order; with `make`, every one of them
    /// has a key to seal with, which is durable and was read back.
    pub(crate) async fn rings(
        &self,
        subjects: &[&str],
        make: bool,
        now: Timestamp,
    ) -> Result<Vec<Arc<Ring>>, SubjectError> {
        let mut rings = self.kept.get(subjects);
        let unknown = places(&rings, Option::is_none);
        if !unknown.is_empty() {
            let (asked, names) = (Instant::now(), at(&unknown, subjects));
            let found = self.fetch(&names).await?;
            self.kept.put(asked, &names, &found);
            for place in unknown {
                rings[place] = of(subjects[place], &names, &found);
            }
        }
        let mut rings: Vec<Arc<Ring>> = rings.into_iter().flatten().collect();
        if !make || rings.iter().all(|ring| ring.is_settled()) {
            return Ok(rings);
        }
        let _making = self.making.lock().await;
        // Another worker may have made them since.
        for (ring, kept) in rings.iter_mut().zip(self.kept.get(subjects)) {
            if let Some(kept) = kept {
                *ring = kept;
            }
        }
        let lacking = places(&rings, |ring| !ring.is_settled());
        if !lacking.is_empty() {
            let names = at(&lacking, subjects);
            let (asked, made) = self.make(&names, now).await?;
            self.kept.put(asked, &names, &made);
            for place in lacking {
                if let Some(made) = of(subjects[place], &names, &made) {
                    rings[place] = made;
                }
            }
        }
        Ok(rings)
    }

    /// What the database has of these subjects' keys, in their order.
    async fn fetch(&self, subjects: &[&str]) -> Result<Vec<Arc<Ring>>, SubjectError> {
        let tags: Vec<String> = subjects.iter().map(|subject| self.tag(subject)).collect();
        let records = self.records(&tags).await?;
        let rings = parallel::each(&records, |record| {
            let record = self.prover.prove(record)?;
            let ring = Arc::new(self.ring(&record)?);
            Ok::<_, SubjectError>((record.tag, ring))
        })?;
        let rings: HashMap<String, Arc<Ring>> = rings.into_iter().collect();
        let without = Arc::new(Ring::without_keys(&self.shared));
        let ring = |tag| Arc::clone(rings.get(tag).unwrap_or(&without));
        Ok(tags.iter().map(ring).collect())
    }

    /// The records of these tags, of which nothing is proven.
    async fn records(&self, tags: &[String]) -> Result<Vec<Record>, SubjectError> {
        let mut names: Vec<String> = tags.iter().map(|tag| format!("{NAME}{tag}")).collect();
        // The way they stand in the table's index.
        names.sort_unstable();
        Ok(self.database.keys_read(&names).await?.unwrap_or_default())
    }

    /// The records of these tags, proven.
    async fn proven(&self, tags: &[String]) -> Result<HashMap<String, Proven>, SubjectError> {
        let records = self.records(tags).await?;
        let prove = |record| {
            let proven = self.prover.prove(record)?;
            Ok((proven.tag.clone(), proven))
        };
        records.iter().map(prove).collect()
    }

    fn ring(&self, record: &Proven) -> Result<Ring, SubjectError> {
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
                (Some(_), _) if self.is_in_tombstone(&record.tag, id) => {
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
    /// back before the first value is sealed under them. Tells when that began.
    async fn make(
        &self,
        subjects: &[&str],
        now: Timestamp,
    ) -> Result<(Instant, Vec<Arc<Ring>>), SubjectError> {
        let create = || self.database.keys_create();
        self.created.get_or_try_init(create).await?;
        self.add(subjects, now).await?;
        let asked = Instant::now();
        let mut made = self.fetch(subjects).await?;
        let rest = places(&made, |ring| !ring.is_settled());
        if !rest.is_empty() {
            let names = at(&rest, subjects);
            self.renew(&names, now).await?;
            for (place, ring) in rest.into_iter().zip(self.fetch(&names).await?) {
                made[place] = ring;
            }
        }
        match made.iter().position(|ring| !ring.is_settled()) {
            None => Ok((asked, made)),
            Some(place) => Err(SubjectError::NotKept {
                tag: self.tag(subjects[place]),
            }),
        }
    }

    /// A record with a first key for each of these subjects that has no record.
    async fn add(&self, subjects: &[&str], now: Timestamp) -> Result<(), SubjectError> {
        let mut new = parallel::each(subjects, |subject| {
            let tag = self.tag(subject);
            let keys = vec![self.new_key(&tag, &[], now)?];
            let body = Body {
                keys,
                ..Body::default()
            };
            self.prover.record(&tag, &body)
        })?;
        // Two processes that add the same ones do it in one order, and wait for each other.
        new.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        Ok(self.database.keys_add(&new).await?)
    }

    /// A new key for each of these subjects whose record has none to seal with: forgotten
    /// ones that are back and write, held ones.
    async fn renew(&self, subjects: &[&str], now: Timestamp) -> Result<(), SubjectError> {
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

/// Where in `rings` those are that are so.
fn places<T>(rings: &[T], is_so: impl Fn(&T) -> bool) -> Vec<usize> {
    let found = rings.iter().enumerate().filter(|(_, ring)| is_so(ring));
    found.map(|(place, _)| place).collect()
}

/// The subjects at these places, each once, in the order of their names.
fn at<'s>(places: &[usize], subjects: &[&'s str]) -> Vec<&'s str> {
    let mut names: Vec<&str> = places.iter().map(|place| subjects[*place]).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// The keyring of `subject`, which is one of [`at`]'s `names`.
fn of(subject: &str, names: &[&str], rings: &[Arc<Ring>]) -> Option<Arc<Ring>> {
    let place = names.binary_search(&subject).ok()?;
    rings.get(place).cloned()
}
