//! Ctrl-C and SIGTERM: the page at hand finishes, then the verb ends; a second one
//! ends the process at once, which harms no row either.

use std::path::PathBuf;

use atrest_engine::observe::Stop;
use tokio::task::JoinHandle;

/// A stop that the signals request from now on.
pub(crate) fn on_signals() -> Stop {
    let stop = Stop::default();
    let requested = stop.clone();
    tokio::spawn(async move {
        signal().await;
        eprintln!("stopping after the page at hand; once more: stop at once");
        requested.request();
        signal().await;
        std::process::exit(2);
    });
    stop
}

/// While this lives, a signal removes a file and ends the process.
pub(crate) struct Removing(JoinHandle<()>);

impl Removing {
    /// For a file that must not be left half written.
    pub(crate) fn new(path: PathBuf) -> Self {
        Self(tokio::spawn(async move {
            signal().await;
            // Gone already: it has its final name, and is whole.
            let _ = std::fs::remove_file(path);
            eprintln!("stopped; nothing was left half written");
            std::process::exit(2);
        }))
    }
}

impl Drop for Removing {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Waits for one of the two.
#[cfg(unix)]
pub(crate) async fn signal() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
        }
        Err(_) => {
            let _ = tokio::signal::ctrl_c().await;
        }
    }
}

#[cfg(not(unix))]
pub(crate) async fn signal() {
    let _ = tokio::signal::ctrl_c().await;
}
