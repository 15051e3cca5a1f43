use std::collections::{BTreeMap, BTreeSet};

use atrest_core::{KeyId, Keyring};
use serde::Serialize;

use super::{ColumnReport, FilesReport, OpenRun};

/// What one key still holds.
#[derive(Debug, Clone, Serialize)]
pub struct KeyUsage {
    /// Key id.
    pub key: String,
    /// "primary", "previous" or "missing".
    pub role: &'static str,
    /// Where it comes from.
    pub source: String,
    /// Values under it, over the columns looked at; `None`: not counted.
    pub values: Option<u64>,
    /// Files under it, over the locations looked at; `None`: not counted.
    pub files: Option<u64>,
    /// It can leave the keyring.
    pub can_retire: Option<bool>,
    /// Why, or why not.
    pub reason: String,
    /// What its keyring says of it.
    #[serde(flatten)]
    pub life: KeyLife,
}

/// What a keyring says of one of its keys; of a direct key nothing is known.
#[derive(Debug, Clone, Default, Serialize)]
pub struct KeyLife {
    /// "active", "decrypt-only" or "destroyed".
    pub state: Option<&'static str>,
    /// "data", "subjects" or "index".
    pub purpose: Option<&'static str>,
    /// When it was made, RFC 3339.
    pub created: Option<String>,
    /// How old it is, in seconds.
    pub age: Option<u64>,
    /// It is active, and older than the policy's `rotate_after`.
    pub due: Option<bool>,
}

impl KeyUsage {
    /// The keys of a keyring, when nothing could be counted.
    #[must_use]
    pub fn uncounted(keyring: &Keyring, origin: &dyn Fn(KeyId) -> String) -> Vec<Self> {
        let usage = |id: KeyId| Self {
            key: id.to_string(),
            role: role(keyring, id),
            source: origin(id),
            values: None,
            files: None,
            can_retire: None,
            reason: "values and files were not counted".to_owned(),
            life: KeyLife::default(),
        };
        keyring.keys().map(|key| usage(key.id())).collect()
    }
}

/// How many values and files each key still holds, over the columns and locations
/// reported on, and whether it can leave the keyring. `origin` says where each key
/// comes from.
#[must_use]
pub fn key_usage(
    keyring: &Keyring,
    columns: &[ColumnReport],
    files: &[FilesReport],
    open_runs: &[OpenRun],
    origin: &dyn Fn(KeyId) -> String,
) -> Vec<KeyUsage> {
    let holds = |key: &str| Held {
        values: sum(columns.iter().filter_map(|c| c.sealed.get(key))),
        files: sum(files.iter().filter_map(|f| f.sealed.get(key))),
    };
    let undecryptable = Held {
        values: columns.iter().map(|c| c.undecryptable).sum(),
        files: files.iter().map(|f| f.undecryptable).sum(),
    };
    // A file that could not be looked at may be sealed under any key.
    let skipped: u64 = files.iter().map(|f| f.skipped).sum();
    let mut usage: Vec<_> = keyring
        .keys()
        .map(|key| {
            let id = key.id();
            let held = holds(&id.to_string());
            let (can_retire, reason) = if role(keyring, id) == "primary" {
                (false, "it encrypts new values".to_owned())
            } else if held.any() {
                (false, format!("{held} need it: run atrest rotate"))
            } else if !open_runs.is_empty() {
                (false, "a run was interrupted: finish it first".to_owned())
            } else if undecryptable.any() {
                let what = format!("{undecryptable} open under no key: see to them first");
                (false, what)
            } else if skipped > 0 {
                let what = format!("{skipped} files could not be looked at: see to them first");
                (false, what)
            } else {
                let what = match files {
                    [] => "no value of these columns needs it",
                    _ => "no value and no file of these needs it",
                };
                (true, format!("{what}; backups written under it still do"))
            };
            KeyUsage {
                key: id.to_string(),
                role: role(keyring, id),
                source: origin(id),
                values: Some(held.values),
                files: Some(held.files),
                can_retire: Some(can_retire),
                reason,
                life: KeyLife::default(),
            }
        })
        .collect();
    let named = columns.iter().map(|c| &c.unknown_keys);
    let named = named.chain(files.iter().map(|f| &f.unknown_keys));
    let missing: BTreeSet<&String> = named.flat_map(BTreeMap::keys).collect();
    usage.extend(missing.into_iter().map(|key| {
        let held = Held {
            values: sum(columns.iter().filter_map(|c| c.unknown_keys.get(key))),
            files: sum(files.iter().filter_map(|f| f.unknown_keys.get(key))),
        };
        KeyUsage {
            key: key.clone(),
            role: "missing",
            source: "not in the keyring".to_owned(),
            values: Some(held.values),
            files: Some(held.files),
            can_retire: None,
            reason: format!("{held} name it and do not open: add it to keys.previous; if it was a subject's own, put the table atrest_keys back that has it"),
            life: KeyLife::default(),
        }
    }));
    usage
}

/// The same, of a part of the columns and files: what of it says that a key can leave
/// the keyring is no proof.
pub fn of_a_part(usage: &mut [KeyUsage]) {
    for key in usage.iter_mut().filter(|key| key.can_retire == Some(true)) {
        key.can_retire = None;
        "nothing that was counted needs it, and not everything was counted"
            .clone_into(&mut key.reason);
    }
}

/// What a key holds.
struct Held {
    values: u64,
    files: u64,
}

impl Held {
    fn any(&self) -> bool {
        self.values + self.files > 0
    }
}

impl std::fmt::Display for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.values, self.files) {
            (values, 0) => write!(f, "{values} values"),
            (0, files) => write!(f, "{files} files"),
            (values, files) => write!(f, "{values} values and {files} files"),
        }
    }
}

fn sum<'a>(counts: impl Iterator<Item = &'a u64>) -> u64 {
    counts.sum()
}

fn role(keyring: &Keyring, id: KeyId) -> &'static str {
    if id == keyring.primary().id() {
        "primary"
    } else {
        "previous"
    }
}
