//! A subject's files, in clear, below a new folder: those of each location below a folder
//! of its own.

use std::fs::DirBuilder;
use std::io::Write;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context as _, bail};
use atrest_engine::policy::FilesPolicy;
use atrest_media::Keys;
use atrest_media::folder::{Belonging, ExportFolder, Folder};
use serde::Serialize;
use tokio::task::block_in_place;

use crate::args::Global;
use crate::files::Location;
use crate::session::Connected;

/// A file as a line of JSON.
#[derive(Serialize)]
struct Line<'a> {
    location: &'a str,
    #[serde(flatten)]
    file: &'a Belonging,
}

/// What a location had of the subject, as a line of JSON behind its files.
#[derive(Debug, Default, Serialize)]
pub(super) struct Counts {
    location: String,
    /// Where its files are now.
    folder: PathBuf,
    files: u64,
    given: u64,
    given_bytes: u64,
    pub(super) forgotten: u64,
    pub(super) to_be_forgotten: u64,
    pub(super) undecryptable: u64,
    pub(super) skipped: u64,
}

/// Gives the subject's files of every location that has subjects, below the folder of
/// [`make_folder`], and tells of each in `out`.
///
/// # Errors
/// When a file cannot be written.
pub(super) async fn export(
    connected: &Connected,
    subject: &str,
    to: &Path,
    out: &mut (dyn Write + Send),
    global: &Global,
) -> anyhow::Result<Vec<Counts>> {
    let session = &connected.session;
    let (mut all, mut used) = (Vec::new(), Vec::new());
    for files in connected.files(global)? {
        let Some(pattern) = &files.subject else {
            continue;
        };
        let folder = to.join(name(files, &mut used));
        let mut target = ExportFolder::new(&folder)
            .with_context(|| format!("cannot make {}", folder.display()))?;
        let keys = Keys::of(files, session.keyring(), connected.subjects.as_ref())?;
        let given = match Location::open(files, session).await? {
            Location::Folder(mut location) => {
                for own in session.own_files()? {
                    location
                        .keep(&own)
                        .with_context(|| format!("cannot tell which file {} is", own.display()))?;
                }
                let theirs = location.of_subject(pattern, subject);
                block_in_place(|| theirs.export(keys, &mut target))?
            }
            Location::Bucket(bucket) => {
                let theirs = bucket.of_subject(pattern, subject);
                theirs.export(keys, &mut target).await?
            }
        };
        let mut counts = Counts {
            location: files.location.clone(),
            folder,
            ..Counts::default()
        };
        for file in &given {
            counts.add(file);
            let location = &files.location;
            serde_json::to_writer(&mut *out, &Line { location, file })?;
            out.write_all(b"\n")?;
        }
        serde_json::to_writer(&mut *out, &counts)?;
        out.write_all(b"\n")?;
        all.push(counts);
    }
    Ok(all)
}

impl Counts {
    fn add(&mut self, file: &Belonging) {
        self.files += 1;
        match file.state {
            "clear" => {
                self.given += 1;
                self.given_bytes += file.bytes;
            }
            "forgotten" => self.forgotten += 1,
            "to-be-forgotten" => self.to_be_forgotten += 1,
            "undecryptable" => self.undecryptable += 1,
            _ => self.skipped += 1,
        }
    }

    /// For people.
    pub(super) fn told(&self) -> String {
        format!(
            "{}: {} files, of which {} were written below {}, {} were forgotten, {} are to be forgotten, {} do not open and {} could not be looked at",
            self.location,
            self.files,
            self.given,
            self.folder.display(),
            self.forgotten,
            self.to_be_forgotten,
            self.undecryptable,
            self.skipped
        )
    }
}

/// Makes the folder that the files go to.
///
/// # Errors
/// When it is there already, or lies in a location.
pub(super) fn make_folder(connected: &Connected, to: &Path) -> anyhow::Result<()> {
    refuse_inside(connected, to)?;
    new_folder(to)
}

/// A folder within a location would become a part of it.
fn refuse_inside(connected: &Connected, to: &Path) -> anyhow::Result<()> {
    let policy = &connected.session.policy;
    for files in policy.files.iter().filter(|f| f.bucket().is_none()) {
        let folder = Folder::of(files, policy.directory())?;
        let inside = folder.name_of(to);
        let inside = inside.with_context(|| format!("cannot look at {}", to.display()))?;
        if inside.is_some() {
            bail!(
                "{} lies in {}, whose files are encrypted; name a folder elsewhere",
                to.display(),
                files.location
            );
        }
    }
    Ok(())
}

/// A new folder that only its owner can look into.
fn new_folder(path: &Path) -> anyhow::Result<()> {
    #[allow(unused_mut, reason = "systems without modes")]
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).with_context(|| {
        format!(
            "cannot make the folder {}; an export is never written into one that is there: name a new one",
            path.display()
        )
    })
}

/// What the location's files lie below: its path without what leads out of the folder.
fn name(files: &FilesPolicy, used: &mut Vec<PathBuf>) -> PathBuf {
    let location = files.location.trim_start_matches("s3://");
    let parts = Path::new(location).components();
    let parts = parts.filter(|part| matches!(part, Component::Normal(_)));
    let name: PathBuf = parts.collect();
    let name = match name.as_os_str().is_empty() {
        true => PathBuf::from("files"),
        false => name,
    };
    // Two entries may have one name here.
    let numbered = |n: u32| match n {
        1 => name.clone(),
        n => PathBuf::from(format!("{}-{n}", name.display())),
    };
    let free = (1..).map(numbered).find(|name| !used.contains(name));
    let free = free.unwrap_or(name.clone());
    used.push(free.clone());
    free
}
