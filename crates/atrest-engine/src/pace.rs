//! `--max-rate`: no more than so many rows a second, over all workers.

use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::EngineError;
use crate::observe::Stop;

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

    /// Rows that a page of at most `batch` has for each of so many workers: together
    /// about one second's, so that a rate is kept from second to second.
    pub(crate) fn page(&self, batch: usize, workers: usize) -> usize {
        let Some(per_row) = self.per_row else {
            return batch;
        };
        let second = Duration::from_secs(1).as_nanos() / per_row.as_nanos().max(1);
        let share = usize::try_from(second).unwrap_or(usize::MAX) / workers.max(1);
        batch.min(share.max(1))
    }

    /// Waits until `rows` more rows may be changed.
    ///
    /// # Errors
    /// [`EngineError::Interrupted`] when asked to stop meanwhile.
    pub(crate) async fn take(&self, rows: usize, stop: &Stop) -> Result<(), EngineError> {
        let Some(per_row) = self.per_row else {
            return Ok(());
        };
        let start = {
            let mut free_at = self.free_at.lock().await;
            let start = (*free_at).max(Instant::now());
            *free_at = start + per_row * u32::try_from(rows).unwrap_or(u32::MAX);
            start
        };
        tokio::select! {
            biased;
            () = stop.wait() => Err(EngineError::Interrupted),
            () = tokio::time::sleep_until(start) => Ok(()),
        }
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
            pace.take(50, &Stop::default()).await.unwrap();
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
        pace.take(1_000_000, &Stop::default()).await.unwrap();
        assert_eq!(begin.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_is_woken_to_stop() {
        let (pace, stop) = (Pace::new(Some(1)), Stop::default());
        let begin = Instant::now();
        pace.take(3600, &stop).await.unwrap();
        let (woken, ()) = tokio::join!(pace.take(1, &stop), async {
            tokio::time::sleep(Duration::from_secs(2)).await;
            stop.request();
        });
        assert!(matches!(woken, Err(EngineError::Interrupted)));
        assert_eq!(begin.elapsed().as_secs(), 2);
    }

    #[test]
    fn a_page_is_at_most_a_second_of_the_rate() {
        for (rate, workers, want) in [
            (None, 4, 2000),
            (Some(0), 4, 2000),
            (Some(100_000), 4, 2000),
            (Some(500), 1, 500),
            (Some(500), 4, 125),
            (Some(3), 4, 1),
        ] {
            assert_eq!(Pace::new(rate).page(2000, workers), want, "{rate:?}");
        }
    }
}
