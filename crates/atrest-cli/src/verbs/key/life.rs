//! What a keyring says of its keys, beside what was counted of them.

use std::time::Duration;

use atrest::policy_keys::{add_life, is_due};
use atrest_engine::report::KeyUsage;
use atrest_keys::keyring::{KeyEntry, OpenKeyring};
use jiff::Timestamp;

use crate::session::Session;

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
    add_life(usage, &session.keys, session.policy.keys.rotate_after);
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
