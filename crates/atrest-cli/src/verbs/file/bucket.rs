//! `atrest file cat` and `mv` of objects in a bucket, by their URLs below a location of the
//! policy.

use std::io::{self, Write as _};
use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, anyhow, bail};
use atrest_engine::policy::FilesPolicy;
use atrest_media::Keys;
use atrest_media::bucket::{Bucket, Options, Progress};
use futures::TryStreamExt as _;
use object_store::{Error, GetOptions, GetRange, ObjectStore as _};

use super::place::standard_output;
use super::report::FileReport;
use super::{ByteRange, mv};
use crate::Outcome;
use crate::args::{CatFileArgs, Global, MoveFileArgs};
use crate::progress;
use crate::session::Session;
use crate::stop;

/// What is no path of the local disk.
pub(super) fn url(path: &Path) -> Option<&str> {
    path.to_str().filter(|text| text.starts_with("s3://"))
}

/// The location that an object is below, and its name there.
async fn find<'u>(url: &'u str, session: &Session) -> anyhow::Result<(Bucket, &'u str, Keys)> {
    let policy = &session.policy;
    let below = |files: &FilesPolicy| {
        let location = files.bucket()?.trim_end_matches('/');
        url.strip_prefix(location)?.strip_prefix('/')
    };
    let mut found = policy.files.iter().filter_map(|it| Some((it, below(it)?)));
    let (files, name) = found.next().with_context(|| {
        format!(
            "{url} is below no [[files]] of {}; name an object below a location that stands there",
            policy.origin
        )
    })?;
    let keys = session.keys_of(files).await?;
    Ok((Bucket::of(files, session.aws())?, name, keys))
}

/// `atrest file mv`.
pub(super) async fn mv(
    (from, to): (&str, &str),
    args: &MoveFileArgs,
    session: &Session,
    global: &Global,
) -> anyhow::Result<Outcome> {
    let begin = Instant::now();
    if args.force {
        bail!(
            "--force is about files on the local disk: nothing in a bucket is overwritten; remove {to} first"
        );
    }
    let quiet = |bucket: Bucket| bucket.assume_quiet(args.assume_quiet);
    let (old, old_name, opens) = find(from, session).await?;
    let (new, new_name, seals) = find(to, session).await?;
    let (old, new) = (quiet(old), quiet(new));
    let bar = progress::Progress::new(global.json);
    let options = Options {
        workers: 1,
        progress: &|Progress { files, bytes }| bar.files_at(files, bytes),
        stop: stop::on_signals(),
    };
    bar.files(from, "moving", || 1);
    let (to_there, keys) = ((&new, new_name), (&opens, &seals));
    let moved = old.rename_between(old_name, to_there, keys, &options);
    let moved = moved.await;
    bar.clear();
    let moved = moved?;
    let report = FileReport::new(to.to_owned(), "sealed");
    let report = report.object(moved.key, moved.clear, moved.sealed);
    mv::say(from, report, begin, global)?;
    Ok(Outcome::Clean)
}

/// `atrest file cat`.
pub(super) async fn cat(
    url: &str,
    args: &CatFileArgs,
    session: &Session,
) -> anyhow::Result<Outcome> {
    if args.id.name.is_some() {
        bail!("what {url} is bound to, its location says; run it without --id");
    }
    let (bucket, name, keys) = find(url, session).await?;
    let store = bucket.sealed_store(keys);
    let failed = |error| match error {
        Error::NotFound { .. } => anyhow!("there is no object {url}; check its name"),
        error => anyhow!(error).context(format!("cannot open {url}")),
    };
    let path = object_store::path::Path::parse(name).map_err(|error| failed(error.into()))?;
    let mut options = GetOptions::new();
    if let Some(range) = args.range {
        let (_, length) = store.prove(&path).await.map_err(failed)?;
        let range = match range {
            ByteRange::From(from, _) if from > 0 && from >= length => bail!(
                "the range begins at {from}, and {url} holds {length} clear bytes; begin before that"
            ),
            ByteRange::From(from, to) => {
                from..to.map_or(length, |to| to.saturating_add(1).min(length))
            }
            ByteRange::Last(last) => length.saturating_sub(last)..length,
        };
        if range.is_empty() {
            return Ok(Outcome::Clean);
        }
        options = options.with_range(Some(GetRange::Bounded(range)));
    }
    let content = store.get_opts(&path, options).await.map_err(failed)?;
    let mut pieces = content.into_stream();
    let mut out = standard_output()?;
    loop {
        let piece = pieces.try_next().await.with_context(|| {
            format!(
                "cannot read all of {url}; what was written to standard output before is incomplete"
            )
        })?;
        let Some(piece) = piece else {
            return Ok(Outcome::Clean);
        };
        match out.write_all(&piece) {
            Ok(()) => {}
            // Who reads has enough.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(Outcome::Clean),
            Err(error) => return Err(error).context("cannot write to standard output"),
        }
    }
}
