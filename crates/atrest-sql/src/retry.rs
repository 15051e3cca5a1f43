//! How often and how soon a transaction runs again that the server gave up for
//! another one (a deadlock's victim, a serialization failure).

use std::time::{Duration, SystemTime};

/// Tries after the first one.
pub(crate) const ATTEMPTS: u32 = 8;

/// Before the `n`th try: doubling from 10 ms, with as much chance again, so that
/// two victims do not meet a second time.
pub(crate) fn pause(n: u32) -> Duration {
    let base = 10_u64 << n.min(6);
    let nanos = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |d| d.subsec_nanos());
    Duration::from_millis(base + u64::from(nanos / 1000) % base)
}
