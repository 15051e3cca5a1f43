//! Key management services and HSMs: servers that wrap keys and show none.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use atrest_core::{Context, Key, SecretBytes};
use zeroize::Zeroizing;

use super::Failure;
use super::calls::Calls;
use crate::{Environment, Health, KeySource, KeySourceError, RemoteProblem, Settings};

/// One request to wrap or unwrap.
pub(crate) trait Wrap: fmt::Debug + Send + Sync {
    /// The source, as its URI names it.
    fn name(&self) -> &str;

    /// `key` encrypted by the service, bound to `context` (as additional data, or as
    /// the service does such a thing).
    fn wrap(
        &self,
        key: &[u8; 32],
        context: &[u8],
        env: &Environment,
    ) -> impl Future<Output = Result<Vec<u8>, Failure>>;

    /// What was encrypted.
    fn unwrap(
        &self,
        wrapped: &[u8],
        context: &[u8],
        env: &Environment,
    ) -> impl Future<Output = Result<Zeroizing<Vec<u8>>, Failure>>;
}

/// Unwrapped keys that are kept at most.
const MOST: usize = 64;

/// A service that wraps, as the root of a keyring. A key that it unwrapped is used for
/// [`Settings::cache`] without asking again, and while the service cannot be reached
/// for [`Settings::grace`] longer. A service that answers *no* is believed at once.
#[derive(Debug)]
pub(crate) struct Wrapping<W> {
    pub(super) service: W,
    calls: Calls,
    cache: Duration,
    grace: Duration,
    /// The oldest first. Held during a request: whoever comes meanwhile waits for the
    /// same answer.
    kept: Mutex<VecDeque<Kept>>,
}

struct Kept {
    wrapped: Vec<u8>,
    context: Vec<u8>,
    key: SecretBytes,
    since: Instant,
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept").finish_non_exhaustive()
    }
}

impl<W: Wrap> Wrapping<W> {
    pub(crate) fn new(service: W, settings: &Settings) -> Self {
        Self {
            service,
            calls: Calls::new(settings),
            cache: settings.cache,
            grace: settings.grace,
            kept: Mutex::default(),
        }
    }

    fn ask(&self, wrapped: &[u8], context: &[u8], env: &Environment) -> Result<Key, Failure> {
        let clear = self
            .calls
            .make(|| self.service.unwrap(wrapped, context, env))?;
        let bytes: &[u8; 32] = clear
            .first_chunk()
            .filter(|_| clear.len() == 32)
            .ok_or_else(|| {
                Failure::new(
                    RemoteProblem::Format,
                    format!("{} bytes came back in place of 32", clear.len()),
                    "put a backup of the keyring back: this was not wrapped by atrest",
                )
            })?;
        Ok(Key::copied_from(bytes))
    }
}

impl<W: Wrap> KeySource for Wrapping<W> {
    fn name(&self) -> &str {
        self.service.name()
    }

    fn keys(&self, _: &Environment) -> Result<Vec<Key>, KeySourceError> {
        Err(KeySourceError::WrapsOnly {
            origin: self.name().to_owned(),
        })
    }

    fn delivers(&self) -> bool {
        false
    }

    fn wrap_key(
        &self,
        key: &Key,
        context: &Context,
        env: &Environment,
    ) -> Result<Vec<u8>, KeySourceError> {
        self.calls
            .make(|| {
                self.service
                    .wrap(key.expose_secret(), context.encoded(), env)
            })
            .map_err(|failure| failure.of(self.name()))
    }

    fn unwrap_key(
        &self,
        wrapped: &[u8],
        context: &Context,
        env: &Environment,
    ) -> Result<Key, KeySourceError> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let context = context.encoded();
        let same = |kept: &Kept| kept.wrapped == wrapped && kept.context == context;
        let old = kept.iter().position(same);
        if let Some(kept) = old.and_then(|at| kept.get(at))
            && kept.since.elapsed() < self.cache
        {
            return Ok(Key::copied_from(kept.key.expose_secret()));
        }
        match self.ask(wrapped, context, env) {
            Ok(key) => {
                old.map(|at| kept.remove(at));
                if kept.len() == MOST {
                    kept.pop_front();
                }
                kept.push_back(Kept {
                    wrapped: wrapped.to_owned(),
                    context: context.to_owned(),
                    key: SecretBytes::copied_from(key.expose_secret()),
                    since: Instant::now(),
                });
                Ok(key)
            }
            Err(failure) => {
                let usable = |kept: &&Kept| {
                    failure.problem.is_transient() && kept.since.elapsed() < self.cache + self.grace
                };
                if let Some(kept) = old.and_then(|at| kept.get(at)).filter(usable) {
                    self.calls.stale();
                    return Ok(Key::copied_from(kept.key.expose_secret()));
                }
                old.map(|at| kept.remove(at));
                Err(failure.of(self.name()))
            }
        }
    }

    fn health(&self) -> Option<Health> {
        Some(self.calls.health())
    }
}
