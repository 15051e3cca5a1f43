//! `--max-rate`: no more than so many rows a second, over all workers.

use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

/// Hands out slots of time; without a rate it never waits.
#[derive(Debug)]
pub(crate) struct Pace {
    per_row: Option<Duration>,
    free_at: Mutex<Instant>,
}

impl Pace {
    pub(crate) fn new(max_rate: Option<u32>) -> Self {
        Self {
            per_row: max_rate
                .filter(|r| *r > 0)
                .map(|r| Duration::from_secs(1) / r),
            free_at: Mutex::new(Instant::now()),
        }
    }

    /// Waits until `rows` more rows may be changed.
    pub(crate) async fn take(&self, rows: usize) {
        let Some(per_row) = self.per_row else { return };
        let start = {
            let mut free_at = self.free_at.lock().await;
            let start = (*free_at).max(Instant::now());
            *free_at = start + per_row * u32::try_from(rows).unwrap_or(u32::MAX);
            start
        };
        tokio::time::sleep_until(start).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_rate_is_kept_over_all_callers() {
        let pace = Pace::new(Some(100));
        let begin = Instant::now();
        for _ in 0..5 {
            pace.take(50).await;
        }
        assert_eq!(
            begin.elapsed().as_secs(),
            2,
            "250 rows at 100 a second: the last 50 start at 2 s"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn no_rate_never_waits() {
        let pace = Pace::new(None);
        let begin = Instant::now();
        pace.take(1_000_000).await;
        assert_eq!(begin.elapsed(), Duration::ZERO);
    }
}
