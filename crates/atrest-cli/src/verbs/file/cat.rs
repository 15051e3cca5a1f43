//! `atrest file cat`: any part of an encrypted file.

use std::io::{self, Read as _, Seek as _, SeekFrom};

use anyhow::{Context as _, bail};
use atrest_media::ObjectReader;

use super::place::{Source, standard_output};
use super::pour::{Failed, pour};
use super::{ByteRange, bucket};
use crate::Outcome;
use crate::args::{CatFileArgs, Global};
use crate::session::Session;

/// Runs the verb.
pub(super) async fn run(args: &CatFileArgs, global: &Global) -> anyhow::Result<Outcome> {
    if global.json {
        bail!("cat prints the file itself; run it without --json");
    }
    let session = Session::load(global)?;
    if let Some(url) = bucket::url(&args.file) {
        return bucket::cat(url, args, &session).await;
    }
    let source = Source::open(Some(&args.file))?;
    let name = &source.name;
    if source.length.is_none() {
        bail!("{name} is no plain file, and parts need one; use atrest file open");
    }
    let failed = || format!("cannot open {name}");
    let id = session.logical_id(&args.id, Some(&args.file))?;
    let keys = session.keys_at(Some(&args.file), false)?;
    let reader = ObjectReader::new(source.file, keys.keyring(), &id);
    let mut reader = reader
        .map_err(|error| keys.explained(error))
        .with_context(failed)?;

    let (from, most) = match args.range {
        None => (0, None),
        Some(ByteRange::From(from, None)) => (from, None),
        Some(ByteRange::From(from, Some(to))) => (from, Some((to - from).saturating_add(1))),
        Some(ByteRange::Last(last)) => {
            let length = reader.len().with_context(failed)?;
            (length.saturating_sub(last), Some(last))
        }
    };
    reader.seek(SeekFrom::Start(from)).with_context(failed)?;
    let mut part = reader.by_ref().take(most.unwrap_or(u64::MAX));
    let mut out = standard_output()?;
    let written = match pour(&mut part, &mut out, |_| {}) {
        Ok(written) => written,
        // Who reads has enough.
        Err(Failed::Writing(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            return Ok(Outcome::Clean);
        }
        Err(Failed::Writing(error)) => {
            return Err(error).context("cannot write to standard output");
        }
        Err(Failed::Reading(error)) => {
            return Err(error).with_context(|| {
                format!("cannot read all of {name}; what was written to standard output before is incomplete")
            });
        }
    };
    if written == 0 && from > 0 && most != Some(0) {
        let length = reader.len().with_context(failed)?;
        bail!(
            "the range begins at {from}, and {name} holds {length} clear bytes; begin before that"
        );
    }
    Ok(Outcome::Clean)
}
