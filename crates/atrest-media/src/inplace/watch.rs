use std::io::{self, Read, Seek, SeekFrom};
use std::sync::atomic::{AtomicU64, Ordering};

use atrest_engine::observe::Stop;

use super::Options;

/// How far a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Files that are done with.
    pub files: u64,
    /// Bytes that were read.
    pub bytes: u64,
}

/// Counts what is read, and stops when it is told to.
pub(crate) struct Watch<'a> {
    pub(crate) stop: &'a Stop,
    pub(crate) tell: &'a (dyn Fn(Progress) + Sync),
    pub(crate) files: AtomicU64,
    pub(crate) bytes: AtomicU64,
}

impl<'a> Watch<'a> {
    pub(crate) fn new(options: &'a Options<'_>) -> Self {
        Self {
            stop: &options.stop,
            tell: options.progress,
            files: 0.into(),
            bytes: 0.into(),
        }
    }

    pub(crate) fn stopped(&self) -> bool {
        self.stop.requested()
    }

    pub(crate) fn file_done(&self) {
        self.files.fetch_add(1, Ordering::Relaxed);
        self.told();
    }

    pub(crate) fn read(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.told();
    }

    fn told(&self) {
        (self.tell)(Progress {
            files: self.files.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
        });
    }
}

/// A reader that is watched.
pub(crate) struct Watched<'a, R> {
    pub(crate) inner: R,
    pub(crate) watch: &'a Watch<'a>,
}

impl<R: Read> Read for Watched<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.watch.stopped() {
            return Err(io::Error::other("stopped"));
        }
        let read = self.inner.read(buffer)?;
        self.watch.read(read as u64);
        Ok(read)
    }
}

impl<R: Seek> Seek for Watched<'_, R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.inner.seek(to)
    }
}
