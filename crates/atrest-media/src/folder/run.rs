use std::fs::{File, TryLockError};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::file::Job;
use super::place::Source;
use super::walk::{Step, walk};
use super::{Folder, FolderError, OldFiles, Operation, Options, Report, Why};
use crate::Keys;
use crate::failpoints::{Point, reached};
use crate::inplace::{Failure, Foreign, HEADER, Watch};
use crate::keyrings::{BATCH, FileKeys};
use crate::pieces::read_full;

/// Files that were found and that no worker has taken so far: memory does not grow
/// with the number of files.
const WAITING: usize = 256;
/// Files that are looked at at least before the first is sealed.
const PROBED: usize = 1000;

/// [`Folder::run`].
pub(super) fn run(
    folder: &Folder,
    operation: Operation,
    old: Option<&OldFiles>,
    keys: &Keys,
    options: &Options<'_>,
) -> Result<Report, FolderError> {
    let root = open_root(folder)?;
    if operation.changes() {
        lock_root(folder, &root)?;
    }
    let watch = Watch::new(options);
    if operation.changes() && keys.by_name() {
        prove(folder, keys, &watch)?;
    } else if operation == Operation::Encrypt {
        probe(folder, &root, keys, &watch)?;
    }
    let job = Job::new(folder, &root, operation, old, keys, &watch);
    let run = Run {
        job: &job,
        workers: options.workers.max(1),
        report: Mutex::default(),
        without: Mutex::default(),
    };
    let mut steps = walk(folder).peekable();
    while !watch.stopped() && steps.peek().is_some() {
        run.work(|| run.next(&mut steps))?;
        // Files of subjects that had no key to seal them under.
        let due = std::mem::take(&mut *lock(&run.without));
        let mut due = Some(due).filter(|due| !due.is_empty());
        run.work(|| {
            due.take()
                .map_or(Ok(Vec::new()), |due| with_keys(keys, due, true))
        })?;
        for path in std::mem::take(&mut *lock(&run.without)) {
            lock(&run.report).count(name(&path), Err(Failure::NeedsKey));
        }
    }
    let mut report = run
        .report
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    report.stopped |= watch.stopped();
    report.sort();
    Ok(report)
}

/// Asks for the keys of every name, so that a record of keys that is not to be trusted
/// is found before anything is changed.
fn prove(folder: &Folder, keys: &Keys, watch: &Watch<'_>) -> Result<(), FolderError> {
    let files = walk(folder).filter_map(|step| match step {
        Step::File(path) => Some(path),
        Step::Temporary(_) | Step::Skipped(..) => None,
    });
    let mut files = files.peekable();
    while !watch.stopped() && files.peek().is_some() {
        with_keys(keys, files.by_ref().take(BATCH).collect(), false)?;
    }
    Ok(())
}

/// Looks at the first files, before anything is sealed: under a wrong key those that are
/// sealed would be left alone, and the others be sealed under it. A run goes on in the same
/// order, so where one was before, what it sealed comes first.
fn probe(folder: &Folder, root: &File, keys: &Keys, watch: &Watch<'_>) -> Result<(), FolderError> {
    let keys = keys.wait_one(b"", false)?;
    let files = walk(folder).filter_map(|step| match step {
        Step::File(path) => Some(path),
        Step::Temporary(_) | Step::Skipped(..) => None,
    });
    let mut foreign = Foreign::default();
    for (n, path) in files.enumerate() {
        if watch.stopped() {
            return Ok(());
        }
        // With a stranger among them, all are looked at.
        if n >= PROBED && foreign.found().is_none() {
            break;
        }
        // What cannot be read, the run tells of.
        let mut start = [0; HEADER];
        let read = Source::open(root, &path)
            .ok()
            .and_then(|source| read_full(&mut &source.file, &mut start).ok());
        if foreign.is_own(&start[..read.unwrap_or(0)], keys.keyring()) {
            return Ok(());
        }
    }
    match foreign.found() {
        None => Ok(()),
        Some((key, count)) => {
            let path = folder.root.clone();
            Err(FolderError::WrongKeys { path, key, count })
        }
    }
}

/// A file and its keys.
type Keyed = (PathBuf, FileKeys);

/// The keys of all of them, in one request.
pub(super) fn with_keys(
    keys: &Keys,
    paths: Vec<PathBuf>,
    make: bool,
) -> Result<Vec<Keyed>, FolderError> {
    let names: Vec<&[u8]> = paths.iter().map(|path| name(path)).collect();
    let found = keys.wait_many(&names, make)?;
    if make {
        reached(Point::KeysMade);
    }
    Ok(paths.into_iter().zip(found).collect())
}

/// A run under way.
struct Run<'a> {
    job: &'a Job<'a>,
    workers: usize,
    report: Mutex<Report>,
    /// Files that are due and whose subject has no key.
    without: Mutex<Vec<PathBuf>>,
}

impl Run<'_> {
    /// Lets workers do with all files that `next` gives, until it gives none.
    fn work(
        &self,
        mut next: impl FnMut() -> Result<Vec<Keyed>, FolderError>,
    ) -> Result<(), FolderError> {
        let first = next()?;
        if first.is_empty() {
            return Ok(());
        }
        let (found, files) = sync_channel(WAITING);
        let files = Mutex::new(files);
        thread::scope(|scope| {
            for _ in 0..self.workers {
                scope.spawn(|| self.worker(&files));
            }
            let mut batch = Ok(first);
            let done = loop {
                match batch {
                    Ok(files) if files.is_empty() => break Ok(()),
                    // The workers end only when this thread has ended the channel.
                    Ok(files) => files.into_iter().for_each(|file| drop(found.send(file))),
                    Err(error) => break Err(error),
                }
                batch = next();
            };
            drop(found);
            done
        })
    }

    /// The next files with their keys; none at the end, or when keys are to be made.
    fn next(&self, steps: &mut impl Iterator<Item = Step>) -> Result<Vec<Keyed>, FolderError> {
        let mut paths = Vec::new();
        while paths.is_empty() && lock(&self.without).len() < BATCH {
            let mut met = 0;
            for step in steps.by_ref().take(BATCH) {
                met += 1;
                if self.job.watch.stopped() {
                    return Ok(Vec::new());
                }
                match step {
                    Step::File(path) => paths.push(path),
                    Step::Temporary(path) => left_over(self.job, &path, &mut lock(&self.report)),
                    Step::Skipped(path, why) => {
                        lock(&self.report).count(name(&path), Err(Failure::Skipped(why)));
                    }
                }
            }
            if met == 0 {
                break;
            }
        }
        with_keys(self.job.keys, paths, false)
    }

    fn worker(&self, files: &Mutex<Receiver<Keyed>>) {
        let job = self.job;
        loop {
            // Waiting for the lock is waiting for a file, too.
            job.idle.fetch_add(1, Ordering::Relaxed);
            let next = lock(files).recv();
            let Ok((path, keys)) = next else { return };
            job.idle.fetch_sub(1, Ordering::Relaxed);
            // The channel is emptied even so: the walk waits for room in it.
            if job.watch.stopped() {
                continue;
            }
            match job.file(&path, &keys) {
                Err(Failure::NeedsKey) => lock(&self.without).push(path),
                done => {
                    let nobodys = done.is_ok() && is_nobodys(job.keys, &keys);
                    let mut report = lock(&self.report);
                    report.nobodys += u64::from(nobodys);
                    report.count(name(&path), done);
                    drop(report);
                    job.watch.file_done();
                }
            }
        }
    }
}

/// Whether a file is nobody's where others are somebody's.
fn is_nobodys(all: &Keys, keys: &FileKeys) -> bool {
    all.by_name() && matches!(keys, FileKeys::Shared(_))
}

/// [`Folder::inspect`].
pub(super) fn inspect(folder: &Folder, path: &Path, keys: &Keys) -> Result<Report, FolderError> {
    let options = Options::default();
    let root = open_root(folder)?;
    let watch = Watch::new(&options);
    let job = Job::new(folder, &root, Operation::Verify, None, keys, &watch);
    let mut report = Report::default();
    let of_file = keys.wait_one(name(path), false)?;
    let done = job.file(path, &of_file);
    report.only_key = done.as_ref().ok().and_then(|done| done.key);
    report.count(name(path), done);
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

/// How long a lock may outlive its run: a process that is being started has all open
/// files of the one that starts it, until it becomes another program.
const LINGERING: Duration = Duration::from_millis(500);

/// Keeps other runs from changing files. The lock goes with the process, however that
/// ends.
pub(super) fn lock_root(folder: &Folder, root: &File) -> Result<(), FolderError> {
    let begin = Instant::now();
    loop {
        match root.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::Error(source)) => return Err(failed(folder, source)),
            Err(TryLockError::WouldBlock) if begin.elapsed() < LINGERING => {
                thread::sleep(LINGERING / 20);
            }
            Err(TryLockError::WouldBlock) => {
                let path = folder.root.clone();
                return Err(FolderError::Busy { path });
            }
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
