//! `atrest file mv`: an object that is bound to its path, sealed anew under another.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Instant;

use anyhow::{Context as _, bail};
use atrest_media::ObjectReader;

use super::place::{NewFile, Source, sync_folder};
use super::report::FileReport;
use super::threads;
use crate::Outcome;
use crate::args::{Global, MoveFileArgs};
use crate::byte_progress::ByteProgress;
use crate::output::{Envelope, bytes, line};
use crate::session::Session;

/// Runs the verb.
pub(super) fn run(args: &MoveFileArgs, global: &Global) -> anyhow::Result<Outcome> {
    let begin = Instant::now();
    let session = Session::load(global)?;
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
    let failed = || format!("cannot move {name}, and left it as it is");
    let reader = ObjectReader::new(source.file, session.keyring(), &old).with_context(failed)?;
    let progress = ByteProgress::new(format!("moving {name}"), source.length, global.json);
    // No more people may read it than before.
    let mode = about.permissions().mode() & 0o777;
    let mut to = NewFile::begin(&args.to, args.force, mode)?;
    let keyring = session.keyring();
    let at = |done| progress.at(done);
    let sealed = atrest_media::seal(reader, to.file(), keyring, &new, threads(), &at);
    let sealed = sealed.with_context(failed)?;
    to.finish()?;
    drop(progress);
    fs::remove_file(&args.from)
        .and_then(|()| sync_folder(&args.from))
        .with_context(|| {
            format!(
                "{} is there, and {name} could not be removed; remove it",
                args.to.display()
            )
        })?;
    let report = FileReport::new(args.to.display().to_string(), "sealed");
    let report = report.object(sealed.key, sealed.clear, sealed.sealed);
    if global.json {
        let seconds = begin.elapsed().as_secs_f64();
        Envelope::new("file mv", true, Vec::<()>::new(), seconds)
            .files(&[report])?
            .print()?;
    } else {
        line(&format!(
            "{name} -> {}, {} clear",
            report.file,
            bytes(sealed.clear)
        ));
    }
    Ok(Outcome::Clean)
}
