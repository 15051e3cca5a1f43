//! How the keys of a server that runs become others: read again when it is told to
//! (SIGHUP), when a file behind them changed, and from time to time when a server of keys
//! or a database has them. What such a server does not give any more is let go of.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use atrest::policy_keys::PolicyKeysError;
use atrest_keys::keyring::KeyringError;
use atrest_keys::{KeySourceError, Settings};
use atrest_server::Switch;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::keys::{InForce, Keys, Served};

/// How often files are looked at.
const LOOK: Duration = Duration::from_secs(5);
/// How long a file that changed and could not be used is left alone.
const AGAIN: Duration = Duration::from_secs(60);

/// Why the keys are read again.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Why {
    Told,
    Changed,
    Old,
}

/// How old what was read may become.
struct Times {
    /// When all of it was read for the last time.
    read: Instant,
    /// When that was tried for the last time.
    tried: Instant,
    cache: Duration,
    grace: Duration,
}

impl Times {
    fn of(settings: &Settings) -> Self {
        let now = Instant::now();
        Self {
            read: now,
            tried: now,
            cache: settings.cache.max(Duration::from_secs(1)),
            grace: settings.grace,
        }
    }

    /// What was read may not be used any more, if nothing better comes.
    fn are_over(&self) -> bool {
        self.read.elapsed() >= self.cache + self.grace
    }
}

/// The signal; until it is listened to, it ends the process.
pub(super) fn hangup() -> anyhow::Result<Signal> {
    signal(SignalKind::hangup()).context("cannot listen to SIGHUP")
}

impl Served<'_> {
    /// Reads the keys again, for ever. What cannot be used leaves those in force that are,
    /// but for those that their server says it will not give, or has not given for `grace`.
    pub(super) async fn follow(
        self,
        mut hangup: Signal,
        in_force: &InForce,
        switch: &Switch,
    ) -> Infallible {
        let directory = self.session.policy.directory();
        let mut times = Times::of(&self.session.policy_keys().settings(directory));
        let mut open = true;
        self.answered(&in_force.now());
        loop {
            let why = self.why(&mut hangup, &in_force.now(), &times).await;
            times.tried = Instant::now();
            // Reading files, asking servers and deriving keys takes a moment.
            let read = tokio::task::block_in_place(|| self.again(in_force));
            self.metrics.keys_read(read.is_ok());
            match read {
                Ok(keys) => {
                    times.read = Instant::now();
                    self.answered(&keys);
                    let same = keys.loaded.has_the_keys_of(&in_force.now().loaded);
                    if open && why == Why::Old && same {
                        continue;
                    }
                    self.tell(&in_force.now(), false);
                    switch.put(self.store(&keys));
                    open = true;
                    let (primary, count) =
                        (keys.keyring.primary().id(), keys.keyring.keys().count());
                    in_force.put(Arc::new(keys));
                    tracing::info!(%primary, keys = count, "the keys were read again");
                }
                Err(error) => {
                    let unanswered = unanswered(&error);
                    if let Some((source, _)) = &unanswered {
                        self.metrics.key_source(source, false);
                    }
                    let over = unanswered.is_some_and(|(_, again)| !again || times.are_over());
                    let why = format!("{error:#}");
                    if open && over {
                        switch.close();
                        open = false;
                        tracing::error!(
                            why,
                            "the keys are not given any more: every request for an object is refused until they are"
                        );
                    } else if open {
                        tracing::error!(
                            why,
                            "the keys could not be read again, and those in force stay"
                        );
                    } else {
                        tracing::error!(
                            why,
                            "the keys could not be read again: every request for an object is still refused"
                        );
                    }
                }
            }
        }
    }

    /// The metrics of what was asked for these keys.
    fn answered(&self, keys: &Keys) {
        for (source, health) in &keys.loaded.requests {
            self.metrics.key_source(source, health.failed == 0);
        }
        if self.session.policy.keys.in_database() {
            self.metrics.key_source(&"the database", true);
        }
    }

    /// Waits until the keys are to be read again.
    async fn why(&self, hangup: &mut Signal, keys: &Keys, times: &Times) -> Why {
        let asked = self.session.policy.keys.in_database() || !keys.loaded.requests.is_empty();
        loop {
            let old = times.cache.saturating_sub(times.tried.elapsed());
            let wait = if asked { LOOK.min(old) } else { LOOK };
            tokio::select! {
                told = hangup.recv() => match told {
                    Some(()) => return Why::Told,
                    // No signal will come any more.
                    None => tokio::time::sleep(LOOK).await,
                },
                () = tokio::time::sleep(wait) => {}
            }
            let failed = times.tried > times.read;
            if keys.loaded.changed() && !(failed && times.tried.elapsed() < AGAIN) {
                return Why::Changed;
            }
            if asked && times.tried.elapsed() >= times.cache {
                return Why::Old;
            }
        }
    }
}

/// What did not give the keys, and whether it said so: it may be asked again.
fn unanswered(error: &anyhow::Error) -> Option<(String, bool)> {
    for cause in error.chain() {
        if let Some(error) = cause.downcast_ref::<KeySourceError>()
            && let Some((source, problem)) = error.remote()
        {
            return Some((source.to_owned(), problem.is_transient()));
        }
        // A keyring in the database, which cannot be asked.
        if let Some(PolicyKeysError::Database(_)) = cause.downcast_ref() {
            return Some(("the database".to_owned(), true));
        }
        if let Some(KeyringError::Store { .. }) = cause.downcast_ref() {
            return Some(("the database".to_owned(), true));
        }
    }
    None
}
