use std::time::Duration;

use crate::MediaError;

/// Told what sealing and opening cost, and what was refused: for metrics.
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering};
/// use std::time::Duration;
/// use atrest_media::Observe;
///
/// #[derive(Default)]
/// struct Totals(AtomicU64);
///
/// impl Observe for Totals {
///     fn opened(&self, bytes: u64, _: Duration) {
///         self.0.fetch_add(bytes, Ordering::Relaxed);
///     }
/// }
/// ```
pub trait Observe: Send + Sync {
    /// A piece of so many clear bytes was sealed; `took` is the time spent in
    /// cryptography alone.
    fn sealed(&self, bytes: u64, took: Duration) {
        let _ = (bytes, took);
    }

    /// A piece of so many clear bytes was opened; `took` as in
    /// [`sealed`](Self::sealed).
    fn opened(&self, bytes: u64, took: Duration) {
        let _ = (bytes, took);
    }

    /// Something was not opened, or not sealed.
    fn refused(&self, error: &MediaError) {
        let _ = error;
    }
}

/// Nobody wants to know.
pub(crate) struct Unobserved;

impl Observe for Unobserved {}
