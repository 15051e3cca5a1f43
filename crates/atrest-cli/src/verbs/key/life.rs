//! What a keyring says of its keys, beside what was counted of them.

use std::time::Duration;

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

/// Adds what the keyring says of each key, and the keys that hold no values.
pub(crate) fn add(usage: &mut Vec<KeyUsage>, session: &Session) {
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
            if entry.state == KeyState::Destroyed {
                known.reason = "it was destroyed: they are lost".to_owned();
            }
            known.life = life;
            continue;
        }
        let (role, reason) = match (entry.state, entry.purpose) {
            (KeyState::Destroyed, _) => ("destroyed", "it was destroyed"),
            (state, KeyPurpose::Subjects) => (role(state), "it wraps the keys of data subjects"),
            (state, KeyPurpose::Index) => (role(state), "it makes the tags of data subjects"),
            (state, KeyPurpose::Data) => (role(state), ""),
        };
        usage.push(KeyUsage {
            key: id,
            role,
            source: keyring.origin().to_owned(),
            values: None,
            files: None,
            can_retire: None,
            reason: reason.to_owned(),
            life,
        });
    }
}

fn role(state: KeyState) -> &'static str {
    match state {
        KeyState::Active => "primary",
        _ => "previous",
    }
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
