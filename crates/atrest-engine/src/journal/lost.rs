//! Records under keys that are not at hand: what reads goes on without them.

use std::collections::BTreeSet;

use atrest_core::KeyId;

use super::{Journal, name};
use crate::target::{JournalChange, Record};

/// A record under a key that is not at hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unread {
    name: String,
    mac: String,
    /// The key id that it names.
    pub(super) key: String,
}

impl Unread {
    pub(super) fn new(stored: &Record, key: String) -> Self {
        Self {
            name: stored.name.clone(),
            mac: stored.mac.clone(),
            key,
        }
    }

    /// The column that it is about; of the journal itself, none.
    fn target(&self) -> Option<&str> {
        let (kind, rest) = self.name.split_once(':')?;
        match kind {
            "range" => rest.split_once(':').map(|(_, target)| target),
            _ => Some(rest),
        }
    }
}

/// What the journal has under a key that is not at hand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LostRecords {
    /// The journal's own identity.
    pub identity: bool,
    /// The columns that records are about.
    pub columns: BTreeSet<String>,
    /// The columns of which they say how far a run has come.
    pub runs: BTreeSet<String>,
}

impl LostRecords {
    /// There are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.identity && self.columns.is_empty()
    }
}

impl Journal {
    /// Keys that are not at hand and that records are under.
    #[must_use]
    pub fn lost_keys(&self) -> BTreeSet<&str> {
        self.unread.iter().map(|unread| &*unread.key).collect()
    }

    /// What there is under a key that is not at hand.
    #[must_use]
    pub fn lost(&self, key: KeyId) -> LostRecords {
        let mut lost = LostRecords::default();
        for unread in self.under(key) {
            lost.identity |= unread.name == name::IDENTITY;
            let target = unread.target().map(str::to_owned);
            lost.columns.extend(target.clone());
            if !unread.name.starts_with("column:") {
                lost.runs.extend(target);
            }
        }
        lost
    }

    /// The keys that are not at hand and that records of a column are under.
    pub(crate) fn lost_of(&self, target: &str) -> BTreeSet<&str> {
        let theirs = self.unread.iter();
        let theirs = theirs.filter(|unread| unread.target() == Some(target));
        theirs.map(|unread| &*unread.key).collect()
    }

    /// The changes that remove what is under a key that is not at hand.
    pub(crate) fn without(&self, key: KeyId) -> Vec<JournalChange> {
        let gone = self.under(key).map(|unread| JournalChange {
            name: unread.name.clone(),
            expected: Some(unread.mac.clone()),
            record: None,
        });
        gone.collect()
    }

    fn under(&self, key: KeyId) -> impl Iterator<Item = &Unread> {
        let key = key.to_string();
        self.unread.iter().filter(move |unread| unread.key == key)
    }
}
