//! The keyring of a policy: its sources read, in order, and checked together.

use std::path::{Path, PathBuf};

use atrest_core::{Key, KeyId, Keyring};

use crate::{Environment, KeySourceError, Settings, Warning, list, source};

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
}

/// Reads the sources of a policy's `[keys]`.
///
/// The first key of `primary` seals; the others of it, and those of `previous`,
/// only open.
///
/// # Errors
/// Anything that is wrong with any source, a primary source that is too weak for
/// new data, or one key in two places.
pub fn load_keyring(
    primary: &str,
    previous: &[String],
    env: &Environment,
    settings: &Settings,
) -> Result<LoadedKeyring, KeySourceError> {
    let mut warnings = Vec::new();
    let mut keys: Vec<(Key, String)> = Vec::new();
    let mut files = Vec::new();
    let uris = std::iter::once(primary).chain(previous.iter().map(String::as_str));
    for (index, uri) in uris.enumerate() {
        let source = source::parse(uri, settings)?;
        match source.weakness() {
            Some(warning) if index == 0 => return Err(KeySourceError::WeakPrimary { warning }),
            weakness => warnings.extend(weakness),
        }
        let found = source.keys(env)?;
        files.extend(source.file().map(Path::to_owned));
        let count = found.len();
        for (index, key) in found.into_iter().enumerate() {
            let origin = list::place(source.name(), index, count);
            refuse_duplicate(&keys, &key, &origin)?;
            keys.push((key, origin));
        }
    }
    let origins: Vec<(KeyId, String)> = keys
        .iter()
        .map(|(key, at)| (key.id(), at.clone()))
        .collect();
    let mut keys = keys.into_iter().map(|(key, _)| key);
    let Some(first) = keys.next() else {
        return Err(KeySourceError::Empty {
            origin: "the primary key source".to_owned(),
        });
    };
    let keyring =
        Keyring::new(first, keys.collect()).map_err(|source| collision(&origins, source))?;
    Ok(LoadedKeyring {
        keyring,
        origins,
        files,
        warnings,
    })
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
