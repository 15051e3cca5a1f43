//! A copy of the folder, compared with it or put back into it.

use std::io::{self, BufReader, Read};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use atrest_engine::restore::RestoreMode;

use super::file::replace;
use super::place::Source;
use super::run::{lock_root, open_root, with_keys};
use super::state::{State, look};
use super::{Folder, FolderCopy, FolderError, Options, Restored, Skipped, Why};
use crate::inplace::{Compared, Failure, Watch, Watched, writes};
use crate::keyrings::{BATCH, FileKeys};
use crate::{Keys, ObjectReader};

/// [`Folder::restore`].
pub(super) fn restore(
    folder: &Folder,
    copy: &FolderCopy,
    mode: RestoreMode,
    keys: &Keys,
    options: &Options<'_>,
) -> Result<Restored, FolderError> {
    let root = open_root(folder)?;
    if mode != RestoreMode::Compare {
        lock_root(folder, &root)?;
    }
    let watch = Watch::new(options);
    let mut done = Restored::default();
    let mut files = copy.files().peekable();
    let mut batch = Vec::new().into_iter();
    loop {
        if watch.stopped() {
            done.stopped = true;
            break;
        }
        let Some((path, of_file)) = batch.next() else {
            if files.peek().is_none() {
                break;
            }
            let mut paths = Vec::new();
            for file in files.by_ref().take(BATCH) {
                match file {
                    Ok(path) => paths.push(path),
                    Err((path, why)) => done.skipped.extend(unread(folder, &path, why)),
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
        let result = copy.source(&path).and_then(|from| {
            // Every byte, before any is compared or written.
            one.whole(&from)?;
            done.entries += 1;
            one.restore(&from, Source::open(&root, &path), mode)
        });
        match result {
            Ok(compared) => done.count(one.name(), compared),
            Err(failure) => done.fail(one.name(), &of_file, failure),
        }
        watch.file_done();
    }
    Ok(done)
}

/// What is told of a part of the copy that is no file, or cannot be read: nothing if the
/// folder lacks nothing by it.
fn unread(folder: &Folder, path: &Path, why: Why) -> Option<Skipped> {
    if matches!(why, Why::Symlink | Why::Special) {
        // A link or a socket there too, or nothing: nothing was due.
        match folder.root.join(path).symlink_metadata() {
            Ok(about) if !about.is_file() && !about.is_dir() => return None,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Ok(_) | Err(_) => {}
        }
    }
    Some(Skipped::unread(path.as_os_str().as_bytes(), why))
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
    fn name(&self) -> &[u8] {
        self.path.as_os_str().as_bytes()
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
    ) -> Result<Compared, Failure> {
        let to = match to {
            Err(Failure::Skipped(Why::Vanished)) => return Ok(Compared::Missing),
            to => to?,
        };
        match self.compare(from, &to) {
            Ok(true) => return Ok(Compared::Same),
            Ok(false) if mode != RestoreMode::Force => return Ok(Compared::Changed),
            Ok(false) => {}
            Err(Failure::Object(error)) => {
                if let Some(erasure) = self.keys.erasure(&error) {
                    return Err(Failure::Forgotten(erasure));
                }
                // What a writer did to it meanwhile may look like damage.
                to.check()?;
                if !writes(mode, &error) {
                    return Ok(Compared::Undecryptable(error));
                }
            }
            Err(failure) => return Err(failure),
        }
        let made = self.all.wait_one(self.name(), true);
        let made = made.map_err(crate::MediaError::from)?;
        let sealing = made.sealing().map_err(crate::MediaError::from)?;
        replace(&to, |out| {
            let clear = ObjectReader::new(self.read(from), self.keys.keyring(), self.id)?;
            crate::seal(clear, out, sealing, self.id, 1, &|_| {})?;
            Ok(())
        })?;
        Ok(Compared::Written)
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
