//! What every face that runs the engine needs of a policy (feature `engine`): its
//! environment, its keys and where its keyring is kept, its database, the keys of its
//! subjects.
//!
//! | to | use |
//! |---|---|
//! | read the `.env` file that counts | [`environment`] |
//! | load the keys, change the keyring | [`PolicyKeys`] |
//! | connect | [`PolicyKeys::connect`] |
//! | have the keys of subjects | [`PolicyKeys::subjects`] |
//! | say which keys can retire | [`add_life`], [`is_due`] |

mod database;
mod environment;
mod error;
mod keyring;
mod life;
mod subjects;

use std::path::Path;

use atrest_core::{Key, KeyId};
use atrest_engine::policy::{KeyringPlace, Policy, PrimaryKeys};
use atrest_keys::{
    Environment, FileAccess, KeySource, LoadedKeyring, Primary, Settings, load, source,
};

pub use database::from_folder;
pub use environment::{Found, environment};
pub use error::PolicyKeysError;
pub use life::{add_life, is_due, protects};
pub use subjects::{Access, PolicySubjects};

/// `[keys]` of a policy, and what its sources are read with.
///
/// A keyring in the database is waited for: call from a thread of a tokio runtime of
/// several threads.
#[derive(Debug, Clone, Copy)]
pub struct PolicyKeys<'a> {
    /// The policy.
    pub policy: &'a Policy,
    /// The variables, with those of the `.env` file.
    pub environment: &'a Environment,
    /// Go on with a keyring that is older than a copy of it, or than the database knows.
    pub accept_older: bool,
}

impl<'a> PolicyKeys<'a> {
    /// What sources are read with; relative paths start at `base_dir`.
    #[must_use]
    pub fn settings(&self, base_dir: &Path) -> Settings {
        let keys = &self.policy.keys;
        Settings::new(base_dir)
            .with_access(access(self.policy))
            .with_times(keys.timeout, keys.cache, keys.grace)
    }

    /// Every key.
    ///
    /// # Errors
    /// [`PolicyKeysError::Keys`]; for a keyring in the database its errors, too.
    pub fn load(&self) -> Result<LoadedKeyring, PolicyKeysError> {
        let file;
        let primary = match &self.policy.keys.primary {
            PrimaryKeys::Source(source) => Primary::Source(source),
            PrimaryKeys::Keyring { place, root } => match place {
                KeyringPlace::File(path) => {
                    file = self.file(path);
                    Primary::File { file: &file, root }
                }
                KeyringPlace::Database => {
                    let (name, text) = wait(self.in_database())?;
                    return self.load_of(Primary::Text {
                        text: &text,
                        origin: &name,
                        root,
                    });
                }
            },
        };
        self.load_of(primary)
    }

    /// Every key, of a keyring that has another root than the policy names.
    ///
    /// # Errors
    /// [`PolicyKeysError::Keys`]; the store's.
    pub async fn load_under(&self, root: &str) -> Result<LoadedKeyring, PolicyKeysError> {
        let (store, text) = self.document().await?;
        let (text, origin) = (&*text, &*store.name());
        self.load_of(Primary::Text { text, origin, root })
    }

    /// Every key, of a keyring whose key recovery shares gave.
    ///
    /// # Errors
    /// [`PolicyKeysError::Keys`].
    pub fn load_recovered(
        &self,
        text: &str,
        origin: &str,
        key: &Key,
    ) -> Result<LoadedKeyring, PolicyKeysError> {
        self.load_of(Primary::Recovered { text, origin, key })
    }

    fn load_of(&self, primary: Primary<'_>) -> Result<LoadedKeyring, PolicyKeysError> {
        let settings = self.settings(self.policy.directory());
        let previous = &self.policy.keys.previous;
        load(primary, previous, self.environment, &settings).map_err(|source| {
            PolicyKeysError::Keys {
                origin: self.policy.origin.clone(),
                line: self.policy.keys.line,
                source,
            }
        })
    }

    /// The ids of the keys in `previous`, which no key of a keyring may have.
    ///
    /// # Errors
    /// [`PolicyKeysError::Source`].
    pub fn previous_ids(&self) -> Result<Vec<KeyId>, PolicyKeysError> {
        let mut ids = Vec::new();
        for uri in &self.policy.keys.previous {
            let keys = self.source(uri)?.keys(self.environment)?;
            ids.extend(keys.iter().map(Key::id));
        }
        Ok(ids)
    }

    /// A source, named as the policy would name it.
    ///
    /// # Errors
    /// [`PolicyKeysError::Source`].
    pub fn source(&self, uri: &str) -> Result<Box<dyn KeySource>, PolicyKeysError> {
        let settings = self.settings(self.policy.directory());
        Ok(source::parse(uri, &settings)?)
    }
}

/// Who else may be able to read files of keys.
#[must_use]
pub fn access(policy: &Policy) -> FileAccess {
    if policy.keys.allow_readable_files {
        FileAccess::AllowReadable
    } else {
        FileAccess::OwnerOnly
    }
}

/// Waits on the face's own runtime, whose threads may block.
fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(future))
}
