//! Which keys of the keyring the records of subjects need, and all of them brought under
//! the active ones, so that an older key can be destroyed. No value is touched.

use std::collections::BTreeMap;

use atrest_core::{FieldOpener, Form, KeyId, KeyWrapper, Stored};

use super::record::{Body, NAME, Proven, SubjectKey, place};
use super::{SubjectError, Subjects};
use crate::target::TargetError;

/// Records read, and changed, at once.
const PAGE: u32 = 1000;
/// How often a page is read anew because somebody changed a record of it.
const TRIES: u32 = 20;

/// What a new wrapping of the subjects' records came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rewrapped {
    /// Records that changed.
    pub changed: u64,
    /// Records with a key that does not open, which are as they were.
    pub closed: u64,
}

impl Subjects {
    /// How much of the subjects' records each key of the keyring protects: keys of
    /// subjects that it wraps, and the names of those who are being forgotten.
    ///
    /// # Errors
    /// The database's; [`SubjectError::Damaged`].
    pub async fn needed(&self) -> Result<BTreeMap<KeyId, u64>, SubjectError> {
        let mut needed = BTreeMap::new();
        let mut after = NAME.to_owned();
        while let Some(page) = self.page(&mut after).await? {
            for record in &page {
                let wrapping = self.alive(record).filter_map(wrapped_under);
                let name = record.body.forget.as_ref();
                let sealing = name.and_then(|forget| self.sealed_under(record, &forget.subject));
                for key in wrapping.chain(sealing) {
                    *needed.entry(key).or_default() += 1;
                }
            }
        }
        Ok(needed)
    }

    /// Wraps subjects' keys, and seals the names of those who are being forgotten, under
    /// the active keys of the keyring, where an older one was used. Killed, it goes on when
    /// it is run again.
    ///
    /// # Errors
    /// The database's; [`SubjectError::Damaged`].
    pub async fn rewrap(&self) -> Result<Rewrapped, SubjectError> {
        let mut done = Rewrapped::default();
        let mut after = NAME.to_owned();
        let mut tries = 0;
        loop {
            let from = after.clone();
            let Some(page) = self.page(&mut after).await? else {
                return Ok(done);
            };
            let (mut changes, mut closed) = (Vec::new(), 0);
            for record in &page {
                let (body, opens) = self.rewrapped(record)?;
                closed += u64::from(!opens);
                if let Some(body) = body {
                    changes.push(self.prover.change(record, &body)?);
                }
            }
            let written = match changes.is_empty() {
                true => Ok(()),
                false => self.database.keys_change(&changes).await,
            };
            match written {
                Ok(()) => {
                    done.changed += changes.len() as u64;
                    done.closed += closed;
                    tries = 0;
                    self.kept.clear();
                }
                // Somebody changed one of them: all are looked at again.
                Err(TargetError::Busy { .. }) if tries < TRIES => {
                    (after, tries) = (from, tries + 1);
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// The next records of subjects, proven; none: that was all.
    pub(super) async fn page(
        &self,
        after: &mut String,
    ) -> Result<Option<Vec<Proven>>, SubjectError> {
        let page = self.database.keys_page(after, PAGE).await?;
        let Some(last) = page.last() else {
            return Ok(None);
        };
        after.clone_from(&last.name);
        let of_subjects = page.iter().filter(|record| record.name.starts_with(NAME));
        of_subjects
            .map(|record| self.prover.prove(record))
            .collect::<Result<_, _>>()
            .map(Some)
    }

    /// The keys of a record that are there and were not destroyed before.
    fn alive<'r>(&'r self, record: &'r Proven) -> impl Iterator<Item = &'r SubjectKey> {
        let gone = self.forgotten.get(&record.tag);
        let is_gone = move |key: &SubjectKey| {
            gone.is_some_and(|gone| key.key_id().is_some_and(|id| gone.contains(&id)))
        };
        let keys = record.body.keys.iter();
        keys.filter(move |key| key.wrapped.is_some() && !is_gone(key))
    }

    /// The key of the keyring that a name was sealed under.
    fn sealed_under(&self, record: &Proven, name: &str) -> Option<KeyId> {
        let (mut opener, mut clear) = (FieldOpener::new(&self.shared), Vec::new());
        match opener.read(Form::Text, &place(&record.tag), name.as_bytes(), &mut clear) {
            Stored::Sealed(sealed) => Some(sealed.key),
            _ => None,
        }
    }

    /// What a record is to say (`None`: it says so), and whether all of it opens.
    fn rewrapped(&self, record: &Proven) -> Result<(Option<Body>, bool), SubjectError> {
        let (active, wrapper) = self.wrappers.first().ok_or(SubjectError::NoKeyring)?;
        let (mut body, mut opens) = (record.body.clone(), true);
        let old: Vec<&SubjectKey> = self
            .alive(record)
            .filter(|key| wrapped_under(key) != Some(*active))
            .collect();
        for old in old {
            let Ok(key) = self.unwrap(&record.tag, &old.wrapped().unwrap_or_default()) else {
                opens = false;
                continue;
            };
            let new = SubjectKey::new(&key, &record.tag, wrapper, old.created)?;
            body.keys
                .iter_mut()
                .filter(|key| key.id == new.id)
                .for_each(|key| key.wrapped.clone_from(&new.wrapped));
        }
        if let Some(forget) = &mut body.forget
            && self.sealed_under(record, &forget.subject) != Some(self.shared.primary().id())
        {
            // One that does not open is told by `forget --due`.
            if let Ok(name) = self.name_in(record) {
                forget.subject = self.seal(&record.tag, &name)?;
            }
        }
        Ok(((body != record.body).then_some(body), opens))
    }
}

/// The key of the keyring that wraps a subject's key.
fn wrapped_under(key: &SubjectKey) -> Option<KeyId> {
    KeyWrapper::wrapped_under(&key.wrapped()?)
}
