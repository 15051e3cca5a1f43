//! A subject's files, given in clear.

use std::fs::File;
use std::io::{self, Read, Seek as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use zeroize::Zeroizing;

use super::place::Source;
use super::run::open_root;
use super::state::{State, look};
use super::walk::{Step, walk};
use super::{Folder, FolderError};
use crate::inplace::{Belonging, Export, Failure, readable};
use crate::keyrings::FileKeys;
use crate::{Keys, ObjectReader};

/// Clear bytes that are given at once.
const PIECE: usize = 1 << 18;

/// [`Folder::export`].
pub(super) fn export(
    folder: &Folder,
    keys: &Keys,
    to: &mut dyn Export,
) -> Result<Vec<Belonging>, FolderError> {
    let root = open_root(folder)?;
    let mut files = Vec::new();
    for step in walk(folder) {
        let (path, done) = match step {
            Step::File(path) => {
                let of_file = keys.wait_one(path.as_os_str().as_bytes(), false)?;
                let done = one(folder, &root, &path, &of_file, to)?;
                (path, done)
            }
            Step::Skipped(path, why) => (path, Err(Failure::Skipped(why))),
            Step::Temporary(_) => continue,
        };
        let name = readable(path.as_os_str().as_bytes());
        match done {
            Ok(bytes) => files.push(Belonging::given(name, bytes)),
            Err(failure) => files.extend(Belonging::kept_back(name, &failure)),
        }
    }
    Ok(files)
}

/// Gives one file, if all of it opens. The outer error is that of where it goes.
fn one(
    folder: &Folder,
    root: &File,
    path: &Path,
    keys: &FileKeys,
    to: &mut dyn Export,
) -> Result<Result<u64, Failure>, FolderError> {
    let name = path.as_os_str().as_bytes();
    let id = folder.bind.logical_id(name);
    let ready = || {
        let source = Source::open(root, path)?;
        if folder.kept.holds(path, &source.about) {
            return Err(Failure::Skipped(super::Why::Kept));
        }
        let state = look(&source.file, source.about.len(), keys.keyring(), id);
        let state = state.map_err(|failure| explain(keys, failure))?;
        if let State::Sealed(..) = state {
            // Every byte, before any is given.
            crate::open(&source.file, io::sink(), keys.keyring(), id, 1, &|_| {})?;
        }
        let mut file = &source.file;
        file.rewind().map_err(Failure::io("reading it"))?;
        Ok((source, state))
    };
    let (source, state) = match ready() {
        Ok(ready) => ready,
        Err(failure) => return Ok(Err(failure)),
    };
    let name = String::from_utf8_lossy(name);
    let given = match state {
        State::Clear(length) => give(&name, length, (&source.file).take(length), to),
        State::Sealed(_, length) => match ObjectReader::new(&source.file, keys.keyring(), id) {
            Ok(reader) => give(&name, length, reader, to),
            Err(error) => return Ok(Err(error.into())),
        },
    };
    let given = given.map_err(|source| FolderError::Export {
        file: readable(name.as_bytes()),
        source,
    })?;
    Ok(Ok(given))
}

fn explain(keys: &FileKeys, failure: Failure) -> Failure {
    match failure {
        Failure::Object(error) => keys.explain(error).into(),
        failure => failure,
    }
}

fn give(name: &str, length: u64, mut clear: impl Read, to: &mut dyn Export) -> io::Result<u64> {
    to.begin(name, length)?;
    let mut piece = Zeroizing::new(vec![0; PIECE]);
    let mut given = 0;
    loop {
        let read = clear.read(&mut piece)?;
        if read == 0 {
            break;
        }
        to.write(&piece[..read])?;
        given += read as u64;
    }
    if given != length {
        let problem = "it was changed while it was read; begin anew when nobody writes to it";
        return Err(io::Error::other(problem));
    }
    to.end()?;
    Ok(given)
}
