//! Requests to one server: within a time limit, tried again where that may help, and
//! counted.

use std::future::Future;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use backon::{ExponentialBuilder, Retryable as _};

use super::Failure;
use crate::{Health, RemoteProblem, Settings};

/// The first pause between two attempts; each next one is twice as long, and each has
/// up to as much again at random.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// Attempts of one request at most.
const ATTEMPTS: usize = 4;

/// Makes requests, and keeps count.
#[derive(Debug)]
pub(crate) struct Calls {
    timeout: Duration,
    counted: Mutex<Counted>,
}

#[derive(Debug, Default)]
struct Counted {
    health: Health,
    last_answer: Option<Instant>,
}

impl Calls {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            timeout: settings.timeout,
            counted: Mutex::default(),
        }
    }

    /// The answer to `request`, which is made again after what may pass.
    ///
    /// Blocks, on a thread and a runtime of its own: the caller may be on a runtime
    /// where nothing may block twice, or in a process that was forked since the last
    /// request. Answers are kept, so that this is rare.
    pub(crate) fn make<T: Send, F>(&self, request: impl Fn() -> F + Send) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let attempts = || async {
            let pauses = ExponentialBuilder::default()
                .with_min_delay(FIRST_PAUSE)
                .with_max_times(ATTEMPTS - 1)
                .with_jitter();
            let mut last = None;
            let again = request
                .retry(pauses)
                .when(|failure: &Failure| failure.problem.is_transient())
                .notify(|failure: &Failure, _| last = Some(failure.clone()));
            match tokio::time::timeout(self.timeout, again).await {
                Ok(answer) => answer,
                // What went wrong says more than that it went on for too long.
                Err(_) => Err(last.unwrap_or_else(|| self.timed_out())),
            }
        };
        let answer = std::thread::scope(|scope| {
            let work = || -> Result<T, Failure> {
                tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                    .map_err(no_runtime)?
                    .block_on(attempts())
            };
            match std::thread::Builder::new().spawn_scoped(scope, work) {
                Ok(thread) => thread.join().unwrap_or_else(|_| {
                    Err(Failure::new(
                        RemoteProblem::Failed,
                        "the client library panicked",
                        "report this as an error of atrest",
                    ))
                }),
                Err(error) => Err(no_runtime(error)),
            }
        });
        self.count(answer.is_ok());
        answer
    }

    fn timed_out(&self) -> Failure {
        Failure::new(
            RemoteProblem::TimedOut,
            format!("after {:?}", self.timeout),
            "check the address, the network and whether the server runs; `timeout` in [keys] says how long to wait",
        )
    }

    fn count(&self, answered: bool) {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        if answered {
            counted.health.answered += 1;
            counted.health.stale = false;
            counted.last_answer = Some(Instant::now());
        } else {
            counted.health.failed += 1;
        }
    }

    /// An old answer is in use.
    pub(crate) fn stale(&self) {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        counted.health.stale = true;
    }

    pub(crate) fn health(&self) -> Health {
        let counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        Health {
            last_answer: counted.last_answer.map(|at| at.elapsed()),
            ..counted.health
        }
    }
}

fn no_runtime(error: std::io::Error) -> Failure {
    Failure::new(
        RemoteProblem::Failed,
        error.to_string(),
        "check the limits of threads and open files of this process",
    )
}
