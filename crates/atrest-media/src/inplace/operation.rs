use atrest_engine::observe::Stop;

use super::Progress;

/// What is done with the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Counts; of a sealed file the beginning and the last chunk are opened.
    /// Nothing is changed.
    Look,
    /// Counts; every chunk of every sealed file is opened. Nothing is changed.
    Verify,
    /// Seals the clear ones under the primary key.
    Encrypt,
    /// Seals anew what is sealed under another key. Clear bytes stay in memory.
    Rotate,
    /// Writes the sealed ones back as clear files.
    Decrypt,
}

impl Operation {
    /// Whether it changes files.
    #[must_use]
    pub const fn changes(self) -> bool {
        matches!(self, Self::Encrypt | Self::Rotate | Self::Decrypt)
    }
}

/// How an operation runs.
pub struct Options<'a> {
    /// Files at work at the same time, at least one.
    pub workers: usize,
    /// Told after each file, and within long ones after each MiB at most; from any
    /// of the workers.
    pub progress: &'a (dyn Fn(Progress) + Sync),
    /// Once asked for, what is under way is given up (its file stays as it was) and the
    /// run ends.
    pub stop: Stop,
}

impl Default for Options<'_> {
    fn default() -> Self {
        Self {
            workers: std::thread::available_parallelism().map_or(1, usize::from),
            progress: &|_| {},
            stop: Stop::default(),
        }
    }
}
