//! When keys that a server or a database gave are looked at again: no more often than the
//! policy's `cache` says, as `atrest serve` does. Where nobody answers, the ones before stay
//! for the policy's `grace`; where the answer is *no*, not a moment.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use atrest::{FieldError, Policy};
use atrest_keys::KeySourceError;
use atrest_keys::Settings;
use atrest_keys::keyring::KeyringError;
use pyo3::prelude::*;

use crate::errors;

/// The looks of one `Fields`.
pub(crate) struct Looks {
    cache: Duration,
    grace: Duration,
    state: Mutex<State>,
}

struct State {
    /// When the keys were given for the last time.
    given: Instant,
    /// When they were asked for the last time.
    asked: Instant,
    /// Why they are not to be used any more.
    refused: Option<PyErr>,
}

impl Looks {
    /// The keys were just read.
    pub(crate) fn new(policy: &Policy) -> Self {
        let keys = &policy.keys;
        let settings = Settings::new("").with_times(keys.timeout, keys.cache, keys.grace);
        let now = Instant::now();
        Self {
            cache: settings.cache.max(Duration::from_secs(1)),
            grace: settings.grace,
            state: Mutex::new(State {
                given: now,
                asked: now,
                refused: None,
            }),
        }
    }

    /// Whether to look now, which is then taken as begun; another thread that comes
    /// meanwhile has what the look before said.
    ///
    /// # Errors
    /// Where that was that the keys are not given any more.
    pub(crate) fn begin(&self, py: Python<'_>) -> PyResult<bool> {
        let mut state = self.state();
        if state.asked.elapsed() >= self.cache {
            state.asked = Instant::now();
            return Ok(true);
        }
        match &state.refused {
            Some(error) => Err(error.clone_ref(py)),
            None => Ok(false),
        }
    }

    pub(crate) fn given(&self) {
        let mut state = self.state();
        state.given = Instant::now();
        state.refused = None;
    }

    /// Why they were not given, for the application's log.
    ///
    /// # Errors
    /// The same, once they are not to be used any more.
    pub(crate) fn not_given(&self, py: Python<'_>, error: &FieldError) -> PyResult<String> {
        let mut state = self.state();
        let over = state.given.elapsed() >= self.cache + self.grace;
        let why = errors::field(error);
        match may_answer_later(error) {
            Some(later) if !later || over => {
                state.refused = Some(why.clone_ref(py));
                Err(why)
            }
            _ => Ok(format!(
                "the keys could not be looked at again, and those in force stay: {}",
                why.value(py)
            )),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether who did not give the keys may be asked again; `None`: that was nobody's answer,
/// but a mistake in what was read.
fn may_answer_later(error: &FieldError) -> Option<bool> {
    match error {
        FieldError::Database(_) => Some(true),
        FieldError::Keys(KeySourceError::Document(error))
            if matches!(**error, KeyringError::Store { .. }) =>
        {
            Some(true)
        }
        FieldError::Keys(error) => error.remote().map(|(_, problem)| problem.is_transient()),
        _ => None,
    }
}
