//! Where bytes come from, and where they go: a new file appears whole or not at all.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use atrest_media::folder::temporary_name;
use tempfile::NamedTempFile;

use crate::stop::Removing;

/// A file or standard input.
pub(super) struct Source {
    pub(super) file: File,
    pub(super) name: String,
    /// Its length, if it is a file.
    pub(super) length: Option<u64>,
}

impl Source {
    /// Opens a file; `-` or none is standard input.
    pub(super) fn open(path: Option<&Path>) -> anyhow::Result<Self> {
        let (file, name) = match named(path) {
            Some(path) => {
                let name = path.display().to_string();
                let file = File::open(path).with_context(|| format!("cannot open {name}"))?;
                (file, name)
            }
            None => {
                let input = io::stdin().as_fd().try_clone_to_owned();
                let input = input.context("cannot use standard input")?;
                (File::from(input), "standard input".to_owned())
            }
        };
        let about = file.metadata();
        let about = about.with_context(|| format!("cannot look at {name}"))?;
        if about.is_dir() {
            bail!("{name} is a folder; name a file");
        }
        let length = about.is_file().then_some(about.len());
        Ok(Self { file, name, length })
    }
}

/// A path that is not `-`.
pub(super) fn named(path: Option<&Path>) -> Option<&Path> {
    path.filter(|path| *path != Path::new("-"))
}

/// Standard output, without a buffer that looks for lines.
pub(super) fn standard_output() -> anyhow::Result<File> {
    let output = io::stdout().as_fd().try_clone_to_owned();
    Ok(File::from(output.context("cannot use standard output")?))
}

/// A file under a temporary name beside the one that it gets in the end. On any
/// failure, and on Ctrl-C, it is removed.
pub(super) struct NewFile {
    temporary: NamedTempFile,
    path: PathBuf,
    force: bool,
    removing: Removing,
}

impl NewFile {
    /// Begins a file with this mode (before the umask). One that exists is an error
    /// unless `force`; what is no plain file is never replaced.
    pub(super) fn begin(path: &Path, force: bool, mode: u32) -> anyhow::Result<Self> {
        match fs::symlink_metadata(path) {
            Ok(about) if !about.is_file() => bail!(
                "{} exists and is no plain file; it is never replaced: name another, or `-` for standard output",
                path.display()
            ),
            Ok(_) if !force => bail!(exists(path)),
            _ => {}
        }
        let temporary = tempfile::Builder::new()
            .prefix(&temporary_name())
            .rand_bytes(0)
            .permissions(Permissions::from_mode(mode))
            .tempfile_in(folder(path))
            .with_context(|| {
                format!(
                    "cannot make a file in {}; check that the folder exists and can be written to",
                    folder(path).display()
                )
            })?;
        // So that no run over the folder takes it for one that was left over.
        let _ = temporary.as_file().try_lock();
        let removing = Removing::new(temporary.path().to_owned());
        Ok(Self {
            temporary,
            path: path.to_owned(),
            force,
            removing,
        })
    }

    /// The file to write to.
    pub(super) fn file(&mut self) -> &mut File {
        self.temporary.as_file_mut()
    }

    /// Makes it durable under its name.
    pub(super) fn finish(self) -> anyhow::Result<()> {
        let path = &self.path;
        let failed = || format!("cannot write {}", path.display());
        self.temporary.as_file().sync_all().with_context(failed)?;
        if self.force {
            self.temporary.persist(path).with_context(failed)?;
        } else if let Err(error) = self.temporary.persist_noclobber(path) {
            if error.error.kind() == io::ErrorKind::AlreadyExists {
                bail!(exists(path));
            }
            return Err(error.error).with_context(failed);
        }
        drop(self.removing);
        sync_folder(path).with_context(failed)
    }
}

fn exists(path: &Path) -> String {
    format!(
        "{} exists, and was left as it is; name a new file, or replace it with --force",
        path.display()
    )
}

/// The folder that a file is in.
fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Makes names in a file's folder durable.
pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(folder(path))?.sync_all()
}
