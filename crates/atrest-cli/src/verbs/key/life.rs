//! What a keyring says of its keys, beside what was counted of them.

use std::collections::BTreeMap;
use std::time::Duration;

use atrest_core::KeyId;
use atrest_engine::report::{KeyLife, KeyUsage};
use atrest_keys::keyring::{KeyEntry, KeyPurpose, KeyState, OpenKeyring};
use jiff::Timestamp;

use crate::session::Session;

/// Whether a key is active and older than it may become. Indexes are never rotated.
pub(crate) fn is_due(key: &KeyEntry, after: Option<Duration>, now: Timestamp) -> bool {
    key.state == KeyState::Active
        && key.purpose != KeyPurpose::Index
        && after.is_some_and(|after| key.age(now) >= after.as_secs())
}

/// The keys that are due.
pub(crate) fn due(
    keyring: &OpenKeyring,
    after: Option<Duration>,
    now: Timestamp,
) -> impl Iterator<Item = &KeyEntry> {
    keyring
        .entries()
        .iter()
        .filter(move |key| is_due(key, after, now))
}

/// Adds what the keyring says of each key, and the keys that hold no values; with
/// `subjects`, how many of their records each protects.
pub(crate) fn add(
    usage: &mut Vec<KeyUsage>,
    subjects: Option<&BTreeMap<KeyId, u64>>,
    session: &Session,
) {
    let Some(keyring) = &session.keys.opened else {
        return;
    };
    let now = Timestamp::now();
    let after = session.policy.keys.rotate_after;
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
        let records = subjects.map(|subjects| subjects.get(&entry.id).copied().unwrap_or(0));
        let (can_retire, reason) = match (entry.state, entry.purpose) {
            (KeyState::Destroyed, _) => (None, "it was destroyed".to_owned()),
            (KeyState::Active, KeyPurpose::Subjects) => (
                Some(false),
                "it wraps the keys of data subjects".to_owned(),
            ),
            (KeyState::DecryptOnly, KeyPurpose::Subjects) => match records {
                None => (None, "it may wrap keys of data subjects: not counted".to_owned()),
                Some(0) => (
                    Some(true),
                    "no subject's key is wrapped by it; in backups of the database from before, they are".to_owned(),
                ),
                Some(records) => (Some(false), protects(records)),
            },
            (_, KeyPurpose::Index) => (
                Some(false),
                "it makes the tags of data subjects".to_owned(),
            ),
            (_, KeyPurpose::Data) => (None, String::new()),
        };
        usage.push(KeyUsage {
            key: id,
            role: role(entry.state),
            source: keyring.origin().to_owned(),
            values: None,
            files: None,
            can_retire,
            reason,
            life,
        });
    }
}

fn role(state: KeyState) -> &'static str {
    match state {
        KeyState::Active => "primary",
        KeyState::DecryptOnly => "previous",
        KeyState::Destroyed => "destroyed",
    }
}

/// What a key holds of subjects' records.
pub(super) fn protects(records: u64) -> String {
    format!("{records} records of data subjects need it: run atrest rotate")
}

/// An age as people say it.
pub(crate) fn age(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}
