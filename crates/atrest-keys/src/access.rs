//! Reading a file that holds secrets: only when nobody else can.

use std::fs;
use std::io::Read as _;
use std::path::Path;

use zeroize::{Zeroize as _, Zeroizing};

use crate::{KeySourceError, mounted};

/// The longest key file or `.env` file that is read, in bytes.
const LONGEST: usize = 64 * 1024;

/// Which files may hold secrets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum FileAccess {
    /// Files that only their owner can read, write or run (mode 0400, 0600...).
    #[default]
    OwnerOnly,
    /// Any file: for secrets that a container runtime mounts with mode 0444.
    AllowReadable,
}

/// The text of a regular file, if `access` allows it.
///
/// On systems without Unix modes every regular file is allowed.
pub(crate) fn read(path: &Path, access: FileAccess) -> Result<Zeroizing<String>, KeySourceError> {
    read_where(path, |_, metadata| match access {
        FileAccess::OwnerOnly => check_mode(path, metadata, OTHERS),
        FileAccess::AllowReadable => Ok(()),
    })
}

/// The text of a file that an orchestrator mounts, with the mode that it gives such
/// files (0444, often): others may read it where [`mounted::holds`] says so, and
/// nobody else may write it. Elsewhere as [`read`].
pub(crate) fn read_mounted(
    path: &Path,
    access: FileAccess,
) -> Result<Zeroizing<String>, KeySourceError> {
    read_where(path, |file, metadata| match access {
        FileAccess::OwnerOnly => match mounted::holds(path, file) {
            Some(mounted::Held::ReadOnly) => Ok(()),
            Some(mounted::Held::InMemory) => check_mode(path, metadata, WRITE_BY_OTHERS),
            None => check_mode(path, metadata, OTHERS),
        },
        FileAccess::AllowReadable => Ok(()),
    })
}

/// Anything by group and others.
const OTHERS: u32 = 0o077;
/// Writing by group and others.
const WRITE_BY_OTHERS: u32 = 0o022;

fn read_where(
    path: &Path,
    check: impl Fn(&fs::File, &fs::Metadata) -> Result<(), KeySourceError>,
) -> Result<Zeroizing<String>, KeySourceError> {
    let failed = |source| KeySourceError::File {
        path: path.to_owned(),
        source,
    };
    // Asked before opening: opening a FIFO would wait for a writer.
    if !fs::metadata(path).map_err(failed)?.is_file() {
        return Err(KeySourceError::NotAFile {
            path: path.to_owned(),
        });
    }
    let file = fs::File::open(path).map_err(failed)?;
    // Asked again of what was opened: the path may lead elsewhere by now.
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() {
        return Err(KeySourceError::NotAFile {
            path: path.to_owned(),
        });
    }
    check(&file, &metadata)?;

    // Room for all of it at once, so that no copy is left behind by growing.
    let mut bytes = Zeroizing::new(Vec::with_capacity(LONGEST + 64));
    file.take(LONGEST as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.len() > LONGEST {
        return Err(KeySourceError::TooLong {
            path: path.to_owned(),
            longest: LONGEST,
        });
    }
    match String::from_utf8(std::mem::take(&mut *bytes)) {
        Ok(text) => {
            let text = Zeroizing::new(text);
            Ok(match text.strip_prefix('\u{feff}') {
                Some(rest) => Zeroizing::new(rest.to_owned()),
                None => text,
            })
        }
        Err(error) => {
            error.into_bytes().zeroize();
            Err(KeySourceError::NotText {
                path: path.to_owned(),
            })
        }
    }
}

/// Refuses a mode with any bit of `refused`.
#[cfg(unix)]
fn check_mode(path: &Path, metadata: &fs::Metadata, refused: u32) -> Result<(), KeySourceError> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = metadata.permissions().mode() & 0o7777;
    if mode & refused != 0 {
        return Err(KeySourceError::Readable {
            path: path.to_owned(),
            mode,
        });
    }
    Ok(())
}

#[cfg(not(unix))]
fn check_mode(_: &Path, _: &fs::Metadata, _: u32) -> Result<(), KeySourceError> {
    Ok(())
}
