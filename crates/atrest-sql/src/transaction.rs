//! A transaction on a server: why it failed, and how often and how soon it runs
//! again when the server gave it up for another one (a deadlock's victim, a
//! serialization failure).

use std::time::{Duration, SystemTime};

use atrest_engine::target::{JournalChange, TargetError};

use crate::error::{Place, is_transient};

/// Tries after the first one.
const ATTEMPTS: u32 = 8;

/// Failed in the driver (perhaps worth another try), or for good.
pub(crate) enum Failure {
    Driver(sqlx::Error),
    Final(TargetError),
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        Self::Driver(error)
    }
}

impl From<TargetError> for Failure {
    fn from(error: TargetError) -> Self {
        Self::Final(error)
    }
}

/// Counts the tries of one transaction.
#[derive(Default)]
pub(crate) struct Tries(u32);

impl Tries {
    /// Waits until it may run again.
    ///
    /// # Errors
    /// What `failure`, while `doing` something at `place`, comes to when it may not.
    pub(crate) async fn again(
        &mut self,
        place: &Place,
        doing: impl Into<String>,
        failure: Failure,
    ) -> Result<(), TargetError> {
        match failure {
            Failure::Driver(e) if self.0 < ATTEMPTS && is_transient(&e) => {
                self.0 += 1;
                tokio::time::sleep(pause(self.0)).await;
                Ok(())
            }
            Failure::Driver(e) => Err(place.error(doing, e)),
            Failure::Final(e) => Err(e),
        }
    }
}

/// Before the `n`th try: doubling from 10 ms, with as much chance again, so that
/// two victims do not meet a second time.
pub(crate) fn pause(n: u32) -> Duration {
    let base = 10_u64 << n.min(6);
    let nanos = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |d| d.subsec_nanos());
    Duration::from_millis(base + u64::from(nanos / 1000) % base)
}

/// What a swap of journal records that did not match means.
pub(crate) fn busy(changes: &[JournalChange]) -> Failure {
    let names: Vec<&str> = changes.iter().map(|c| c.name.as_str()).collect();
    Failure::Final(TargetError::Busy {
        what: names.join(", "),
    })
}
