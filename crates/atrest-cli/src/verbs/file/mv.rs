//! `atrest file mv`: an object that is bound to its path, sealed anew under another.

use std::fs::{self, File, Metadata};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, bail};
use atrest_media::{ObjectReader, folder};

use super::place::{NewFile, Source, sync_folder};
use super::report::FileReport;
use super::{bucket, threads};
use crate::Outcome;
use crate::args::{Global, MoveFileArgs};
use crate::byte_progress::ByteProgress;
use crate::output::{Envelope, bytes, line};
use crate::session::Session;

/// Runs the verb.
pub(super) async fn run(args: &MoveFileArgs, global: &Global) -> anyhow::Result<Outcome> {
    let begin = Instant::now();
    let session = Session::load(global)?;
    match (bucket::url(&args.from), bucket::url(&args.to)) {
        (Some(from), Some(to)) => return bucket::mv((from, to), args, &session, global).await,
        (None, None) => {}
        _ => bail!(
            "one of {} and {} is in a bucket and the other on the local disk; mv moves within the one or the other: use atrest file open, and atrest serve or an S3 program",
            args.from.display(),
            args.to.display()
        ),
    }
    if args.assume_quiet {
        bail!("--assume-quiet is about buckets; run it without");
    }
    let source = Source::open(Some(&args.from))?;
    let name = source.name.clone();
    let about = fs::symlink_metadata(&args.from);
    let about = about.with_context(|| format!("cannot look at {name}"))?;
    if !about.is_file() {
        bail!("{name} is no plain file; name the file itself");
    }
    if let (Ok(from), Ok(to)) = (fs::canonicalize(&args.from), fs::canonicalize(&args.to))
        && from == to
    {
        bail!("{name} has that name already");
    }
    let (old, new) = (session.id_of(&args.from)?, session.id_of(&args.to)?);
    let from_keys = session.keys_at(Some(&args.from), false)?;
    let failed = || format!("cannot move {name}, and left it as it is");
    let kept = source.file.try_clone().with_context(failed)?;
    let reader = ObjectReader::new(source.file, from_keys.keyring(), &old);
    let reader = reader
        .map_err(|error| from_keys.explained(error))
        .with_context(failed)?;
    // Another subject's name takes it under that one's key.
    let to_keys = session.keys_at(Some(&args.to), true)?;
    let keyring = to_keys.sealing().with_context(failed)?;
    let progress = ByteProgress::new(format!("moving {name}"), source.length, global.json);
    // No more people may read it than before.
    let mode = about.permissions().mode() & 0o777;
    if let Some(folder) = args.to.parent() {
        fs::create_dir_all(folder)
            .with_context(|| format!("cannot make the folder {}", folder.display()))?;
    }
    let mut to = NewFile::begin(&args.to, args.force, mode)?;
    let at = |done| progress.at(done);
    let sealed = atrest_media::seal(reader, to.file(), keyring, &new, threads(), &at);
    let sealed = sealed.with_context(failed)?;
    folder::carry_over(&kept, to.file()).with_context(failed)?;
    to.finish()?;
    drop(progress);
    if !is_still(&kept, &about, &args.from) {
        bail!(
            "{} is there, and {name} was changed or replaced meanwhile, so it was left; look at both, and remove the one that is not wanted",
            args.to.display()
        );
    }
    fs::remove_file(&args.from)
        .and_then(|()| sync_folder(&args.from))
        .with_context(|| {
            format!(
                "{} is there, and {name} could not be removed; remove it",
                args.to.display()
            )
        })?;
    let to = args.to.display().to_string();
    let report = FileReport::new(to, "sealed").object(sealed.key, sealed.clear, sealed.sealed);
    say(&name, report, begin, global)?;
    Ok(Outcome::Clean)
}

/// What was moved, and what it is now.
pub(super) fn say(
    from: &str,
    to: FileReport,
    begin: Instant,
    global: &Global,
) -> anyhow::Result<()> {
    if global.json {
        let seconds = begin.elapsed().as_secs_f64();
        return Envelope::new("file mv", true, Vec::<()>::new(), seconds)
            .files(&[to])?
            .print();
    }
    let clear = to.clear_bytes.unwrap_or_default();
    line(&format!("{from} -> {}, {} clear", to.file, bytes(clear)));
    Ok(())
}

/// Whether the file is what it was when it was opened, and still the one of its name.
fn is_still(file: &File, before: &Metadata, path: &Path) -> bool {
    let identity = |about: &Metadata| {
        let changed = (about.ctime(), about.ctime_nsec());
        (about.dev(), about.ino(), about.len(), changed)
    };
    let same =
        |now: std::io::Result<Metadata>| now.is_ok_and(|now| identity(&now) == identity(before));
    same(file.metadata()) && same(fs::symlink_metadata(path))
}
