//! A policy joined to its keys.

use std::path::Path;
#[cfg(feature = "subjects")]
use std::sync::Arc;

use atrest_core::Keyring;
use atrest_engine::policy::{KeyringPlace, Policy, PrimaryKeys};
#[cfg(feature = "subjects")]
use atrest_keys::KeySourceError;
#[cfg(feature = "subjects")]
use atrest_keys::keyring::{KeyringError, KeyringStore as _};
use atrest_keys::keyring::{KeyringFile, OpenKeyring};
use atrest_keys::{Environment, FileAccess, LoadedKeyring, Primary, Settings, Warning, load};

use crate::{Field, FieldError};

/// The fields of a policy. Cheap to clone; make one when the application starts.
#[derive(Debug, Clone)]
pub struct Fields {
    policy: Policy,
    keys: LoadedKeyring,
}

impl Fields {
    /// Reads a policy file and the keys that it names. `environment` is what the
    /// process was given: `Environment::new(std::env::vars())`; the policy's
    /// `env_file` is added to it.
    ///
    /// # Errors
    /// [`FieldError::Policy`] and [`FieldError::Keys`].
    pub fn load(path: impl AsRef<Path>, environment: Environment) -> Result<Self, FieldError> {
        Self::from_policy(Policy::load(path)?, environment)
    }

    /// The fields of a policy that was read already.
    ///
    /// # Errors
    /// [`FieldError::Keys`].
    pub fn from_policy(policy: Policy, environment: Environment) -> Result<Self, FieldError> {
        Self::of(policy, environment, None)
    }

    /// As [`Fields::load`] for a policy with `keyring = "database"`, too: `url` is the
    /// database that the policy names (`postgresql://`, `mysql://`, `sqlite:`), where the
    /// account needs SELECT on the table `atrest_keys`. Asking the keyring's root may
    /// block for [`Settings::timeout`].
    ///
    /// # Errors
    /// As [`Fields::load`]; [`FieldError::Database`].
    #[cfg(feature = "subjects")]
    pub async fn connect(
        path: impl AsRef<Path>,
        environment: Environment,
        url: &str,
    ) -> Result<Self, FieldError> {
        Self::connect_policy(Policy::load(path)?, environment, url).await
    }

    /// As [`Fields::connect`], of a policy that was read already.
    ///
    /// # Errors
    /// [`FieldError::Keys`], [`FieldError::Database`].
    #[cfg(feature = "subjects")]
    pub async fn connect_policy(
        policy: Policy,
        environment: Environment,
        url: &str,
    ) -> Result<Self, FieldError> {
        if !policy.keys.in_database() {
            return Self::from_policy(policy, environment);
        }
        let database = atrest_sql::connect(url).await?;
        let table = atrest_sql::KeyringTable::new(Arc::clone(&database));
        let text = table.load().await;
        database.close().await;
        let keys = |error| KeySourceError::from(Box::new(error));
        let origin = table.name();
        let text = text.map_err(keys)?;
        let missing = || {
            keys(KeyringError::Missing {
                origin: table.name(),
            })
        };
        let text = text.ok_or_else(missing)?;
        Self::of(policy, environment, Some((&text, &origin)))
    }

    /// With the document of a keyring in the database, and its name.
    fn of(
        policy: Policy,
        environment: Environment,
        document: Option<(&str, &str)>,
    ) -> Result<Self, FieldError> {
        let access = if policy.keys.allow_readable_files {
            FileAccess::AllowReadable
        } else {
            FileAccess::OwnerOnly
        };
        let environment = match policy.env_file() {
            Some(file) => environment.with_env_file(file, access)?,
            None => environment,
        };
        let of = &policy.keys;
        let settings = Settings::new(policy.directory())
            .with_access(access)
            .with_times(of.timeout, of.cache, of.grace);
        let file;
        let primary = match &of.primary {
            PrimaryKeys::Source(source) => Primary::Source(source),
            PrimaryKeys::Keyring { place, root } => match place {
                KeyringPlace::File(path) => {
                    file = KeyringFile::new(policy.directory().join(path));
                    Primary::File { file: &file, root }
                }
                KeyringPlace::Database => {
                    let (text, origin) = document.ok_or(FieldError::KeyringInDatabase)?;
                    Primary::Text { text, origin, root }
                }
            },
        };
        let keys = load(primary, &of.previous, &environment, &settings)?;
        Ok(Self { policy, keys })
    }

    /// The field of one column, by its id in the policy: "table.column". One with a
    /// `subject` needs to be told whose a row is: [`Field::of`].
    ///
    /// # Errors
    /// [`FieldError::Policy`] with the nearest id.
    pub fn field(&self, id: &str) -> Result<Field, FieldError> {
        let column = self.policy.require(id)?;
        Ok(Field::new(self.keyring(), column))
    }

    /// The keyring that the keys are from; none with direct keys.
    pub(crate) fn opened(&self) -> Option<&OpenKeyring> {
        self.keys.opened.as_deref()
    }

    /// The policy.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The keys.
    #[must_use]
    pub fn keyring(&self) -> &Keyring {
        &self.keys.keyring
    }

    /// Whether a file behind the keys has changed since they were read: time to load
    /// anew. Cheap enough for every few seconds; nothing is read. Of keys that a server or
    /// a database gave ([`Fields::were_asked_for`]) it does not know.
    #[must_use]
    pub fn changed(&self) -> bool {
        self.keys.changed()
    }

    /// Whether a server or a database was asked for the keys: a change there shows only
    /// when they are loaded again.
    #[must_use]
    pub fn were_asked_for(&self) -> bool {
        self.policy.keys.in_database() || !self.keys.requests.is_empty()
    }

    /// Whether the others have the same keys, of a keyring those of subjects and the
    /// tombstones, too.
    #[must_use]
    pub fn have_the_keys_of(&self, others: &Self) -> bool {
        self.keys.has_the_keys_of(&others.keys)
    }

    /// What deserves a word about the keys, for the application's log.
    #[must_use]
    pub fn warnings(&self) -> &[Warning] {
        &self.keys.warnings
    }
}
