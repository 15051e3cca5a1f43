//! The keys of a policy's subjects, and the keys that they need in the keyring.

use std::sync::Arc;

use atrest_core::{Key, Keyring};
use atrest_engine::subjects::{SubjectError, SubjectKeyring, Subjects};
use atrest_engine::target::Database;
use atrest_keys::LoadedKeyring;
use atrest_keys::keyring::OpenKeyring;

use super::{PolicyKeys, PolicyKeysError};

/// The keys of subjects, and what deserves a warning.
#[derive(Debug, Clone)]
pub struct PolicySubjects {
    /// Their keys.
    pub keys: Arc<Subjects>,
    /// The keyring is an old copy, which was accepted.
    pub warning: Option<String>,
}

impl PolicyKeys<'_> {
    /// The keys of subjects in `database`, where the policy names any. What the keyring
    /// needs for them is made before the first of them is, and read back.
    ///
    /// # Errors
    /// [`PolicyKeysError::NoKeyring`], [`PolicyKeysError::NoSubjectKeys`],
    /// [`PolicyKeysError::OldKeyring`]; the keyring's and the database's.
    pub async fn subjects(
        &self,
        keys: &LoadedKeyring,
        database: &Arc<dyn Database>,
    ) -> Result<Option<PolicySubjects>, PolicyKeysError> {
        let columns = self.policy.columns.iter().all(|c| c.subject.is_none());
        if columns && self.policy.files.iter().all(|f| f.subject.is_none()) {
            return Ok(None);
        }
        let all = &keys.keyring;
        let opened = keys.opened.as_deref().ok_or_else(|| self.no_keyring())?;
        if let (Some(wrapping), Some(index)) = (opened.subjects(), opened.index()) {
            let subjects = self.subjects_of(all, database, opened, wrapping, index);
            return subjects.await.map(Some);
        }
        if Subjects::any(&**database).await? {
            return Err(PolicyKeysError::NoSubjectKeys {
                keyring: opened.origin().to_owned(),
            });
        }
        let opened = self.with_subjects(opened).await?;
        let (Some(wrapping), Some(index)) = (opened.subjects(), opened.index()) else {
            return Err(SubjectError::NoKeyring.into());
        };
        let subjects = self.subjects_of(all, database, &opened, wrapping, index);
        subjects.await.map(Some)
    }

    async fn subjects_of(
        &self,
        all: &Keyring,
        database: &Arc<dyn Database>,
        opened: &OpenKeyring,
        wrapping: &Keyring,
        index: &Key,
    ) -> Result<PolicySubjects, PolicyKeysError> {
        let forgotten = opened.forgotten().iter();
        let keys = SubjectKeyring {
            wrapping,
            index,
            forgotten: forgotten.map(|f| (f.tag.clone(), f.keys.clone())).collect(),
        };
        let subjects = Subjects::new(Arc::clone(database), all, keys);
        let mut warning = None;
        if let Some(newest) = subjects.witness(opened.generation()).await? {
            let what = format!(
                "{} has generation {}, and this database was used with generation {newest}: an old copy of the keyring was put back, without the keys made since and without the tombstones of subjects forgotten since",
                opened.origin(),
                opened.generation()
            );
            if !self.accept_older {
                return Err(PolicyKeysError::OldKeyring { what });
            }
            warning = Some(what);
        }
        Ok(PolicySubjects {
            keys: Arc::new(subjects),
            warning,
        })
    }
}
