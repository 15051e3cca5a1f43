//! A subject's files in clear, for who may ask what is kept of them.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Component, Path, PathBuf};

use atrest_engine::subjects::Erasure;
use serde::Serialize;

/// Where a subject's files go, one after the other: a folder ([`ExportFolder`]), an
/// archive.
pub trait Export: Send {
    /// A file begins, of so many clear bytes.
    ///
    /// # Errors
    /// The system's; it ends the export.
    fn begin(&mut self, name: &str, length: u64) -> io::Result<()>;

    /// The next of its bytes.
    ///
    /// # Errors
    /// As [`Self::begin`].
    fn write(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// That was all of it.
    ///
    /// # Errors
    /// As [`Self::begin`].
    fn end(&mut self) -> io::Result<()>;
}

/// One file of a subject.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Belonging {
    /// Its path below the location.
    pub file: String,
    /// "clear" (it was given), "forgotten", "undecryptable" or "skipped".
    pub state: &'static str,
    /// Its clear bytes, if it was given.
    pub bytes: u64,
    /// Why it was not given.
    pub problem: Option<String>,
}

/// New files below a folder, which only their owner can read.
#[derive(Debug)]
pub struct ExportFolder {
    root: PathBuf,
    file: Option<File>,
}

impl ExportFolder {
    /// Into `root`, which is made if it is not there.
    ///
    /// # Errors
    /// The system's.
    pub fn new(root: impl Into<PathBuf>) -> io::Result<Self> {
        let root = root.into();
        make(&root)?;
        Ok(Self { root, file: None })
    }

    fn file(&mut self) -> io::Result<&mut File> {
        let none = || io::Error::other("no file was begun");
        self.file.as_mut().ok_or_else(none)
    }
}

/// A folder, and those above it.
fn make(folder: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

impl Export for ExportFolder {
    fn begin(&mut self, name: &str, _: u64) -> io::Result<()> {
        let name = Path::new(name);
        if !name
            .components()
            .all(|part| matches!(part, Component::Normal(_)))
        {
            let problem = format!("{} is no path below a folder", name.display());
            return Err(io::Error::new(io::ErrorKind::InvalidInput, problem));
        }
        let path = self.root.join(name);
        if let Some(folder) = path.parent() {
            make(folder)?;
        }
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        self.file = Some(options.open(path)?);
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file()?.write_all(bytes)
    }

    fn end(&mut self) -> io::Result<()> {
        self.file()?.sync_all()?;
        self.file = None;
        Ok(())
    }
}

impl Belonging {
    /// It was given.
    pub(crate) const fn given(file: String, bytes: u64) -> Self {
        Self {
            file,
            state: "clear",
            bytes,
            problem: None,
        }
    }

    /// It was not; `None` where there is nothing to give, or no file any more.
    pub(crate) fn kept_back(file: String, failure: &super::Failure) -> Option<Self> {
        use super::Failure;
        let (state, problem) = match failure {
            Failure::Skipped(why) if why.is_harmless() => return None,
            Failure::Skipped(why) => ("skipped", Some(why.to_string())),
            Failure::Object(error) => ("undecryptable", Some(error.to_string())),
            Failure::Closed(error) => ("undecryptable", Some(error.to_string())),
            Failure::Forgotten(Erasure::Done) => ("forgotten", None),
            Failure::Forgotten(Erasure::Asked) => ("to-be-forgotten", None),
            Failure::NeedsKey | Failure::Stopped => return None,
        };
        Some(Self {
            file,
            state,
            bytes: 0,
            problem,
        })
    }
}
