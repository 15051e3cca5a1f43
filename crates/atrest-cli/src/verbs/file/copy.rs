//! `atrest file seal` and `open`.

use std::fs::File;
use std::io::{Cursor, IsTerminal as _, Read};
use std::time::Instant;

use anyhow::{Context as _, bail};
use atrest_core::object::{ObjectError, ObjectHeader, clear_len};
use atrest_media::OldReader;

use super::place::{NewFile, Source, named, standard_output};
use super::pour::{Failed, pour};
use super::report::FileReport;
use super::threads;
use crate::Outcome;
use crate::args::{CopyArgs, Global, OpenFileArgs, SealFileArgs};
use crate::byte_progress::ByteProgress;
use crate::output::{Envelope, bytes, line, warn};
use crate::session::Session;

/// Runs `atrest file seal`.
pub(super) fn seal(args: &SealFileArgs, global: &Global) -> anyhow::Result<Outcome> {
    let copy = &args.copy;
    if named(copy.to.as_deref()).is_none() && std::io::stdout().is_terminal() {
        bail!("encrypted bytes are not for a terminal; name OUT, or redirect standard output");
    }
    let session = Session::load(global)?;
    let mut source = Source::open(copy.from.as_deref())?;
    let name = source.name.clone();
    let mut start = Vec::new();
    let begin_of = Read::by_ref(&mut source.file)
        .take(16)
        .read_to_end(&mut start);
    begin_of.with_context(|| format!("cannot read {name}"))?;
    if !args.again && !matches!(ObjectHeader::read(&start), Err(ObjectError::NotAnObject)) {
        bail!("{name} is encrypted already; --again encrypts it once more");
    }
    let id = session.logical_id(&copy.id, named(copy.to.as_deref()))?;
    let total = source.length;
    let reader = Cursor::new(start).chain(source.file);
    let reader = clear_of(reader, &name, copy, &session)?;
    let keys = session.keys_at(named(copy.to.as_deref()), true)?;
    let keyring = keys.sealing()?;
    // An encrypted file may be read by whom the umask says.
    written(copy, global, "file seal", 0o666, |out| {
        let progress = ByteProgress::new(format!("sealing {name}"), total, global.json);
        let sealed = atrest_media::seal(reader, out, keyring, &id, threads(), &|done| {
            progress.at(done);
        })
        .with_context(|| format!("cannot seal {name}"))?;
        Ok(
            FileReport::new(String::new(), "sealed").object(
                sealed.key,
                sealed.clear,
                sealed.sealed,
            ),
        )
    })
}

/// Runs `atrest file open`.
pub(super) fn open(args: &OpenFileArgs, global: &Global) -> anyhow::Result<Outcome> {
    let copy = &args.copy;
    let session = Session::load(global)?;
    let Source { file, name, length } = Source::open(copy.from.as_deref())?;
    let old = copy.old.format.is_some();
    if old && copy.id.name.is_some() {
        bail!("what an earlier system encrypted is bound to no name; leave --id out");
    }
    let id = session.logical_id(&copy.id, named(copy.from.as_deref()))?;
    let total = match length {
        Some(length) if !old => clear_len(length).ok(),
        length => length,
    };
    let keys = session.keys_at(named(copy.from.as_deref()), false)?;
    let mut reader = clear_of(file, &name, copy, &session)?;
    let streamed = named(copy.to.as_deref()).is_none();
    // A bar and clear text do not go on one terminal.
    let quiet = global.json || streamed && std::io::stdout().is_terminal();
    written(copy, global, "file open", 0o600, |out| {
        let progress = ByteProgress::new(format!("opening {name}"), total, quiet);
        let at = |done| progress.at(done);
        let failed = || match streamed {
            true => format!(
                "cannot open {name}; what was written to standard output before is incomplete: do not use it"
            ),
            false => format!("cannot open {name}"),
        };
        let report = FileReport::new(String::new(), "opened");
        if old {
            let clear = match pour(&mut reader, out, at) {
                Ok(clear) => clear,
                Err(Failed::Reading(error)) => return Err(error).with_context(failed),
                Err(Failed::Writing(error)) => return Err(error).context("cannot write"),
            };
            return Ok(report.old(clear, length));
        }
        let opened = atrest_media::open(reader, out, keys.keyring(), &id, threads(), &at)
            .map_err(|error| keys.explained(error))
            .with_context(failed)?;
        Ok(report.object(opened.key, opened.clear, opened.sealed))
    })
}

/// IN as it is, or what an earlier system's file decrypts to.
fn clear_of(
    reader: impl Read + Send + 'static,
    name: &str,
    copy: &CopyArgs,
    session: &Session,
) -> anyhow::Result<Box<dyn Read + Send>> {
    let (Some(format), Some(key)) = (copy.old.format, &copy.old.key) else {
        return Ok(Box::new(reader));
    };
    let keyring = session.other_keys(key)?.keyring;
    if !format.is_authenticated() {
        warn(&format!(
            "{name}: {format} has no MAC, so nothing tells whether somebody changed it; compare what comes out with something that knows better"
        ));
    }
    Ok(Box::new(OldReader::new(reader, format, &keyring)))
}

/// Lets `work` write to OUT, which then appears whole, or to standard output; says
/// what was done.
fn written(
    copy: &CopyArgs,
    global: &Global,
    command: &'static str,
    mode: u32,
    work: impl FnOnce(&mut File) -> anyhow::Result<FileReport>,
) -> anyhow::Result<Outcome> {
    let begin = Instant::now();
    let Some(path) = named(copy.to.as_deref()) else {
        if global.json {
            bail!(
                "standard output cannot hold both the file and the JSON object; name OUT, or leave --json out"
            );
        }
        work(&mut standard_output()?)?;
        return Ok(Outcome::Clean);
    };
    let mut new = NewFile::begin(path, copy.force, mode)?;
    let mut report = work(new.file())?;
    new.finish()?;
    report.file = path.display().to_string();
    if global.json {
        Envelope::new(
            command,
            true,
            Vec::<()>::new(),
            begin.elapsed().as_secs_f64(),
        )
        .files(&[report])?
        .print()?;
    } else {
        line(&format!(
            "{}: {}, {} clear{}",
            report.file,
            report.state,
            bytes(report.clear_bytes.unwrap_or_default()),
            report
                .key_id
                .map(|id| format!(", key {id}"))
                .unwrap_or_default(),
        ));
    }
    Ok(Outcome::Clean)
}
