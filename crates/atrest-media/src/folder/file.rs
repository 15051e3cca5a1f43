//! One file: what it is, and what becomes of it.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use atrest_core::Keyring;

use super::attributes::carry_over;
use super::place::{Source, Temporary};
use super::state::{State, look};
use super::{Folder, Operation, Why};
use crate::ObjectReader;
use crate::inplace::{Done, Failure, Watch, Watched};

/// What all files of a run share.
pub(super) struct Job<'a> {
    pub(super) folder: &'a Folder,
    pub(super) root: &'a File,
    pub(super) operation: Operation,
    pub(super) keyring: &'a Keyring,
    pub(super) watch: &'a Watch<'a>,
}

impl Job<'_> {
    /// Does the operation with the file at a path below the root.
    pub(super) fn file(&self, path: &Path) -> Result<Done, Failure> {
        let source = Source::open(self.root, path)?;
        let id = self.folder.bind.logical_id(path.as_os_str().as_bytes());
        let about = &source.about;
        if self.folder.kept.contains(&(about.dev(), about.ino())) {
            return Err(Failure::Skipped(Why::Kept));
        }
        let done = self.source(&source, id);
        // Whatever failed, it did because of the stop.
        if done.is_err() && self.watch.stopped() {
            return Err(Failure::Stopped);
        }
        // What a writer did to it meanwhile may look like damage.
        if let Err(Failure::Object(_)) = &done {
            source.check()?;
        }
        done
    }

    fn source(&self, source: &Source, id: &[u8]) -> Result<Done, Failure> {
        let keyring = self.keyring;
        let primary = keyring.primary().id();
        let reader = || Watched {
            inner: &source.file,
            watch: self.watch,
        };
        let is = |key, bytes| Done {
            key,
            bytes,
            changed: false,
        };
        let linked = source.about.nlink() > 1;
        match look(&source.file, source.about.len(), keyring, id)? {
            State::Clear(_) if linked && self.operation != Operation::Decrypt => {
                Err(Failure::Skipped(Why::HardLinked))
            }
            State::Clear(bytes) if self.operation == Operation::Encrypt => {
                replace(source, |to| {
                    crate::seal(reader(), to, keyring, id, 1, &|_| {})?;
                    Ok(())
                })?;
                Ok(Done {
                    key: Some(primary),
                    bytes,
                    changed: true,
                })
            }
            State::Clear(bytes) => Ok(is(None, bytes)),
            State::Sealed(key, bytes) => match self.operation {
                Operation::Look | Operation::Encrypt => Ok(is(Some(key), bytes)),
                Operation::Verify => {
                    crate::open(reader(), io::sink(), keyring, id, 1, &|_| {})?;
                    Ok(is(Some(key), bytes))
                }
                Operation::Rotate if key == primary => Ok(is(Some(key), bytes)),
                Operation::Rotate | Operation::Decrypt if linked => {
                    Err(Failure::Skipped(Why::HardLinked))
                }
                Operation::Rotate => {
                    replace(source, |to| {
                        let clear = ObjectReader::new(reader(), keyring, id)?;
                        crate::seal(clear, to, keyring, id, 1, &|_| {})?;
                        Ok(())
                    })?;
                    Ok(Done {
                        key: Some(primary),
                        bytes,
                        changed: true,
                    })
                }
                Operation::Decrypt => {
                    replace(source, |to| {
                        crate::open(reader(), to, keyring, id, 1, &|_| {})?;
                        Ok(())
                    })?;
                    Ok(Done {
                        key: None,
                        bytes,
                        changed: true,
                    })
                }
            },
        }
    }
}

/// Puts what `write` writes in the place of the source.
fn replace(
    source: &Source,
    write: impl FnOnce(&mut BufWriter<&File>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let temporary = Temporary::beside(source)?;
    let mut writer = BufWriter::with_capacity(1 << 18, &temporary.file);
    write(&mut writer)?;
    writer
        .flush()
        .map_err(Failure::io("writing the new file"))?;
    drop(writer);
    // Before the long wait for the disk, so that a changed file is given up early.
    source.check()?;
    carry_over(&source.file, &source.about, &temporary.file).map_err(Failure::io(
        "giving the new file the attributes of the old one",
    ))?;
    let synced = temporary.file.sync_all();
    synced.map_err(Failure::io("writing the new file to the disk"))?;
    source.check()?;
    temporary.place()
}
