//! How requests to a source went, for probes and metrics.

use std::time::Duration;

/// How requests to one source went since it was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Health {
    /// Requests that the server answered.
    pub answered: u64,
    /// Requests that failed, each counted once however many attempts it had.
    pub failed: u64,
    /// How long ago the last answer came; `None` before the first.
    pub last_answer: Option<Duration>,
    /// A key is in use that is older than it should be, since the server cannot be
    /// reached: `grace` runs.
    pub stale: bool,
}
