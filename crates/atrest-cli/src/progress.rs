//! The engine's events and the files that are done: a bar with counts, rate and time
//! left on a terminal, plain lines every few seconds elsewhere, nothing but notes under
//! `--json`.

use std::collections::HashSet;
use std::io::IsTerminal as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use atrest_engine::observe::{Event, Observer, Phase};
use indicatif::{ProgressBar, ProgressStyle};

use crate::output::{byte_rate, bytes, count, rate};

/// Seconds between two plain lines.
const EVERY: Duration = Duration::from_secs(5);

const ROWS: &str = "{msg} {wide_bar} {human_pos}/{human_len} rows, {per_sec}, {eta} left";
const FILES: &str = "{msg} {wide_bar} {human_pos}/{human_len} files, {prefix}, {eta} left";

/// The observer of a command.
pub(crate) struct Progress {
    face: Face,
    read: AtomicU64,
    changed: AtomicU64,
    pass: Mutex<Pass>,
}

enum Face {
    Bar,
    Lines,
    Quiet,
}

struct Pass {
    title: String,
    total: u64,
    begin: Instant,
    told: Instant,
    bar: Option<ProgressBar>,
    noted: HashSet<String>,
}

impl Progress {
    /// For a terminal or not; quiet under `--json`.
    pub(crate) fn new(json: bool) -> Self {
        let face = if json {
            Face::Quiet
        } else if std::io::stderr().is_terminal() {
            Face::Bar
        } else {
            Face::Lines
        };
        let now = Instant::now();
        Self {
            face,
            read: AtomicU64::new(0),
            changed: AtomicU64::new(0),
            pass: Mutex::new(Pass {
                title: String::new(),
                total: 0,
                begin: now,
                told: now,
                bar: None,
                noted: HashSet::new(),
            }),
        }
    }

    /// Takes the bar of a pass that ended early off the terminal.
    pub(crate) fn clear(&self) {
        let mut pass = self.pass.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bar) = pass.bar.take() {
            bar.finish_and_clear();
        }
    }

    fn begin(&self, column: &str, phase: Phase, rows: u64, resumed: bool) {
        let doing = match phase {
            Phase::Scan => "reading".to_owned(),
            Phase::Change => "changing".to_owned(),
            Phase::Sweep(n) => format!("sweep {n}"),
            Phase::Restore => "following the backup".to_owned(),
        };
        let again = if resumed { ", going on" } else { "" };
        self.start(format!("{column}: {doing}{again}"), rows, ROWS);
    }

    /// A pass over the files of a location begins; `total` counts them, where anybody is
    /// to see how many are left.
    pub(crate) fn files(&self, location: &str, doing: &str, total: impl FnOnce() -> u64) {
        let total = match self.face {
            Face::Quiet => 0,
            Face::Bar | Face::Lines => total(),
        };
        self.start(format!("{location}: {doing}"), total, FILES);
    }

    /// So many files are done, and so many bytes of files were read.
    pub(crate) fn files_at(&self, files: u64, read: u64) {
        if matches!(self.face, Face::Quiet) {
            return;
        }
        let mut pass = self.pass.lock().unwrap_or_else(PoisonError::into_inner);
        let seconds = pass.begin.elapsed().as_secs_f64();
        if let Some(bar) = &pass.bar {
            bar.set_prefix(format!("{}, {}", bytes(read), byte_rate(read, seconds)));
            if files > pass.total {
                bar.set_length(files);
            }
            bar.set_position(files);
        } else if pass.told.elapsed() >= EVERY {
            pass.told = Instant::now();
            eprintln!(
                "{}: {} of {} files, {}, {}",
                pass.title,
                count(files),
                count(pass.total.max(files)),
                bytes(read),
                byte_rate(read, seconds),
            );
        }
    }

    fn start(&self, title: String, total: u64, template: &str) {
        let mut pass = self.pass.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bar) = pass.bar.take() {
            bar.finish_and_clear();
        }
        self.read.store(0, Ordering::Relaxed);
        self.changed.store(0, Ordering::Relaxed);
        pass.title = title;
        pass.total = total;
        pass.begin = Instant::now();
        pass.told = pass.begin;
        if matches!(self.face, Face::Bar) {
            let bar = ProgressBar::new(total);
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style);
            }
            bar.set_message(pass.title.clone());
            pass.bar = Some(bar);
        }
    }

    fn rows(&self, read: u64, changed: u64) {
        let read = self.read.fetch_add(read, Ordering::Relaxed) + read;
        let changed = self.changed.fetch_add(changed, Ordering::Relaxed) + changed;
        if matches!(self.face, Face::Quiet) {
            return;
        }
        let mut pass = self.pass.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bar) = &pass.bar {
            if read > pass.total {
                bar.set_length(read);
            }
            bar.set_position(read);
        } else if pass.told.elapsed() >= EVERY {
            pass.told = Instant::now();
            let seconds = pass.begin.elapsed().as_secs_f64();
            let left = pass.total.saturating_sub(read) as f64 * seconds / read.max(1) as f64;
            eprintln!(
                "{}: {} of {} rows, {} changed, {}, {left:.0} s left",
                pass.title,
                count(read),
                count(pass.total.max(read)),
                count(changed),
                rate(read, seconds),
            );
        }
    }

    /// Says a thing once, for the first column that it is true of.
    fn note(&self, column: &str, text: &str) {
        let mut pass = self.pass.lock().unwrap_or_else(PoisonError::into_inner);
        if !pass.noted.insert(text.to_owned()) {
            return;
        }
        match &pass.bar {
            Some(bar) => bar.suspend(|| eprintln!("note: {column}: {text}")),
            None => eprintln!("note: {column}: {text}"),
        }
    }
}

impl Observer for Progress {
    fn event(&self, event: &Event<'_>) {
        match *event {
            Event::Pass {
                column,
                phase,
                rows,
                resumed,
            } => self.begin(column, phase, rows, resumed),
            Event::Rows { read, changed } => self.rows(read, changed),
            Event::PassEnd => self.clear(),
            Event::Note { column, text } => self.note(column, text),
        }
    }
}
