use std::fs::{File, TryLockError};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread;

use atrest_core::Keyring;

use super::file::Job;
use super::place::Source;
use super::walk::{Step, walk};
use super::{Folder, FolderError, OldFiles, Operation, Options, Report, Why};
use crate::inplace::{Failure, Watch};

/// Files that were found and that no worker has taken so far: memory does not grow
/// with the number of files.
const WAITING: usize = 256;

/// [`Folder::run`].
pub(super) fn run(
    folder: &Folder,
    operation: Operation,
    old: Option<&OldFiles>,
    keyring: &Keyring,
    options: &Options<'_>,
) -> Result<Report, FolderError> {
    let root = open_root(folder)?;
    if operation.changes() {
        lock_root(folder, &root)?;
    }
    let watch = Watch::new(options);
    let job = Job::new(folder, &root, operation, old, keyring, &watch);
    let report = Mutex::new(Report::default());
    let (found, files) = sync_channel(WAITING);
    let files = Mutex::new(files);
    thread::scope(|scope| {
        for _ in 0..options.workers.max(1) {
            scope.spawn(|| worker(&job, &files, &report));
        }
        for step in walk(folder) {
            if watch.stopped() {
                break;
            }
            match step {
                // The workers end only when this thread has ended the channel.
                Step::File(path) => drop(found.send(path)),
                Step::Temporary(path) => left_over(&job, &path, &mut lock(&report)),
                Step::Skipped(path, why) => {
                    lock(&report).count(name(&path), Err(Failure::Skipped(why)));
                }
            }
        }
        drop(found);
    });
    let mut report = report.into_inner().unwrap_or_else(PoisonError::into_inner);
    report.stopped |= watch.stopped();
    report.sort();
    Ok(report)
}

/// [`Folder::inspect`].
pub(super) fn inspect(
    folder: &Folder,
    path: &Path,
    keyring: &Keyring,
) -> Result<Report, FolderError> {
    let options = Options::default();
    let root = open_root(folder)?;
    let watch = Watch::new(&options);
    let job = Job::new(folder, &root, Operation::Verify, None, keyring, &watch);
    let mut report = Report::default();
    report.count(name(path), job.file(path));
    Ok(report)
}

fn failed(folder: &Folder, source: io::Error) -> FolderError {
    let path = folder.root.clone();
    FolderError::Root { path, source }
}

/// Opens the root.
pub(super) fn open_root(folder: &Folder) -> Result<File, FolderError> {
    let failed = |source| failed(folder, source);
    let root = File::open(&folder.root).map_err(failed)?;
    if !root.metadata().map_err(failed)?.is_dir() {
        return Err(failed(io::ErrorKind::NotADirectory.into()));
    }
    Ok(root)
}

/// Keeps other runs from changing files. The lock goes with the process, however that
/// ends.
pub(super) fn lock_root(folder: &Folder, root: &File) -> Result<(), FolderError> {
    root.try_lock().map_err(|error| match error {
        TryLockError::WouldBlock => FolderError::Busy {
            path: folder.root.clone(),
        },
        TryLockError::Error(source) => failed(folder, source),
    })
}

fn worker(job: &Job<'_>, files: &Mutex<Receiver<PathBuf>>, report: &Mutex<Report>) {
    loop {
        // Waiting for the lock is waiting for a file, too.
        job.idle.fetch_add(1, Ordering::Relaxed);
        let next = lock(files).recv();
        let Ok(path) = next else { return };
        job.idle.fetch_sub(1, Ordering::Relaxed);
        // The channel is emptied even so: the walk waits for room in it.
        if !job.watch.stopped() {
            let done = job.file(&path);
            lock(report).count(name(&path), done);
            job.watch.file_done();
        }
    }
}

/// A killed run's temporary file holds clear bytes if it was decrypting: it goes
/// first thing.
fn left_over(job: &Job<'_>, path: &Path, report: &mut Report) {
    let removed = if job.operation.changes() {
        remove(job, path)
    } else {
        Ok(false)
    };
    match removed {
        Ok(true) => report.removed += 1,
        Ok(false) => report.count(name(path), Err(Failure::Skipped(Why::LeftOver))),
        Err(failure) => report.count(name(path), Err(failure)),
    }
}

fn remove(job: &Job<'_>, path: &Path) -> Result<bool, Failure> {
    let source = Source::open(job.root, path)?;
    source
        .remove_left_over()
        .map_err(Failure::io("removing what a killed run left"))
}

fn name(path: &Path) -> &[u8] {
    path.as_os_str().as_bytes()
}

/// A worker that panicked takes the run with it; until then, what it held is whole.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
