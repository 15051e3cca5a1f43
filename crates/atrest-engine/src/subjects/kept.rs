//! The subjects' keyrings that are in memory.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::Ring;

/// Subjects whose keys are kept at most: some 50 MB.
const MOST: usize = 50_000;

/// How long what is in memory is good without asking again: so long may a process that
/// runs on (`atrest serve`, an application) open what another one has had forgotten.
const GOOD_FOR: Duration = Duration::from_secs(30);

/// Each subject's keyring, with the time at which the database was asked for it.
#[derive(Default)]
pub(super) struct Kept(Mutex<HashMap<String, (Instant, Arc<Ring>)>>);

impl Kept {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, (Instant, Arc<Ring>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The keyring of each of `subjects`, where it is here and still good.
    pub(super) fn get(&self, subjects: &[&str]) -> Vec<Option<Arc<Ring>>> {
        let (now, kept) = (Instant::now(), self.lock());
        // All are looked for before the first is counted: a processor waits for memory for
        // several of them at a time, but counts in order.
        let found: Vec<_> = subjects.iter().map(|subject| kept.get(*subject)).collect();
        let good = |found: Option<&(Instant, Arc<Ring>)>| {
            let (asked, ring) = found?;
            let is_good = now.saturating_duration_since(*asked) < GOOD_FOR;
            is_good.then(|| Arc::clone(ring))
        };
        found.into_iter().map(good).collect()
    }

    /// Keeps the keyring of each of `subjects`, as the database had it when it was `asked`;
    /// what is of a later time stays.
    pub(super) fn put(&self, asked: Instant, subjects: &[&str], rings: &[Arc<Ring>]) {
        let mut kept = self.lock();
        if kept.len() + subjects.len() > MOST {
            kept.clear();
        }
        for (subject, ring) in subjects.iter().zip(rings) {
            let new = (asked, Arc::clone(ring));
            match kept.get_mut(*subject) {
                Some(old) if old.0 > asked => {}
                Some(old) => *old = new,
                None => drop(kept.insert((*subject).to_owned(), new)),
            }
        }
    }

    /// Lets go of one subject's.
    pub(super) fn remove(&self, subject: &str) {
        self.lock().remove(subject);
    }

    /// Lets go of all of them.
    pub(super) fn clear(&self) {
        self.lock().clear();
    }
}
