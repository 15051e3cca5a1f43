//! The keys of a policy's subjects, and the keys that they need in the keyring.

use std::collections::HashSet;
use std::sync::Arc;

use atrest_core::{KeyId, Keyring};
use atrest_engine::subjects::{SubjectError, SubjectKeyring, Subjects};
use atrest_engine::target::Database;
use atrest_keys::LoadedKeyring;
use atrest_keys::keyring::{Forgotten, KeyPurpose, NewKeyring, OpenKeyring};
use jiff::Timestamp;

use super::{PolicyKeys, PolicyKeysError};

/// The keys of subjects, and what deserves a warning.
#[derive(Debug, Clone)]
pub struct PolicySubjects {
    /// Their keys.
    pub keys: Arc<Subjects>,
    /// The keyring is an old copy, which was accepted.
    pub warning: Option<String>,
}

/// What the keys of subjects are wanted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// To change values: what the keyring lacks for that is made, and read back.
    Change,
    /// To look at values: nothing is made or written.
    Look,
}

impl PolicyKeys<'_> {
    /// The keys of subjects in `database`, where the policy names any.
    ///
    /// # Errors
    /// [`PolicyKeysError::NoKeyring`], [`PolicyKeysError::NoSubjectKeys`],
    /// [`PolicyKeysError::OldKeyring`]; the keyring's and the database's.
    pub async fn subjects(
        &self,
        keys: &LoadedKeyring,
        database: &Arc<dyn Database>,
        access: Access,
    ) -> Result<Option<PolicySubjects>, PolicyKeysError> {
        if !self.policy.has_subjects() {
            return Ok(None);
        }
        let mut opened = keys.opened.as_deref().ok_or_else(|| self.no_keyring())?;
        let (made, imagined);
        let mut found = of(opened, &keys.keyring, database).await?;
        if found.is_none() {
            opened = match access {
                Access::Change => {
                    made = self.with_subjects(opened).await?;
                    &made
                }
                // Nobody has a key yet: any will do to find that out.
                Access::Look => {
                    imagined = imagined_subjects(opened)?;
                    imagined.opened()
                }
            };
            found = of(opened, &keys.keyring, database).await?;
        }
        let subjects = found.ok_or(SubjectError::NoKeyring)?;
        let newest = match access {
            Access::Change => subjects.witness(opened.generation()).await?,
            Access::Look => subjects.newer_than(opened.generation()).await?,
        };
        let warning = newest.map(|newest| older(opened, newest));
        match warning {
            Some(what) if !self.accept_older => {
                self.unchanged_since(opened.generation()).await?;
                Err(PolicyKeysError::OldKeyring { what })
            }
            warning => Ok(Some(PolicySubjects {
                keys: Arc::new(subjects),
                warning,
            })),
        }
    }

    /// The same, to read what is there and no more: nothing is made or written, and an
    /// older keyring is taken as it is, with the warning.
    ///
    /// # Errors
    /// [`PolicyKeysError::NoKeyring`], [`PolicyKeysError::NoSubjectKeys`],
    /// [`PolicyKeysError::NeverSubjects`]; the database's.
    pub async fn subjects_to_read(
        &self,
        keys: &LoadedKeyring,
        database: &Arc<dyn Database>,
    ) -> Result<Option<PolicySubjects>, PolicyKeysError> {
        if !self.policy.has_subjects() {
            return Ok(None);
        }
        let opened = keys.opened.as_deref().ok_or_else(|| self.no_keyring())?;
        let subjects = of(opened, &keys.keyring, database).await?;
        let subjects = subjects.ok_or_else(|| PolicyKeysError::NeverSubjects {
            keyring: opened.origin().to_owned(),
        })?;
        let newest = subjects.newer_than(opened.generation()).await?;
        Ok(Some(PolicySubjects {
            keys: Arc::new(subjects),
            warning: newest.map(|newest| older(opened, newest)),
        }))
    }

    /// The ids of every key that a subject of the policy's database has or had, which no
    /// new key of the keyring may have.
    ///
    /// # Errors
    /// [`PolicyKeysError::NoSubjectKeys`]; the database's.
    pub async fn subject_key_ids(
        &self,
        opened: &OpenKeyring,
    ) -> Result<HashSet<KeyId>, PolicyKeysError> {
        match self.in_its_database(opened).await? {
            None => Ok(HashSet::new()),
            Some((subjects, database)) => {
                let ids = subjects.key_ids().await;
                database.close().await;
                Ok(ids?)
            }
        }
    }

    /// A change as it is to be stored: of an older keyring, with the tombstones that the
    /// database still knows.
    ///
    /// # Errors
    /// [`PolicyKeysError::OldKeyring`] unless it is accepted.
    pub(super) async fn settled(
        &self,
        change: NewKeyring,
        subjects: &Subjects,
    ) -> Result<NewKeyring, PolicyKeysError> {
        let Some(newest) = subjects.newer_than(change.expected()).await? else {
            return Ok(change);
        };
        self.unchanged_since(change.expected()).await?;
        if !self.accept_older {
            let what = older_than(change.opened().origin(), change.expected(), newest);
            return Err(PolicyKeysError::OldKeyring { what });
        }
        let gone = subjects.destroyed().await?.into_iter();
        let gone = gone.map(|it| Forgotten {
            tag: it.tag,
            keys: it.keys,
            at: it.at,
        });
        Ok(change.settling(newest, gone)?)
    }

    /// The subjects of the policy's own database, and the connection to it; none where
    /// the policy names no subject, or nobody had a key yet.
    pub(super) async fn in_its_database(
        &self,
        opened: &OpenKeyring,
    ) -> Result<Option<(Subjects, Arc<dyn Database>)>, PolicyKeysError> {
        if !self.policy.has_subjects() {
            return Ok(None);
        }
        let database = self.connect().await?;
        let subjects = of(opened, opened.data(), &database).await?;
        Ok(subjects.map(|subjects| (subjects, database)))
    }

    /// Refuses a change of a keyring that lies beside a newer copy of itself: that has
    /// what this one lacks.
    pub(super) async fn refuse_beside_newer(
        &self,
        change: &NewKeyring,
    ) -> Result<(), PolicyKeysError> {
        let Some(file) = self.keyring_file().filter(|_| self.accept_older) else {
            return Ok(());
        };
        let newest = file.newest()?;
        if newest <= change.expected() {
            return Ok(());
        }
        self.unchanged_since(change.expected()).await?;
        Err(PolicyKeysError::NewerCopy {
            origin: file.path().display().to_string(),
            newest,
        })
    }
}

/// The keyring with the keys that subjects need, which it lacks, in memory alone.
fn imagined_subjects(opened: &OpenKeyring) -> Result<NewKeyring, PolicyKeysError> {
    let now = Timestamp::now();
    let index = opened.ensure(KeyPurpose::Index, now)?;
    let so_far = index.as_ref().map_or(opened, NewKeyring::opened);
    let both = so_far.ensure(KeyPurpose::Subjects, now)?;
    both.or(index).ok_or(PolicyKeysError::HasSubjects)
}

/// The subjects of `database` under a keyring that has keys for them; none where none
/// were made.
async fn of(
    opened: &OpenKeyring,
    shared: &Keyring,
    database: &Arc<dyn Database>,
) -> Result<Option<Subjects>, PolicyKeysError> {
    if let (Some(wrapping), Some(index)) = (opened.subjects(), opened.index()) {
        let forgotten = opened.forgotten().iter();
        let keys = SubjectKeyring {
            wrapping,
            index,
            forgotten: forgotten.map(|f| (f.tag.clone(), f.keys.clone())).collect(),
        };
        return Ok(Some(Subjects::new(Arc::clone(database), shared, keys)));
    }
    match Subjects::any(&**database).await? {
        false => Ok(None),
        true => Err(PolicyKeysError::NoSubjectKeys {
            keyring: opened.origin().to_owned(),
        }),
    }
}

fn older(opened: &OpenKeyring, newest: u64) -> String {
    older_than(opened.origin(), opened.generation(), newest)
}

fn older_than(origin: &str, generation: u64, newest: u64) -> String {
    format!(
        "{origin} has generation {generation}, and this database was used with generation {newest}: an old copy of the keyring was put back, without the keys made since and without the tombstones of subjects forgotten since"
    )
}
