//! The log of a server.

use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::args::Global;

/// On standard error: what the server does, with `-v` more of it. Of the crates
/// beneath it only warnings: nobody has looked whether their chatter holds secrets.
pub(super) fn start(global: &Global) {
    let level = if global.verbose {
        LevelFilter::DEBUG
    } else {
        LevelFilter::INFO
    };
    let filter = Targets::new()
        .with_targets([("atrest", level), ("atrest_server", level)])
        .with_default(LevelFilter::WARN);
    let log = fmt::layer().with_writer(std::io::stderr);
    let log = match global.json {
        true => log.json().boxed(),
        false => log.with_target(false).boxed(),
    };
    // There is no other log in this process yet; if there were, it would do.
    let _ = tracing_subscriber::registry()
        .with(log.with_filter(filter))
        .try_init();
}
