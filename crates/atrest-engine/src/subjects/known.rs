//! What the records of all subjects say together: which keys there are, and which there
//! were.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use atrest_core::KeyId;
use jiff::Timestamp;

use super::record::{NAME, Proven, SubjectKey};
use super::{SubjectError, Subjects};

/// Keys of a subject that were destroyed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destroyed {
    /// The subject's tag.
    pub tag: String,
    /// Its keys that are no more.
    pub keys: Vec<KeyId>,
    /// When the last of them was destroyed.
    pub at: Timestamp,
}

/// Where a key of a subject stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// It was destroyed, or is not to be used any more: what it sealed was meant to be
    /// gone.
    Gone,
    /// It is there, and not used while its subject is to be forgotten, which can be taken
    /// back.
    Suspended,
    /// It is there, and the keyring does not open it.
    Closed,
    /// It is there, and opens.
    Opens,
}

impl Subjects {
    /// The ids of every key that a subject has or had: no key that everybody shares may
    /// have one of them.
    ///
    /// # Errors
    /// The database's; [`SubjectError::Damaged`].
    pub async fn key_ids(&self) -> Result<HashSet<KeyId>, SubjectError> {
        let mut ids = HashSet::new();
        self.each(|record| {
            let keys = record.body.keys.iter();
            ids.extend(keys.filter_map(SubjectKey::key_id));
        })
        .await?;
        Ok(ids)
    }

    /// The keys that were destroyed, by subject: what the tombstones of the newest
    /// keyring say.
    ///
    /// # Errors
    /// As [`Self::key_ids`].
    pub async fn destroyed(&self) -> Result<Vec<Destroyed>, SubjectError> {
        let mut all = Vec::new();
        self.each(|record| {
            let gone = record.body.keys.iter().filter(|it| it.wrapped.is_none());
            let at = gone.clone().filter_map(|key| key.destroyed).max();
            let keys: Vec<KeyId> = gone.filter_map(SubjectKey::key_id).collect();
            if !keys.is_empty() {
                all.push(Destroyed {
                    tag: record.tag.clone(),
                    keys,
                    at: at.unwrap_or(Timestamp::UNIX_EPOCH),
                });
            }
        })
        .await?;
        Ok(all)
    }

    /// Which of these keys are keys of subjects, and where they stand. Where two
    /// subjects have keys of one id, the better of both: a token says no more.
    ///
    /// # Errors
    /// As [`Self::key_ids`].
    pub async fn standing(
        &self,
        keys: &BTreeSet<KeyId>,
    ) -> Result<BTreeMap<KeyId, Standing>, SubjectError> {
        let mut found = BTreeMap::new();
        if keys.is_empty() {
            return Ok(found);
        }
        self.each(|record| {
            for key in &record.body.keys {
                let Some(id) = key.key_id().filter(|id| keys.contains(id)) else {
                    continue;
                };
                let standing = self.stands(record, key, id);
                let best = found.entry(id).or_insert(standing);
                *best = standing.max(*best);
            }
        })
        .await?;
        Ok(found)
    }

    fn stands(&self, record: &Proven, key: &SubjectKey, id: KeyId) -> Standing {
        let buried = self.forgotten.get(&record.tag);
        let Some(wrapped) = key.wrapped() else {
            return Standing::Gone;
        };
        if buried.is_some_and(|gone| gone.contains(&id)) {
            return Standing::Gone;
        }
        match &record.body.forget {
            Some(forget) if forget.begun => Standing::Gone,
            Some(_) => Standing::Suspended,
            None => match self.unwrap(&record.tag, &wrapped) {
                Ok(opened) if opened.id() == id => Standing::Opens,
                _ => Standing::Closed,
            },
        }
    }

    /// Shows every record, proven.
    async fn each(&self, mut show: impl FnMut(&Proven)) -> Result<(), SubjectError> {
        let mut after = NAME.to_owned();
        while let Some(page) = self.page(&mut after).await? {
            page.iter().for_each(&mut show);
        }
        Ok(())
    }
}
