//! `atrest file shred`: overwritten, cut to nothing, renamed, removed. What that is
//! worth depends on what lies below the file system, and the verb says so.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, anyhow, bail};
use rustix::fs::OFlags;

use super::place::sync_folder;
use super::report::FileReport;
use crate::Outcome;
use crate::args::{Global, ShredFileArgs};
use crate::byte_progress::ByteProgress;
use crate::output::{Envelope, bytes, line, warn};

/// Random bytes that are drawn and written at a time.
const BLOCK: usize = 1 << 20;

const LIMITS: &str = "the old bytes may still be readable: on copy-on-write file systems, in journals that hold data, on SSDs and flash, \
     in snapshots, backups and caches; there, only erasing the whole device does it (NIST SP 800-88 Rev. 1)";

/// Runs the verb. Every file is looked at before the first is touched.
pub(super) fn run(args: &ShredFileArgs, global: &Global) -> anyhow::Result<Outcome> {
    let begin = Instant::now();
    let mut files = Vec::new();
    for path in &args.files {
        files.push((path, open(path, args.hard_links)?));
    }
    let question = match args.files.as_slice() {
        [one] => format!("Overwrite and remove {}?", one.display()),
        more => format!("Overwrite and remove {} files?", more.len()),
    };
    crate::verbs::confirm_for_ever(&question, args.yes, global)?;

    let mut reports = Vec::new();
    for (path, (file, about)) in files {
        shred(path, file, &about, global)
            .with_context(|| format!("cannot shred {}", path.display()))?;
        reports.push(FileReport::new(path.display().to_string(), "shredded"));
        if !global.json {
            let length = bytes(about.len());
            line(&format!(
                "{}: overwritten ({length}) and removed",
                path.display()
            ));
        }
    }
    if global.json {
        warn(LIMITS);
        let seconds = begin.elapsed().as_secs_f64();
        Envelope::new("file shred", true, Vec::<()>::new(), seconds)
            .files(&reports)?
            .print()?;
    } else {
        line(&format!("This is no proof: {LIMITS}."));
    }
    Ok(Outcome::Clean)
}

/// Opens a plain file that has this name only, to be overwritten.
fn open(path: &Path, hard_links: bool) -> anyhow::Result<(File, Metadata)> {
    let name = path.display();
    let about = fs::symlink_metadata(path).with_context(|| format!("cannot look at {name}"))?;
    if about.is_symlink() {
        bail!("{name} is a symbolic link; nothing was changed: name the file that it points to");
    }
    if about.is_dir() {
        bail!("{name} is a folder; nothing was changed: name the files in it");
    }
    if !about.is_file() {
        bail!("{name} is no plain file; nothing was changed");
    }
    // Not through a link that was put there in between.
    let no_follow = i32::try_from(OFlags::NOFOLLOW.bits()).unwrap_or_default();
    let file = OpenOptions::new()
        .write(true)
        .custom_flags(no_follow)
        .open(path)
        .with_context(|| format!("cannot write to {name}; nothing was changed"))?;
    let opened = file
        .metadata()
        .with_context(|| format!("cannot look at {name}"))?;
    if !is_same(&opened, &about) {
        bail!("{name} was replaced just now; nothing was changed: run the command again");
    }
    if opened.nlink() > 1 && !hard_links {
        bail!(
            "{name} has {} names (hard links), and shredding one empties all; nothing was changed: --hard-links does it",
            opened.nlink()
        );
    }
    Ok((file, opened))
}

/// One file, whatever its names.
fn is_same(one: &Metadata, other: &Metadata) -> bool {
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

fn shred(path: &Path, mut file: File, about: &Metadata, global: &Global) -> anyhow::Result<()> {
    // It may have grown while somebody was asked.
    let length = file.metadata()?.len();
    let progress = ByteProgress::new(
        format!("overwriting {}", path.display()),
        Some(length),
        global.json,
    );
    let mut block = vec![0; BLOCK];
    let mut done = 0;
    while done < length {
        let now = usize::try_from(length - done).map_or(BLOCK, |left| left.min(BLOCK));
        let now = &mut block[..now];
        random(now)?;
        file.write_all(now)?;
        done += now.len() as u64;
        progress.at(done);
    }
    // Each step is durable before the next: a file that is removed first is not written.
    file.sync_all()?;
    file.set_len(0)?;
    file.sync_all()?;
    drop(file);
    // Whoever saves a file anew gives its name to another.
    let now = fs::symlink_metadata(path)?;
    if !is_same(&now, about) {
        bail!("it was overwritten, and its name is another file's by now, which was left as it is");
    }
    let unnamed = renamed(path)?;
    fs::remove_file(&unnamed)?;
    sync_folder(path)?;
    Ok(())
}

/// Takes the name away, which may tell something too.
fn renamed(path: &Path) -> anyhow::Result<PathBuf> {
    let mut name = [0; 16];
    random(&mut name)?;
    let name: String = name.iter().map(|byte| format!("{byte:02x}")).collect();
    let new = path.with_file_name(name);
    fs::rename(path, &new)?;
    sync_folder(path)?;
    Ok(new)
}

fn random(bytes: &mut [u8]) -> anyhow::Result<()> {
    aws_lc_rs::rand::fill(bytes)
        .map_err(|_| anyhow!("the operating system gave no random bytes; try again"))
}
