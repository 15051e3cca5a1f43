//! The keys that a policy names: loaded, and where its keyring is kept.

use std::path::Path;

use anyhow::{Context as _, bail};
use atrest_core::{Key, KeyId};
use atrest_engine::policy::{KeyringPlace, Policy, PrimaryKeys};
use atrest_keys::keyring::{
    KeyPurpose, KeyringError, KeyringFile, KeyringStore, NewKeyring, OpenKeyring,
};
use atrest_keys::{Environment, KeySource, LoadedKeyring, Primary, Settings, load, source};
use atrest_sql::KeyringTable;

use jiff::Timestamp;

use crate::session::{access, database_url};

/// `[keys]` of a policy, and what its sources are read with.
#[derive(Clone, Copy)]
pub(crate) struct PolicyKeys<'a> {
    pub(crate) policy: &'a Policy,
    pub(crate) environment: &'a Environment,
    pub(crate) accept_older: bool,
}

impl<'a> PolicyKeys<'a> {
    /// What sources are read with; relative paths start at `base_dir`.
    pub(crate) fn settings(&self, base_dir: &Path) -> Settings {
        let keys = &self.policy.keys;
        Settings::new(base_dir)
            .with_access(access(self.policy))
            .with_times(keys.timeout, keys.cache, keys.grace)
    }

    /// Every key.
    pub(crate) fn load(&self) -> anyhow::Result<LoadedKeyring> {
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
    pub(crate) async fn load_under(&self, root: &str) -> anyhow::Result<LoadedKeyring> {
        let (store, text) = self.document().await?;
        let (text, origin) = (&*text, &*store.name());
        self.load_of(Primary::Text { text, origin, root })
    }

    /// Every key, of a keyring whose key recovery shares gave.
    pub(crate) fn load_recovered(
        &self,
        text: &str,
        origin: &str,
        key: &Key,
    ) -> anyhow::Result<LoadedKeyring> {
        self.load_of(Primary::Recovered { text, origin, key })
    }

    fn load_of(&self, primary: Primary<'_>) -> anyhow::Result<LoadedKeyring> {
        let settings = self.settings(self.policy.directory());
        let previous = &self.policy.keys.previous;
        load(primary, previous, self.environment, &settings).with_context(|| {
            format!(
                "the keys of {} (line {}) cannot be used",
                self.policy.origin, self.policy.keys.line
            )
        })
    }

    /// The ids of the keys in `previous`, which no key of a keyring may have.
    pub(crate) fn previous_ids(&self) -> anyhow::Result<Vec<KeyId>> {
        let mut ids = Vec::new();
        for uri in &self.policy.keys.previous {
            let keys = self.source(uri)?.keys(self.environment)?;
            ids.extend(keys.iter().map(Key::id));
        }
        Ok(ids)
    }

    /// Where the keyring is kept, and the root that the policy names.
    pub(crate) fn store(&self) -> anyhow::Result<(Box<dyn KeyringStore>, &'a str)> {
        match &self.policy.keys.primary {
            PrimaryKeys::Source(_) => bail!(no_keyring(self.policy)),
            PrimaryKeys::Keyring { place, root } => match place {
                KeyringPlace::File(path) => Ok((Box::new(self.file(path)), root)),
                KeyringPlace::Database => Ok((Box::new(wait(self.table())?), root)),
            },
        }
    }

    /// The keyring of the policy's database: its name and document.
    async fn in_database(&self) -> anyhow::Result<(String, String)> {
        let table = self.table().await?;
        let text = table.load().await?;
        let text = text.ok_or_else(|| KeyringError::Missing {
            origin: table.name(),
        })?;
        Ok((table.name(), text))
    }

    async fn table(&self) -> anyhow::Result<KeyringTable> {
        let url = database_url(self.policy, self.environment)?;
        Ok(KeyringTable::new(atrest_sql::connect(&url).await?))
    }

    fn file(&self, path: &Path) -> KeyringFile {
        KeyringFile::new(self.policy.directory().join(path)).accept_older(self.accept_older)
    }

    /// A source, named as the policy would name it.
    pub(crate) fn source(&self, uri: &str) -> anyhow::Result<Box<dyn KeySource>> {
        let settings = self.settings(self.policy.directory());
        Ok(source::parse(uri, &settings)?)
    }

    /// The keyring's document as it is stored.
    pub(crate) async fn document(&self) -> anyhow::Result<(Box<dyn KeyringStore>, String)> {
        let (store, _) = self.store()?;
        let text = store.load().await?;
        let text = text.ok_or_else(|| KeyringError::Missing {
            origin: store.name(),
        })?;
        Ok((store, text))
    }

    /// With the keys that subjects need, made where there are none yet.
    pub(crate) async fn with_subjects(&self, opened: &OpenKeyring) -> anyhow::Result<OpenKeyring> {
        let now = Timestamp::now();
        let mut made = None;
        for purpose in [KeyPurpose::Index, KeyPurpose::Subjects] {
            if let Some(change) = made.as_ref().unwrap_or(opened).ensure(purpose, now)? {
                made = Some(self.put(change).await?);
            }
        }
        made.context("the keyring has the keys of subjects already")
    }

    /// Puts a change in its place, to be opened by the policy's own root.
    pub(crate) async fn put(&self, change: NewKeyring) -> anyhow::Result<OpenKeyring> {
        let (store, root) = self.store()?;
        let root = self.source(root)?;
        Ok(change.store(&*store, &*root, self.environment).await?)
    }
}

/// Waits on the command's own runtime, whose threads may block.
fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(future))
}

/// What to say where a keyring is needed and the policy has none.
pub(crate) fn no_keyring(policy: &Policy) -> String {
    format!(
        "{} (line {}) names no keyring; write `keyring = \"atrest.keyring\"` and `root = \"SOURCE\"` into [keys] in place of `primary`, move that to `previous`, and make the keyring with `atrest key init`",
        policy.origin, policy.keys.line
    )
}
