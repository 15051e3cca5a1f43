//! Where a policy's keyring is kept, and how it is changed there.

use std::path::Path;

use atrest_engine::policy::{KeyringPlace, PrimaryKeys};
use atrest_keys::KeySource;
use atrest_keys::keyring::{
    KeyPurpose, KeyringError, KeyringFile, KeyringStore, NewKeyring, OpenKeyring, check,
};
use atrest_sql::KeyringTable;
use jiff::Timestamp;

use super::{PolicyKeys, PolicyKeysError, wait};

impl<'a> PolicyKeys<'a> {
    /// Where the keyring is kept, and the root that the policy names.
    ///
    /// # Errors
    /// [`PolicyKeysError::NoKeyring`]; the database's.
    pub fn store(&self) -> Result<(Box<dyn KeyringStore>, &'a str), PolicyKeysError> {
        match &self.policy.keys.primary {
            PrimaryKeys::Source(_) => Err(self.no_keyring()),
            PrimaryKeys::Keyring { place, root } => match place {
                KeyringPlace::File(path) => Ok((Box::new(self.file(path)), root)),
                KeyringPlace::Database => Ok((Box::new(wait(self.table())?), root)),
            },
        }
    }

    /// What to say where a keyring is needed and the policy has none.
    #[must_use]
    pub fn no_keyring(&self) -> PolicyKeysError {
        PolicyKeysError::NoKeyring {
            origin: self.policy.origin.clone(),
            line: self.policy.keys.line,
        }
    }

    /// The keyring's document as it is stored.
    ///
    /// # Errors
    /// As [`Self::store`]; [`KeyringError::Missing`].
    pub async fn document(&self) -> Result<(Box<dyn KeyringStore>, String), PolicyKeysError> {
        let (store, _) = self.store()?;
        let text = store.load().await?;
        let text = text.ok_or_else(|| KeyringError::Missing {
            origin: store.name(),
        })?;
        Ok((store, text))
    }

    /// With the keys that subjects need, made where there are none yet.
    ///
    /// # Errors
    /// [`PolicyKeysError::HasSubjects`]; else as [`Self::put`].
    pub async fn with_subjects(
        &self,
        opened: &OpenKeyring,
    ) -> Result<OpenKeyring, PolicyKeysError> {
        let now = Timestamp::now();
        let mut made = None;
        for purpose in [KeyPurpose::Index, KeyPurpose::Subjects] {
            if let Some(change) = made.as_ref().unwrap_or(opened).ensure(purpose, now)? {
                made = Some(self.put(change).await?);
            }
        }
        made.ok_or(PolicyKeysError::HasSubjects)
    }

    /// Puts a change in its place, to be opened by the policy's own root.
    ///
    /// # Errors
    /// As [`Self::put_under`].
    pub async fn put(&self, change: NewKeyring) -> Result<OpenKeyring, PolicyKeysError> {
        let (_, root) = self.store()?;
        self.put_under(change, &*self.source(root)?).await
    }

    /// Puts a change in its place, to be opened by this root. Every change of a keyring
    /// goes through here: a database that has keys of subjects says whether the keyring
    /// is the newest before it is changed, and remembers the change.
    ///
    /// A change of an older one, which is accepted, takes the tombstones over that the
    /// database still knows, and lies above the newest generation that there ever was.
    ///
    /// # Errors
    /// [`PolicyKeysError::OldKeyring`], [`PolicyKeysError::NewerCopy`],
    /// [`PolicyKeysError::NoSubjectKeys`]; the store's, the root's and the database's.
    pub async fn put_under(
        &self,
        mut change: NewKeyring,
        root: &dyn KeySource,
    ) -> Result<OpenKeyring, PolicyKeysError> {
        let (store, _) = self.store()?;
        self.refuse_beside_newer(&change).await?;
        let subjects = self.in_its_database(change.opened()).await?;
        if let Some((subjects, _)) = &subjects {
            change = self.settled(change, subjects).await?;
        }
        let after = change.store(&*store, root, self.environment).await?;
        if let Some((subjects, database)) = subjects {
            // The change is there: where this fails, whoever uses it next says so again.
            let _ = subjects.witness(after.generation()).await;
            database.close().await;
        }
        Ok(after)
    }

    /// What looks like an old copy was the newest when it was loaded, where somebody
    /// changed the keyring since: that is to be said.
    ///
    /// # Errors
    /// [`KeyringError::Changed`]; the store's.
    pub(super) async fn unchanged_since(&self, expected: u64) -> Result<(), PolicyKeysError> {
        let (store, _) = self.store()?;
        let origin = store.name();
        let found = match store.load().await? {
            Some(text) => check(&text, &origin)?,
            None => 0,
        };
        match found == expected {
            true => Ok(()),
            false => Err(KeyringError::Changed {
                origin,
                expected,
                found,
            }
            .into()),
        }
    }

    /// The keyring of the policy's database: its name and document.
    pub(super) async fn in_database(&self) -> Result<(String, String), PolicyKeysError> {
        let table = self.table().await?;
        let text = table.load().await?;
        let text = text.ok_or_else(|| KeyringError::Missing {
            origin: table.name(),
        })?;
        Ok((table.name(), text))
    }

    async fn table(&self) -> Result<KeyringTable, PolicyKeysError> {
        Ok(KeyringTable::new(self.connect().await?))
    }

    /// The keyring's file, if it is one.
    pub(super) fn keyring_file(&self) -> Option<KeyringFile> {
        match &self.policy.keys.primary {
            PrimaryKeys::Keyring {
                place: KeyringPlace::File(path),
                ..
            } => Some(self.file(path)),
            _ => None,
        }
    }

    pub(super) fn file(&self, path: &Path) -> KeyringFile {
        KeyringFile::new(self.policy.directory().join(path)).accept_older(self.accept_older)
    }
}
