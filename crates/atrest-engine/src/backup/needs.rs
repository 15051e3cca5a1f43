//! Which keys a backup needs: the one that it was written under, and those of the tokens
//! that are in it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use atrest_core::{Context, FieldOpener, Form, KeyId, Keyring, Stored};

use super::{BackupError, BackupReader};
use crate::target::Value;

/// What a backup holds, and what it takes to read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupNeeds {
    /// The keys without which it, or a token in it, does not open.
    pub keys: BTreeSet<KeyId>,
    /// Tokens by the key that they name, where the keyring does not have it: a subject's,
    /// which the database's records tell, or one that is lost.
    pub elsewhere: BTreeMap<KeyId, u64>,
    /// Values that look like tokens, name no key, and open under none of the keyring.
    pub nameless: u64,
    /// Rows, each as often as it stands there.
    pub rows: u64,
    /// Whether its writer closed it.
    pub closed: bool,
}

impl BackupNeeds {
    /// Reads a backup to its end.
    ///
    /// # Errors
    /// As [`BackupReader::open`] and [`BackupReader::next_page`].
    pub fn of(path: &Path, keyring: &Keyring) -> Result<Self, BackupError> {
        let mut reader = BackupReader::open(path, keyring)?;
        let mut needs = Self {
            keys: BTreeSet::from([reader.key()]),
            elsewhere: BTreeMap::new(),
            nameless: 0,
            rows: 0,
            closed: reader.closed(),
        };
        // A token names its key whatever place it belongs to; Fernet binds to none.
        let nowhere = Context::new("");
        let mut opener = FieldOpener::new(keyring);
        let mut clear = zeroize::Zeroizing::new(Vec::new());
        while let Some(page) = reader.next_page()? {
            for (_, value) in &page.rows {
                needs.rows += 1;
                let (form, stored) = match value {
                    // A token that stands for the value itself, whatever its type.
                    Value::Text(token) | Value::Bytes(token) | Value::Number(token)
                        if page.sealed =>
                    {
                        (Form::Bytes, token)
                    }
                    Value::Text(text) => (Form::Text, text),
                    Value::Bytes(bytes) => (Form::Bytes, bytes),
                    _ => continue,
                };
                match opener.read(form, &nowhere, stored, &mut clear) {
                    Stored::Plaintext => {}
                    Stored::Sealed(sealed) => {
                        needs.keys.insert(sealed.key);
                    }
                    Stored::Undecryptable(it) => match it.key {
                        Some(key) => {
                            needs.keys.insert(key);
                            if !it.key_known {
                                *needs.elsewhere.entry(key).or_default() += 1;
                            }
                        }
                        None => needs.nameless += 1,
                    },
                }
            }
        }
        Ok(needs)
    }
}
