//! Ctrl-C and SIGTERM: the page at hand finishes, then the verb ends; a second one
//! ends the process at once, which harms no row either.

use atrest_engine::observe::Stop;

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

#[cfg(unix)]
async fn signal() {
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
async fn signal() {
    let _ = tokio::signal::ctrl_c().await;
}
