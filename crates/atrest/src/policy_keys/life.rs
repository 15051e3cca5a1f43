//! What a keyring says of its keys, beside what was counted of them.

use std::time::Duration;

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

/// Adds what the keyring says of each key, and the keys that hold no values; `after` is
/// the policy's `rotate_after`.
pub fn add_life(usage: &mut Vec<KeyUsage>, keys: &LoadedKeyring, after: Option<Duration>) {
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
