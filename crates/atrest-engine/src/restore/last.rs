//! Which of several entries for one row counts: the one of the highest pass.
//!
//! Only rows of passes above 0 have to be remembered. A run that was interrupted early
//! has as many of them as the table has rows; so the rows are followed a share at a
//! time, and memory does not grow with the table.

use std::collections::hash_map::RandomState;
use std::collections::{BTreeMap, HashMap};
use std::hash::BuildHasher;

use crate::backup::{BackupError, BackupPage, BackupReader};
use crate::target::RowKey;

/// Rows remembered at once: some 50 MB.
const REMEMBERED: u64 = 1_500_000;

/// What a whole backup holds, every frame of it proven.
pub(super) struct Survey {
    /// How many entries each column has.
    pub(super) total: BTreeMap<String, u64>,
    /// Entries of passes above 0.
    later: u64,
    hasher: RandomState,
}

impl Survey {
    pub(super) fn of(reader: &mut BackupReader) -> Result<Self, BackupError> {
        let (mut total, mut later) = (BTreeMap::<String, u64>::new(), 0);
        while let Some(page) = reader.next_page()? {
            let rows = page.rows.len() as u64;
            *total.entry(page.target).or_default() += rows;
            later += if page.pass > 0 { rows } else { 0 };
        }
        Ok(Self {
            total,
            later,
            hasher: RandomState::new(),
        })
    }

    /// All rows, in as few shares as fit in memory; each takes a reader of the file.
    pub(super) fn shares(&self) -> impl Iterator<Item = Share<'_>> {
        self.split(self.later.div_ceil(REMEMBERED).max(1))
    }

    fn split(&self, shares: u64) -> impl Iterator<Item = Share<'_>> {
        (0..shares).map(move |index| Share {
            survey: self,
            index,
            shares,
            last: HashMap::new(),
        })
    }
}

/// Some of the rows, by their keys' hashes.
pub(super) struct Share<'a> {
    survey: &'a Survey,
    index: u64,
    shares: u64,
    /// The last pass of each row that stands in one above 0.
    last: HashMap<u64, u32>,
}

impl Share<'_> {
    /// Learns the last pass of its rows.
    pub(super) fn learn(
        &mut self,
        open: impl FnOnce() -> Result<BackupReader, BackupError>,
    ) -> Result<(), BackupError> {
        if self.survey.later == 0 {
            return Ok(());
        }
        let mut reader = open()?;
        while let Some(page) = reader.next_page()? {
            if page.pass == 0 {
                continue;
            }
            for (key, _) in &page.rows {
                if let Some(hash) = self.hash(&page.target, key) {
                    let last = self.last.entry(hash).or_insert(page.pass);
                    *last = page.pass.max(*last);
                }
            }
        }
        Ok(())
    }

    /// Leaves of a page its own rows whose entry counts; gives how many rows are its
    /// own.
    pub(super) fn keep(&self, page: &mut BackupPage) -> u64 {
        let mut own = 0;
        let BackupPage {
            target, pass, rows, ..
        } = page;
        rows.retain(|(key, _)| {
            let hash = self.hash(target, key);
            own += u64::from(hash.is_some());
            hash.is_some_and(|hash| self.last.get(&hash).is_none_or(|last| last <= pass))
        });
        own
    }

    /// `None`: another share's.
    fn hash(&self, target: &str, key: &RowKey) -> Option<u64> {
        let hash = self.survey.hasher.hash_one((target, key));
        (hash % self.shares == self.index).then_some(hash)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use atrest_core::{Key, Keyring};

    use super::*;
    use crate::backup::{BackupWriter, Origin};
    use crate::target::{KeyValue, Value};

    const TARGETS: [&str; 2] = ["t.v", "u.v"];

    fn ring() -> Keyring {
        Keyring::new(Key::from_bytes([7; 32]), vec![]).unwrap()
    }

    fn open(path: &Path) -> Result<BackupReader, BackupError> {
        BackupReader::open(path, &ring())
    }

    /// A run interrupted early, with sweeps: pass `p` holds the rows from `10 * p` on,
    /// and the passes do not stand in order.
    fn file(path: &Path) {
        let origin = Origin::new("1f", "encrypt", "sqlite:app.db");
        let writer = BackupWriter::create(path, &ring(), origin).unwrap();
        for pass in [0_u32, 2, 1, 3] {
            for target in TARGETS {
                let keys = i128::from(pass) * 10..40;
                let rows: Vec<_> = keys
                    .map(|n| (RowKey(vec![KeyValue::Integer(n)]), Value::Null))
                    .collect();
                let rows: Vec<_> = rows.iter().map(|(k, v)| (k, v)).collect();
                writer.append(target, pass, false, &rows).unwrap();
            }
        }
    }

    #[test]
    fn in_any_number_of_shares_every_row_counts_once_with_its_last_pass() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.backup");
        file(&path);
        let survey = Survey::of(&mut open(&path).unwrap()).unwrap();
        assert_eq!(survey.total, TARGETS.map(|t| (t.to_owned(), 100)).into());
        assert_eq!(survey.later, 120);
        for shares in [1, 2, 3, 50] {
            let (mut kept, mut seen) = (Vec::new(), 0);
            let mut most = 0;
            for mut share in survey.split(shares) {
                share.learn(|| open(&path)).unwrap();
                most = share.last.len().max(most);
                let mut reader = open(&path).unwrap();
                while let Some(mut page) = reader.next_page().unwrap() {
                    seen += share.keep(&mut page);
                    let rows = page.rows.into_iter();
                    kept.extend(rows.map(|(key, _)| (page.target.clone(), key, page.pass)));
                }
            }
            let mut want = Vec::new();
            for (target, n) in TARGETS.iter().flat_map(|t| (0..40).map(move |n| (t, n))) {
                let key = RowKey(vec![KeyValue::Integer(n)]);
                want.push(((*target).to_owned(), key, u32::try_from(n / 10).unwrap()));
            }
            kept.sort_by_key(|row| format!("{row:?}"));
            want.sort_by_key(|row| format!("{row:?}"));
            assert_eq!(kept, want, "{shares} shares");
            assert_eq!(seen, 200);
            assert!(shares < 50 || most < 20, "a share remembers its own rows");
        }
    }

    #[test]
    fn what_is_remembered_at_once_is_bounded() {
        for (later, shares) in [(0, 1), (1, 1), (REMEMBERED, 1), (5_000_000, 4)] {
            let survey = Survey {
                total: BTreeMap::new(),
                later,
                hasher: RandomState::new(),
            };
            assert_eq!(survey.shares().count(), shares, "{later}");
        }
    }
}
