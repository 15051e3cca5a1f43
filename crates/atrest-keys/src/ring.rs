//! The keyring of a policy: its sources read, in order, and checked together.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use atrest_core::{Key, KeyId, Keyring};

use crate::keyring::{KeyringError, KeyringFile, KeyringStore as _, OpenKeyring};
use crate::{
    Environment, Health, KeySource, KeySourceError, Settings, Stamp, Warning, list, source,
};

/// A keyring, and where each key of it stands.
#[derive(Debug, Clone)]
pub struct LoadedKeyring {
    /// The keys, the primary first.
    pub keyring: Keyring,
    /// Each key's variable or file, in the keyring's order.
    pub origins: Vec<(KeyId, String)>,
    /// The files that hold the secrets.
    pub files: Vec<PathBuf>,
    /// What deserves a word, although it is accepted.
    pub warnings: Vec<Warning>,
    /// The keyring that the first keys are from; none with a direct primary key.
    pub opened: Option<Arc<OpenKeyring>>,
    /// How the files behind the sources, and a keyring file, looked before they were
    /// read.
    pub stamps: Vec<Stamp>,
    /// How the requests went that this took, by source; empty where no server was asked.
    pub requests: Vec<(String, Health)>,
}

impl LoadedKeyring {
    /// Whether a file behind the sources has changed since: time to load the keyring
    /// anew. A look at the names of files, cheap enough for every few seconds; nothing
    /// is read. Of a keyring in a database it does not know.
    ///
    /// A keyring that does not load (a file half written, a mistake in it) leaves this
    /// one in force, and this answers *yes* until one loads.
    #[must_use]
    pub fn changed(&self) -> bool {
        !self.stamps.iter().all(Stamp::is_current)
    }

    /// Whether the other has the same keys, of a keyring those of subjects and the
    /// tombstones, too.
    #[must_use]
    pub fn has_the_keys_of(&self, other: &Self) -> bool {
        let of = |loaded: &Self| -> (Vec<KeyId>, Option<u64>) {
            let ids = loaded.keyring.keys().map(Key::id).collect();
            let generation = loaded.opened.as_ref().map(|it| it.generation());
            (ids, generation)
        };
        of(self) == of(other)
    }
}

/// Where the keys that seal are.
#[derive(Debug, Clone, Copy)]
pub enum Primary<'a> {
    /// In a source: the first of its keys seals.
    Source(&'a str),
    /// In a keyring file, which this root opens.
    File {
        /// The file.
        file: &'a KeyringFile,
        /// The root's URI.
        root: &'a str,
    },
    /// In a keyring whose key recovery shares gave.
    Recovered {
        /// Its document.
        text: &'a str,
        /// What messages call it.
        origin: &'a str,
        /// The keyring key.
        key: &'a Key,
    },
    /// In a keyring that was loaded from elsewhere, which this root opens.
    Text {
        /// Its document.
        text: &'a str,
        /// What messages call it.
        origin: &'a str,
        /// The root's URI.
        root: &'a str,
    },
}

/// Reads the sources of a policy's `[keys]` without a keyring.
///
/// The first key of `primary` seals; the others of it, and those of `previous`,
/// only open.
///
/// # Errors
/// As [`load`].
pub fn load_keyring(
    primary: &str,
    previous: &[String],
    env: &Environment,
    settings: &Settings,
) -> Result<LoadedKeyring, KeySourceError> {
    load(Primary::Source(primary), previous, env, settings)
}

/// Reads the keys of a policy's `[keys]`: of `primary` the first seals, all others and
/// those of `previous` only open.
///
/// # Errors
/// Anything that is wrong with any source or with the keyring, a primary source or root
/// that is too weak for new data, or one key in two places.
pub fn load(
    primary: Primary<'_>,
    previous: &[String],
    env: &Environment,
    settings: &Settings,
) -> Result<LoadedKeyring, KeySourceError> {
    let mut found = Found::default();
    let opened = match primary {
        Primary::Source(uri) => {
            found.add(uri, true, env, settings)?;
            None
        }
        Primary::File { file, root } => {
            found.stamps.push(Stamp::of(file.path()));
            let text = file.read().map_err(Box::new)?;
            let text = text.ok_or_else(|| {
                Box::new(KeyringError::Missing {
                    origin: file.name(),
                })
            })?;
            let newest = file.newest().map_err(Box::new)?;
            let opened = found.open(&text, &file.name(), root, env, settings)?;
            found.files.extend(file.files().map_err(Box::new)?);
            Some(opened.above(newest))
        }
        Primary::Recovered { text, origin, key } => {
            let key = Key::copied_from(key.expose_secret());
            let opened = OpenKeyring::open_with(text, origin, key).map_err(Box::new)?;
            found.push_all(&opened)?;
            Some(opened)
        }
        Primary::Text { text, origin, root } => {
            Some(found.open(text, origin, root, env, settings)?)
        }
    };
    for uri in previous {
        found.add(uri, false, env, settings)?;
    }
    found.finish(opened)
}

/// What was read so far.
#[derive(Default)]
struct Found {
    keys: Vec<(Key, String)>,
    files: Vec<PathBuf>,
    warnings: Vec<Warning>,
    stamps: Vec<Stamp>,
    requests: Vec<(String, Health)>,
}

impl Found {
    /// The keys of a source.
    fn add(
        &mut self,
        uri: &str,
        primary: bool,
        env: &Environment,
        settings: &Settings,
    ) -> Result<(), KeySourceError> {
        let source = source::parse(uri, settings)?;
        match source.weakness() {
            Some(warning) if primary => return Err(KeySourceError::WeakPrimary { warning }),
            weakness => self.warnings.extend(weakness),
        }
        self.stamps.extend(source.stamp());
        let keys = source.keys(env)?;
        self.asked(&*source);
        self.files.extend(source.file().map(Path::to_owned));
        let count = keys.len();
        for (index, key) in keys.into_iter().enumerate() {
            self.push(key, list::place(source.name(), index, count))?;
        }
        Ok(())
    }

    /// The keys of a keyring.
    fn open(
        &mut self,
        text: &str,
        origin: &str,
        root: &str,
        env: &Environment,
        settings: &Settings,
    ) -> Result<OpenKeyring, KeySourceError> {
        let source = source::parse(root, settings)?;
        if let Some(warning) = source.weakness() {
            return Err(KeySourceError::WeakPrimary { warning });
        }
        self.stamps.extend(source.stamp());
        let opened = OpenKeyring::open(text, origin, &*source, root, env).map_err(Box::new)?;
        self.asked(&*source);
        self.files.extend(source.file().map(Path::to_owned));
        self.push_all(&opened)?;
        Ok(opened)
    }

    fn asked(&mut self, source: &dyn KeySource) {
        let health = source.health();
        self.requests
            .extend(health.map(|health| (source.name().to_owned(), health)));
    }

    fn push_all(&mut self, opened: &OpenKeyring) -> Result<(), KeySourceError> {
        for key in opened.data().keys() {
            let origin = opened.origin().to_owned();
            self.push(Key::copied_from(key.expose_secret()), origin)?;
        }
        Ok(())
    }

    fn push(&mut self, key: Key, origin: String) -> Result<(), KeySourceError> {
        refuse_duplicate(&self.keys, &key, &origin)?;
        self.keys.push((key, origin));
        Ok(())
    }

    fn finish(self, opened: Option<OpenKeyring>) -> Result<LoadedKeyring, KeySourceError> {
        let origins: Vec<(KeyId, String)> = self
            .keys
            .iter()
            .map(|(key, at)| (key.id(), at.clone()))
            .collect();
        let mut keys = self.keys.into_iter().map(|(key, _)| key);
        let Some(first) = keys.next() else {
            return Err(KeySourceError::Empty {
                origin: "the primary key source".to_owned(),
            });
        };
        let keyring =
            Keyring::new(first, keys.collect()).map_err(|source| collision(&origins, source))?;
        let ids = origins.iter().map(|(id, _)| *id);
        let opened = opened.map(|opened| Arc::new(opened.avoiding(ids)));
        Ok(LoadedKeyring {
            keyring,
            origins,
            files: self.files,
            warnings: self.warnings,
            opened,
            stamps: self.stamps,
            requests: self.requests,
        })
    }
}

fn refuse_duplicate(keys: &[(Key, String)], key: &Key, origin: &str) -> Result<(), KeySourceError> {
    // Whether two keys are equal is no secret: the answer is printed.
    match keys
        .iter()
        .find(|(before, _)| before.expose_secret() == key.expose_secret())
    {
        Some((_, first)) => Err(KeySourceError::Duplicate {
            first: first.clone(),
            second: origin.to_owned(),
            id: key.id(),
        }),
        None => Ok(()),
    }
}

/// Names the two places whose keys share an id.
fn collision(origins: &[(KeyId, String)], source: atrest_core::KeyringError) -> KeySourceError {
    let atrest_core::KeyringError::DuplicateId { id, .. } = source;
    let mut places = origins
        .iter()
        .filter(|(other, _)| *other == id)
        .map(|(_, at)| at.clone());
    let first = places.next().unwrap_or_default();
    KeySourceError::Keyring {
        first,
        second: places.next().unwrap_or_default(),
        source,
    }
}
