//! What a keyring says of its keys, beside what was counted of them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use atrest_core::KeyId;
use atrest_engine::report::{KeyLife, KeyUsage};
use atrest_keys::LoadedKeyring;
use atrest_keys::keyring::{KeyEntry, KeyPurpose, KeyState};
use jiff::Timestamp;

/// Whether a key is active and older than it may become. Indexes are never rotated.
#[must_use]
pub fn is_due(key: &KeyEntry, after: Option<Duration>, now: Timestamp) -> bool {
    key.state == KeyState::Active
        && key.purpose != KeyPurpose::Index
        && after.is_some_and(|after| key.age(now) >= after.as_secs())
}

/// Adds what the keyring says of each key, and the keys that hold no values; with
/// `subjects`, how many of their records each protects ([`Subjects::needed`]). `after` is
/// the policy's `rotate_after`.
///
/// [`Subjects::needed`]: atrest_engine::subjects::Subjects::needed
pub fn add_life(
    usage: &mut Vec<KeyUsage>,
    keys: &LoadedKeyring,
    subjects: Option<&BTreeMap<KeyId, u64>>,
    after: Option<Duration>,
) {
    let Some(keyring) = &keys.opened else {
        return;
    };
    let now = Timestamp::now();
    for entry in keyring.entries() {
        let id = entry.id.to_string();
        let life = KeyLife {
            state: Some(entry.state.name()),
            purpose: Some(entry.purpose.name()),
            created: Some(entry.created.to_string()),
            age: Some(entry.age(now)),
            due: Some(is_due(entry, after, now)),
        };
        if let Some(known) = usage.iter_mut().find(|usage| usage.key == id) {
            let records = subjects.and_then(|subjects| subjects.get(&entry.id));
            if entry.state == KeyState::Destroyed {
                known.reason = "it was destroyed: they are lost".to_owned();
            } else if let (Some(true), Some(records)) = (known.can_retire, records) {
                known.can_retire = Some(false);
                known.reason = protects(*records);
            }
            known.life = life;
            continue;
        }
        let (can_retire, reason) = judged(entry, subjects);
        usage.push(KeyUsage {
            key: id,
            role: role(entry.state),
            source: keyring.origin().to_owned(),
            values: None,
            files: None,
            can_retire,
            reason: reason.into_owned(),
            life,
        });
    }
}

/// Whether a key that holds no values can retire, and why.
fn judged(
    entry: &KeyEntry,
    subjects: Option<&BTreeMap<KeyId, u64>>,
) -> (Option<bool>, Cow<'static, str>) {
    let records = subjects.map(|subjects| subjects.get(&entry.id).copied().unwrap_or(0));
    match (entry.state, entry.purpose, records) {
        (KeyState::Destroyed, ..) => (None, "it was destroyed".into()),
        (_, KeyPurpose::Data, _) => (None, "".into()),
        (_, KeyPurpose::Index, _) => (Some(false), "it makes the tags of data subjects".into()),
        (KeyState::Active, KeyPurpose::Subjects, _) => {
            (Some(false), "it wraps the keys of data subjects".into())
        }
        (KeyState::DecryptOnly, KeyPurpose::Subjects, None) => (
            None,
            "it may wrap keys of data subjects, which were not counted".into(),
        ),
        (KeyState::DecryptOnly, KeyPurpose::Subjects, Some(0)) => (
            Some(true),
            "no key of a data subject needs it; those in older backups of the database do".into(),
        ),
        (KeyState::DecryptOnly, KeyPurpose::Subjects, Some(records)) => {
            (Some(false), protects(records).into())
        }
    }
}

/// What a key holds of subjects' records.
#[must_use]
pub fn protects(records: u64) -> String {
    format!("{records} records of data subjects need it: run atrest rotate")
}

fn role(state: KeyState) -> &'static str {
    match state {
        KeyState::Active => "primary",
        KeyState::DecryptOnly => "previous",
        KeyState::Destroyed => "destroyed",
    }
}
