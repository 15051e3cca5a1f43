//! Bytes of one file: a bar with rate and time left on a terminal, plain lines every
//! few seconds elsewhere.

use std::cell::Cell;
use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::output::bytes;

/// Time between two plain lines.
const EVERY: Duration = Duration::from_secs(5);
const KNOWN: &str =
    "{msg} {wide_bar} {binary_bytes}/{binary_total_bytes}, {binary_bytes_per_sec}, {eta} left";
const UNKNOWN: &str = "{msg} {spinner} {binary_bytes}, {binary_bytes_per_sec}";

/// The progress of one file.
pub(crate) struct ByteProgress {
    title: String,
    total: Option<u64>,
    bar: Option<ProgressBar>,
    quiet: bool,
    begin: Instant,
    told: Cell<Instant>,
}

impl ByteProgress {
    /// Begins; `total` is how many bytes there will be, where that is known.
    pub(crate) fn new(title: String, total: Option<u64>, quiet: bool) -> Self {
        let bar = (!quiet && std::io::stderr().is_terminal()).then(|| {
            let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr());
            let template = if total.is_some() { KNOWN } else { UNKNOWN };
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style);
            }
            bar.with_message(title.clone())
        });
        let now = Instant::now();
        Self {
            title,
            total,
            bar,
            quiet,
            begin: now,
            told: Cell::new(now),
        }
    }

    /// So many bytes are done.
    pub(crate) fn at(&self, done: u64) {
        if let Some(bar) = &self.bar {
            bar.set_position(done);
        } else if !self.quiet && self.told.get().elapsed() >= EVERY {
            self.told.set(Instant::now());
            let seconds = self.begin.elapsed().as_secs_f64();
            let mut text = format!("{}: {}", self.title, bytes(done));
            if let Some(total) = self.total {
                let left = total.saturating_sub(done) as f64 * seconds / done.max(1) as f64;
                text += &format!(" of {}, {left:.0} s left", bytes(total));
            }
            eprintln!("{text}");
        }
    }
}

impl Drop for ByteProgress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
