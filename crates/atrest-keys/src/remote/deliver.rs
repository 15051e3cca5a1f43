//! Secret stores: servers that give the key itself.

use std::fmt;
use std::future::Future;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use atrest_core::Key;
use zeroize::Zeroizing;

use super::Failure;
use super::calls::Calls;
use crate::list::{self, Layout};
use crate::{Environment, Health, KeySource, KeySourceError, Settings};

/// One request for a secret.
pub(crate) trait Deliver: fmt::Debug + Send + Sync {
    /// The source, as its URI names it.
    fn name(&self) -> &str;

    /// The secret's text: a key, or a list of keys.
    fn deliver(
        &self,
        env: &Environment,
    ) -> impl Future<Output = Result<Zeroizing<String>, Failure>>;
}

/// A secret store as a source of keys. What it gave is used for
/// [`Settings::cache`] without asking again, and while the store cannot be reached for
/// [`Settings::grace`] longer. A store that answers *no* is believed at once.
#[derive(Debug)]
pub(crate) struct Delivering<D> {
    pub(super) store: D,
    calls: Calls,
    cache: Duration,
    grace: Duration,
    /// Held during a request: whoever comes meanwhile waits for the same answer.
    kept: Mutex<Option<Kept>>,
}

struct Kept {
    keys: Vec<Key>,
    since: Instant,
}

impl Kept {
    fn keys(&self) -> Vec<Key> {
        let copy = |key: &Key| Key::copied_from(key.expose_secret());
        self.keys.iter().map(copy).collect()
    }
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept").finish_non_exhaustive()
    }
}

impl<D: Deliver> Delivering<D> {
    pub(crate) fn new(store: D, settings: &Settings) -> Self {
        Self {
            store,
            calls: Calls::new(settings),
            cache: settings.cache,
            grace: settings.grace,
            kept: Mutex::new(None),
        }
    }
}

impl<D: Deliver> KeySource for Delivering<D> {
    fn name(&self) -> &str {
        self.store.name()
    }

    fn keys(&self, env: &Environment) -> Result<Vec<Key>, KeySourceError> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kept) = &*kept
            && kept.since.elapsed() < self.cache
        {
            return Ok(kept.keys());
        }
        match self.calls.make(|| self.store.deliver(env)) {
            Ok(secret) => {
                let keys = list::keys(&secret, self.store.name(), Layout::Lines)?;
                let new = Kept {
                    keys,
                    since: Instant::now(),
                };
                Ok(kept.insert(new).keys())
            }
            Err(failure) => match &*kept {
                Some(kept)
                    if failure.problem.is_transient()
                        && kept.since.elapsed() < self.cache + self.grace =>
                {
                    self.calls.stale();
                    Ok(kept.keys())
                }
                _ => {
                    *kept = None;
                    Err(failure.of(self.store.name()))
                }
            },
        }
    }

    fn health(&self) -> Option<Health> {
        Some(self.calls.health())
    }
}
