//! One file: what it is, and what becomes of it.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::attributes::carry_over;
use super::place::Source;
use super::state::{State, look};
use super::temporary::Temporary;
use super::{Folder, OldFiles, Operation, Why};
use crate::failpoints::{Point, reached};
use crate::inplace::{Done, Failure, KEEPING, Left, Original, Watch, Watched, sealing};
use crate::keyrings::{FileKeys, ToSeal};
use crate::{Keys, ObjectReader, OldReader};

/// Bytes from which a file is worth several threads.
const LARGE: u64 = 32 << 20;
/// Bytes of an original that are copied at once.
const PIECE: usize = 256 * 1024;

/// What all files of a run share.
pub(super) struct Job<'a> {
    folder: &'a Folder,
    pub(super) root: &'a File,
    pub(super) operation: Operation,
    old: Option<&'a OldFiles>,
    pub(super) keys: &'a Keys,
    pub(super) watch: &'a Watch<'a>,
    /// Workers that have no file.
    pub(super) idle: AtomicUsize,
}

/// One file of a run.
#[derive(Clone, Copy)]
struct One<'f> {
    source: &'f Source,
    path: &'f Path,
    id: &'f [u8],
    keys: &'f FileKeys,
}

impl<'a> Job<'a> {
    pub(super) fn new(
        folder: &'a Folder,
        root: &'a File,
        operation: Operation,
        old: Option<&'a OldFiles>,
        keys: &'a Keys,
        watch: &'a Watch<'a>,
    ) -> Self {
        Self {
            folder,
            root,
            operation,
            old,
            keys,
            watch,
            idle: 0.into(),
        }
    }

    /// Does the operation with the file at a path below the root, whose keys these are.
    pub(super) fn file(&self, path: &Path, keys: &FileKeys) -> Result<Done, Failure> {
        let source = Source::open(self.root, path)?;
        let id = self.folder.bind.logical_id(path.as_os_str().as_bytes());
        if self.folder.kept.holds(path, &source.about) {
            return Err(Failure::Skipped(Why::Kept));
        }
        if source.about.len() == 0 && is_upload(path) {
            return Err(Failure::Skipped(Why::Upload));
        }
        let mut one = One {
            source: &source,
            path,
            id,
            keys,
        };
        let mut done = self.one(one);
        // Another process may have made it a key since its keys were asked for.
        let newer;
        if let Err(Failure::Object(error)) = &done
            && keys.may_lack(error)
        {
            let asked = self.keys.wait_again(path.as_os_str().as_bytes());
            newer = asked.map_err(|error| Failure::Skipped(Why::Failed(error.to_string())))?;
            one.keys = &newer;
            done = self.one(one);
        }
        // Whatever failed, it did because of the stop.
        if done.is_err() && self.watch.stopped() {
            return Err(Failure::Stopped);
        }
        if matches!(&done, Err(Failure::Object(_))) && is_upload(path) {
            return Err(Failure::Skipped(Why::Upload));
        }
        // What a writer did to it meanwhile may look like damage.
        if let Err(Failure::Object(error)) = done {
            source.check()?;
            return Err(one.keys.explain(error).into());
        }
        done
    }

    /// Threads for a file: one, and for a large one those of idle workers too.
    fn threads(&self, length: u64) -> usize {
        match length {
            0..LARGE => 1,
            _ => 1 + self.idle.load(Ordering::Relaxed),
        }
    }

    fn one(&self, one: One<'_>) -> Result<Done, Failure> {
        let One {
            source,
            path,
            id,
            keys,
        } = one;
        let opening = keys.keyring();
        let reader = || Watched {
            inner: &source.file,
            watch: self.watch,
        };
        let linked = source.about.nlink() > 1;
        let threads = self.threads(source.about.len());
        match look(&source.file, source.about.len(), opening, id)? {
            State::Clear(_) if linked && self.operation != Operation::Decrypt => {
                Err(Failure::Skipped(Why::HardLinked))
            }
            State::Clear(length) if self.operation == Operation::Encrypt => {
                if matches!(keys.to_seal(), ToSeal::Never) {
                    return Ok(withheld(length));
                }
                let (sealing, key) = sealing(keys)?;
                if let Some(old) = self.old {
                    keep_original(old, source, path)?;
                }
                let mut bytes = 0;
                replace(source, |to| {
                    let sealed = match self.old {
                        None => crate::seal(reader(), to, sealing, id, threads, &|_| {}),
                        Some(old) => {
                            let clear = clear(old, reader());
                            crate::seal(clear, to, sealing, id, threads, &|_| {})
                        }
                    };
                    bytes = sealed?.clear;
                    Ok(())
                })?;
                Ok(Done::sealed(key, bytes, keys).changed())
            }
            State::Clear(bytes) => match self.old {
                None if matches!(keys.to_seal(), ToSeal::Never) => Ok(withheld(bytes)),
                None => Ok(Done::clear(bytes)),
                Some(old) => {
                    let bytes = io::copy(&mut clear(old, reader()), &mut io::sink());
                    let bytes =
                        bytes.map_err(Failure::io("opening what an earlier system wrote"))?;
                    Ok(Done::clear(bytes))
                }
            },
            State::Sealed(key, bytes) => {
                let is = Done::sealed(key, bytes, keys);
                match self.operation {
                    Operation::Look | Operation::Encrypt => Ok(is),
                    Operation::Verify => {
                        crate::open(reader(), io::sink(), opening, id, threads, &|_| {})?;
                        Ok(is)
                    }
                    Operation::Rotate if is.left.is_none() => Ok(is),
                    Operation::Rotate | Operation::Decrypt if linked => {
                        Err(Failure::Skipped(Why::HardLinked))
                    }
                    Operation::Rotate => {
                        let (sealing, key) = sealing(keys)?;
                        replace(source, |to| {
                            let clear = ObjectReader::new(reader(), opening, id)?;
                            crate::seal(clear, to, sealing, id, threads, &|_| {})?;
                            Ok(())
                        })?;
                        Ok(Done::sealed(key, bytes, keys).changed())
                    }
                    Operation::Decrypt => {
                        replace(source, |to| {
                            crate::open(reader(), to, opening, id, threads, &|_| {})?;
                            Ok(())
                        })?;
                        Ok(Done::clear(bytes).changed())
                    }
                }
            }
        }
    }
}

/// The clear bytes of a file of an earlier system.
fn clear<R: Read>(old: &OldFiles, file: R) -> OldReader<R> {
    OldReader::new(file, old.format, &old.keyring)
}

/// Copies the file at `path` below the root, as it is, to where originals go.
fn keep_original(old: &OldFiles, source: &Source, path: &Path) -> Result<(), Failure> {
    let Some(originals) = &old.originals else {
        return Ok(());
    };
    let copy = || {
        let mut file = &source.file;
        let mut original = Original::new(originals.clone(), path)?;
        file.rewind()?;
        io::copy(&mut BufReader::with_capacity(PIECE, file), &mut original)?;
        original.keep()?;
        file.rewind()
    };
    copy().map_err(Failure::io(KEEPING))
}

/// A clear file whose subject is being forgotten.
fn withheld(bytes: u64) -> Done {
    Done {
        left: Some(Left::Withheld),
        ..Done::clear(bytes)
    }
}

/// Whether an upload has such a name while it is under way: `NAME#1`, as `object_store`
/// makes them.
fn is_upload(path: &Path) -> bool {
    let name = path.as_os_str().as_bytes();
    let end = name.rsplit(|byte| *byte == b'#').next().unwrap_or_default();
    end.len() < name.len() && !end.is_empty() && end.iter().all(u8::is_ascii_digit)
}

/// Puts what `write` writes in the place of the source.
pub(super) fn replace(
    source: &Source,
    write: impl FnOnce(&mut &File) -> Result<(), Failure>,
) -> Result<(), Failure> {
    reached(Point::Opened);
    let temporary = Temporary::beside(source)?;
    reached(Point::TemporaryMade);
    // It comes in pieces that are wiped; a buffer here would not be.
    write(&mut &temporary.file)?;
    reached(Point::Written);
    // Before the long wait for the disk, so that a changed file is given up early.
    source.check()?;
    carry_over(&source.file, &source.about, &temporary.file).map_err(Failure::io(
        "giving the new file the attributes of the old one",
    ))?;
    reached(Point::AttributesCarried);
    let synced = temporary.file.sync_all();
    synced.map_err(Failure::io("writing the new file to the disk"))?;
    reached(Point::Synced);
    source.check()?;
    reached(Point::Checked);
    temporary.place()
}
