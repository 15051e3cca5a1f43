//! A copy of the folder, compared with it or put back into it.

use std::io::{self, BufReader, Read};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use atrest_core::object::ObjectError;
use atrest_engine::policy::FilesPolicy;
use atrest_engine::report::{FileNote, FilesRestoreReport};
use atrest_engine::restore::RestoreMode;
use atrest_engine::subjects::Erasure;

use super::file::replace;
use super::place::Source;
use super::run::{lock_root, open_root, with_keys};
use super::state::{State, look};
use super::walk::{Step, walk};
use super::{Folder, FolderError, Options, Skipped, Undecryptable, Why};
use crate::inplace::{Failure, NAMED, Watch, Watched, readable};
use crate::keyrings::{BATCH, FileKeys};
use crate::{Keys, ObjectReader};

/// What a restore or a comparison came to. Names are paths below the root, as raw bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Restored {
    /// Files of the copy that are meant and open there.
    pub entries: u64,
    /// Those whose content is the same in the folder.
    pub same: u64,
    /// Those that hold something else in the folder: changed since. Of these, none was
    /// touched unless forced.
    pub changed_since: Vec<Vec<u8>>,
    /// Those that are gone from the folder. They are never made anew.
    pub missing: Vec<Vec<u8>>,
    /// Those that do not open in the folder, for which the copy is there.
    pub undecryptable: Vec<Undecryptable>,
    /// Those that were written, encrypted.
    pub changed: u64,
    /// Those of subjects that were forgotten: they are not brought back.
    pub forgotten: u64,
    /// Those of subjects that are to be forgotten, which can be taken back: only then are
    /// they compared and brought back.
    pub to_be_forgotten: u64,
    /// Parts of the copy that cannot be read, are no objects or do not open, or are links
    /// where the folder holds files; and files of the folder that could not be read or
    /// written.
    pub skipped: Vec<Skipped>,
    /// Whether it was stopped before its end.
    pub stopped: bool,
}

impl Restored {
    /// Every file of the copy has the same content in the folder.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        let differ = self.changed_since.len() + self.missing.len() + self.undecryptable.len();
        !self.stopped && differ == 0 && self.skipped.is_empty() && self.to_be_forgotten == 0
    }

    fn erased(&mut self, erasure: Erasure) {
        match erasure {
            Erasure::Done => self.forgotten += 1,
            Erasure::Asked => self.to_be_forgotten += 1,
        }
    }

    /// In the engine's words; `policy` is the folder's.
    #[must_use]
    pub fn of(&self, policy: &FilesPolicy) -> FilesRestoreReport {
        let note = |name: &[u8], why, problem: &str| FileNote {
            file: readable(name),
            why,
            problem: problem.to_owned(),
        };
        let changed = self.changed_since.iter().map(|name| {
            let problem = "it holds something else than the copy: changed since";
            note(name, "changed-since", problem)
        });
        let missing = self.missing.iter().map(|name| {
            let problem = "it is gone; to have it back, copy the file from there to here (cp -p)";
            note(name, "missing", problem)
        });
        let refused = self.undecryptable.iter();
        let refused = refused.map(|one| note(&one.name, "undecryptable", &one.problem));
        let skipped = self.skipped.iter();
        let skipped = skipped.map(|one| note(&one.name, one.why.word(), &one.why.to_string()));
        FilesRestoreReport {
            location: policy.location.clone(),
            entries: self.entries,
            same: self.same,
            changed_since: self.changed_since.len() as u64,
            missing: self.missing.len() as u64,
            undecryptable: self.undecryptable.len() as u64,
            forgotten: self.forgotten,
            to_be_forgotten: self.to_be_forgotten,
            changed: self.changed,
            skipped: self.skipped.len() as u64,
            files: refused
                .chain(skipped)
                .chain(missing)
                .chain(changed)
                .take(NAMED)
                .collect(),
            seconds: 0.0,
        }
    }
}

/// [`Folder::restore`].
pub(super) fn restore(
    folder: &Folder,
    copy: &Folder,
    mode: RestoreMode,
    keys: &Keys,
    options: &Options<'_>,
) -> Result<Restored, FolderError> {
    let (root, from) = (open_root(folder)?, open_root(copy)?);
    if mode != RestoreMode::Compare {
        lock_root(folder, &root)?;
    }
    let watch = Watch::new(options);
    let mut done = Restored::default();
    let mut steps = walk(copy).peekable();
    let mut batch = Vec::new().into_iter();
    loop {
        if watch.stopped() {
            done.stopped = true;
            break;
        }
        let Some((path, of_file)) = batch.next() else {
            if steps.peek().is_none() {
                break;
            }
            let mut paths = Vec::new();
            for step in steps.by_ref().take(BATCH) {
                match step {
                    Step::File(path) => paths.push(path),
                    // What a killed run left beside a file is no copy of anything.
                    Step::Temporary(_) => {}
                    Step::Skipped(path, why) => done.skipped.extend(unread(folder, &path, why)),
                }
            }
            batch = with_keys(keys, paths, false)?.into_iter();
            continue;
        };
        if let Some(erasure) = of_file.gone() {
            done.erased(erasure);
            watch.file_done();
            continue;
        }
        let one = One {
            path: &path,
            id: folder.bind.logical_id(path.as_os_str().as_bytes()),
            keys: &of_file,
            all: keys,
            watch: &watch,
        };
        let result = Source::open(&from, &path).and_then(|from| {
            // Every byte, before any is compared or written.
            one.whole(&from)?;
            done.entries += 1;
            one.restore(&from, Source::open(&root, &path), mode, &mut done)
        });
        match result {
            Ok(()) => {}
            Err(Failure::Stopped) => done.stopped = true,
            Err(Failure::Skipped(why)) => done.skipped.push(one.skipped(why)),
            Err(Failure::Forgotten(erasure)) => done.erased(erasure),
            Err(Failure::NeedsKey) => {
                let why = Why::Failed("its subject got no key; run again".to_owned());
                done.skipped.push(one.skipped(why));
            }
            Err(Failure::Object(error)) => match erasure(&of_file, &error) {
                Some(erasure) => done.erased(erasure),
                None => {
                    let error = of_file.explain(error);
                    let why = Why::Failed(format!("the copy of it does not open: {error}"));
                    done.skipped.push(one.skipped(why));
                }
            },
            Err(Failure::Closed(error)) => {
                let why = Why::Failed(format!("the copy of it does not open: {error}"));
                done.skipped.push(one.skipped(why));
            }
        }
        watch.file_done();
    }
    Ok(done)
}

/// What is told of a part of the copy that is no file, or cannot be read: nothing if the
/// folder lacks nothing by it.
fn unread(folder: &Folder, path: &Path, why: Why) -> Option<Skipped> {
    let problem = match why {
        Why::Symlink | Why::Special => {
            // A link or a socket there too, or nothing: nothing was due.
            let there = folder.root.join(path).symlink_metadata();
            match there {
                Ok(about) if !about.is_file() && !about.is_dir() => return None,
                Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
                Ok(_) | Err(_) => format!("the copy of it is {why}"),
            }
        }
        Why::Failed(problem) => format!("the copy of it cannot be read: {problem}"),
        why => format!("the copy of it cannot be read: {why}"),
    };
    Some(Skipped {
        name: path.as_os_str().as_bytes().to_vec(),
        why: Why::Failed(problem),
    })
}

/// How far the erasure of what does not open has come.
fn erasure(keys: &FileKeys, error: &ObjectError) -> Option<Erasure> {
    match error {
        ObjectError::UnknownKey(key) => keys.erasure_of(*key),
        _ => None,
    }
}

/// One file of the copy.
struct One<'a> {
    path: &'a Path,
    id: &'a [u8],
    keys: &'a FileKeys,
    all: &'a Keys,
    watch: &'a Watch<'a>,
}

impl One<'_> {
    fn name(&self) -> Vec<u8> {
        self.path.as_os_str().as_bytes().to_vec()
    }

    fn skipped(&self, why: Why) -> Skipped {
        let name = self.name();
        Skipped { name, why }
    }

    fn whole(&self, from: &Source) -> Result<(), Failure> {
        crate::open(
            self.read(from),
            io::sink(),
            self.keys.keyring(),
            self.id,
            1,
            &|_| {},
        )?;
        Ok(())
    }

    fn restore(
        &self,
        from: &Source,
        to: Result<Source, Failure>,
        mode: RestoreMode,
        done: &mut Restored,
    ) -> Result<(), Failure> {
        let to = match to {
            Ok(to) => to,
            Err(Failure::Skipped(Why::Vanished)) => {
                done.missing.push(self.name());
                return Ok(());
            }
            Err(failure) => return Err(failure),
        };
        let write = match self.compare(from, &to) {
            Ok(true) => {
                done.same += 1;
                false
            }
            Ok(false) => {
                let write = mode == RestoreMode::Force;
                if !write {
                    done.changed_since.push(self.name());
                }
                write
            }
            Err(Failure::Object(error)) => {
                if let Some(erasure) = erasure(self.keys, &error) {
                    return Err(Failure::Forgotten(erasure));
                }
                // What a writer did to it meanwhile may look like damage.
                to.check()?;
                // What a key that is not at hand opens may be newer than the copy.
                let newer = matches!(
                    error,
                    ObjectError::UnknownKey(_) | ObjectError::NewerKind(_)
                );
                let write = match mode {
                    RestoreMode::Compare => false,
                    RestoreMode::Restore => !newer,
                    RestoreMode::Force => true,
                };
                if !write {
                    let undecryptable = Undecryptable::new(self.name(), &error);
                    done.undecryptable.push(undecryptable);
                }
                write
            }
            Err(failure) => return Err(failure),
        };
        if write {
            let made = self.all.wait_one(&self.name(), true);
            let made = made.map_err(crate::MediaError::from)?;
            let sealing = made.sealing().map_err(crate::MediaError::from)?;
            replace(&to, |out| {
                let clear = ObjectReader::new(self.read(from), self.keys.keyring(), self.id)?;
                crate::seal(clear, out, sealing, self.id, 1, &|_| {})?;
                Ok(())
            })?;
            done.changed += 1;
        }
        Ok(())
    }

    /// Whether the copy's file and the folder's hold the same. The copy was found whole, so
    /// that what does not open is the folder's.
    fn compare(&self, from: &Source, to: &Source) -> Result<bool, Failure> {
        let keyring = self.keys.keyring();
        let copy = ObjectReader::new(self.read(from), keyring, self.id)?;
        match look(&to.file, to.about.len(), keyring, self.id)? {
            State::Clear(_) => equal(copy, self.read(to)),
            State::Sealed(..) => {
                let sealed = ObjectReader::new(self.read(to), keyring, self.id)?;
                equal(copy, sealed)
            }
        }
    }

    fn read<'s>(&'s self, source: &'s Source) -> Watched<'s, &'s std::fs::File> {
        let mut file = &source.file;
        // A file that cannot be read from its beginning fails on its first read, too.
        let _ = io::Seek::rewind(&mut file);
        Watched {
            inner: file,
            watch: self.watch,
        }
    }
}

/// Whether two streams give the same bytes. Both are read to their ends, so that damage
/// behind a difference is found.
fn equal(one: impl Read, other: impl Read) -> Result<bool, Failure> {
    const PIECE: usize = 1 << 16;
    let (mut one, mut other) = (BufReader::new(one), BufReader::new(other));
    let (mut a, mut b) = (vec![0; PIECE], vec![0; PIECE]);
    let mut same = true;
    loop {
        let reading = |error| Failure::from(crate::MediaError::io("reading it")(error));
        let first = crate::pieces::read_full(&mut one, &mut a).map_err(reading)?;
        let second = crate::pieces::read_full(&mut other, &mut b).map_err(reading)?;
        same &= first == second && a[..first] == b[..second];
        if first < PIECE && second < PIECE {
            return Ok(same);
        }
    }
}
