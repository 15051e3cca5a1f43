//! What below a location is not for clients.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use atrest_engine::policy::FilesPolicy;
use atrest_media::folder::Folder;

use atrest_engine::backup::name as backup_name;

/// Refuses a folder that one of atrest's own files lies in: clients could replace it.
pub(super) fn holds_none_of(
    own: &[PathBuf],
    files: &FilesPolicy,
    root: &Path,
) -> anyhow::Result<()> {
    let folder = Folder::of(files, root)?;
    for file in own {
        // Both the name that leads to it and what it leads to.
        let real = std::fs::canonicalize(file).ok();
        for path in [Some(file), real.as_ref()].into_iter().flatten() {
            let inside = folder.logical_id(path).with_context(|| {
                format!(
                    "cannot tell whether {} lies in {}",
                    path.display(),
                    files.location
                )
            })?;
            if inside.is_some() {
                bail!(
                    "{} is needed by atrest itself and lies below the location {}, where clients could replace it; serve a folder that holds none of atrest's files, or move the file out",
                    path.display(),
                    files.location
                );
            }
        }
    }
    Ok(())
}

/// Which names may be put: those that the location's globs mean, since `rotate` and
/// `status` look at no others, and none that a backup of atrest has.
pub(super) fn accepted(files: &FilesPolicy) -> anyhow::Result<impl Fn(&str) -> bool + use<>> {
    // For buckets too: the globs are the same, and the disk is not looked at.
    let folder = Folder::new("", &files.include, &files.exclude, files.bind)?;
    Ok(move |name: &str| folder.takes(Path::new(name)) && !is_backup(name))
}

/// Whether what has this name below `folder` may be opened: a regular file, or nothing,
/// or a folder, which the store itself refuses. A pipe would hold its reader for ever.
/// One of atrest's `own` files may not, whatever link leads to it.
pub(super) fn is_servable(folder: &Path, own: &[PathBuf], name: &str) -> bool {
    let Ok(about) = std::fs::metadata(folder.join(name)) else {
        return !is_backup(name);
    };
    let which = |about: &Metadata| (about.dev(), about.ino());
    let is_own = |own: &PathBuf| {
        let own = std::fs::metadata(own);
        own.is_ok_and(|own| which(&own) == which(&about))
    };
    about.is_dir() || (about.is_file() && !is_backup(name) && !own.iter().any(is_own))
}

/// Removes a folder that has this name and holds no file, as deletions leave them. (That
/// they do not remove it themselves is because an upload may be about to write to it.)
pub(super) fn make_room(folder: Option<&Path>, name: &str) {
    if let Some(folder) = folder {
        // What is not removed is in the way of the upload, which says so.
        let _ = remove_empty(&folder.join(name));
    }
}

fn remove_empty(folder: &Path) -> std::io::Result<()> {
    if !std::fs::symlink_metadata(folder)?.is_dir() {
        return Err(std::io::ErrorKind::DirectoryNotEmpty.into());
    }
    for entry in std::fs::read_dir(folder)? {
        remove_empty(&entry?.path())?;
    }
    std::fs::remove_dir(folder)
}

/// By the name that they are given.
fn is_backup(name: &str) -> bool {
    backup_name::is_one(name.rsplit('/').next().unwrap_or(name))
}
