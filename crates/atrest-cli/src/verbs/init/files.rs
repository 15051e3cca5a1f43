//! New files, durable, that never replace another.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

use anyhow::Context as _;
use atrest_core::Key;
use zeroize::Zeroizing;

/// Writes the key, for its owner alone (mode 0600).
pub(super) fn key(path: &Path, key: &Key) -> anyhow::Result<()> {
    let text = key.to_base64url();
    let mut line = Zeroizing::new(String::with_capacity(text.len() + 1));
    line.push_str(&text);
    line.push('\n');
    create(path, line.as_bytes(), 0o600).with_context(|| {
        format!(
            "cannot write the key file {}; nothing was written",
            path.display()
        )
    })
}

/// Writes the policy.
pub(super) fn policy(path: &Path, text: &str) -> anyhow::Result<()> {
    create(path, text.as_bytes(), 0o644).with_context(|| {
        format!(
            "cannot write the policy {}; nothing was written",
            path.display()
        )
    })
}

/// A new file on disk for good, or none.
fn create(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
    #[cfg(not(unix))]
    let _modes_are_unix = mode;
    let mut file = options.open(path)?;
    let outcome = file
        .write_all(bytes)
        .and_then(|()| file.sync_all())
        .and_then(|()| sync_folder(path));
    if outcome.is_err() {
        let _first_error_counts = std::fs::remove_file(path);
    }
    outcome
}

#[cfg(unix)]
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}
