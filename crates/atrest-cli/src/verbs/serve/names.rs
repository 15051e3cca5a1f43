//! What below a location is not for clients.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use atrest_engine::policy::FilesPolicy;
use atrest_media::folder::Folder;

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
