//! `atrest inspect LOCATION PATH`: one file of the policy.

use std::path::Path;
use std::time::Instant;

use anyhow::bail;
use atrest_core::object::sealed_len;
use atrest_engine::policy::FilesPolicy;
use atrest_media::folder::{Report, Skipped, Why};

use crate::Outcome;
use crate::args::{Global, InspectArgs};
use crate::files::Location;
use crate::output::{Envelope, bytes, line};
use crate::session::Connected;
use crate::verbs::file::FileReport;

/// Runs the verb.
pub(super) async fn run(
    args: &InspectArgs,
    files: &FilesPolicy,
    connected: &Connected,
    global: &Global,
) -> anyhow::Result<Outcome> {
    let begin = Instant::now();
    let session = &connected.session;
    let [path] = args.key.as_slice() else {
        bail!(
            "{} is a location of files; name one file by its path below it",
            files.location
        );
    };
    if (args.reveal || args.column.is_some()) && files.bucket().is_some() {
        bail!(
            "--reveal and --column are for values of columns; atrest serve gives clear objects of a bucket"
        );
    }
    if args.reveal || args.column.is_some() {
        bail!(
            "--reveal and --column are for values of columns; atrest file cat {}/{path} prints the clear file",
            files.location
        );
    }
    let keys = session.keys_of(files).await?;
    let found = match Location::open(files, session).await? {
        Location::Folder(folder) => {
            tokio::task::block_in_place(|| folder.inspect(Path::new(path), &keys))?
        }
        Location::Bucket(bucket) => bucket.inspect(path, &keys).await?,
    };
    if let Some(Skipped {
        why: Why::Vanished, ..
    }) = found.skipped.first()
    {
        bail!(
            "there is no file {path} in {}; give its path below that location",
            files.location
        );
    }
    let report = describe(path, &found, files);
    let clean = report.state == "sealed";
    if global.json {
        Envelope::new(
            "inspect",
            clean,
            Vec::<()>::new(),
            begin.elapsed().as_secs_f64(),
        )
        .files(&[report])?
        .print()?;
    } else {
        show(&report, files);
    }
    Ok(Outcome::from_clean(clean))
}

/// The report of one file, as one file.
fn describe(path: &str, found: &Report, files: &FilesPolicy) -> FileReport {
    let file = format!("{}/{path}", files.location);
    if let Some(key) = found.only_key {
        let sealed = found.sealed.values().next().unwrap_or(&found.by_subject);
        let length = sealed_len(sealed.bytes).unwrap_or(u64::MAX);
        return FileReport::new(file, "sealed").object(key, sealed.bytes, length);
    }
    if found.forgotten > 0 {
        let mut report = FileReport::new(file, "forgotten");
        let problem = "its key was destroyed when the subject that its name says was forgotten";
        report.problem = Some(problem.to_owned());
        return report;
    }
    if found.to_be_forgotten > 0 {
        let mut report = FileReport::new(file, "to-be-forgotten");
        let problem = "its key is not used, since the subject that its name says is to be forgotten; until that is done, atrest forget SUBJECT --undo takes it back";
        report.problem = Some(problem.to_owned());
        return report;
    }
    if let Some(bad) = found.undecryptable.first() {
        let mut report = FileReport::new(file, "undecryptable");
        report.key_id = bad.unknown_key.map(|key| key.to_string());
        report.problem = Some(bad.problem.clone());
        return report;
    }
    if let Some(skipped) = found.skipped.first() {
        let mut report = FileReport::new(file, "skipped");
        report.problem = Some(skipped.why.to_string());
        return report;
    }
    let mut report = FileReport::new(file, "plaintext");
    report.clear_bytes = Some(found.clear.bytes);
    report
}

fn show(report: &FileReport, files: &FilesPolicy) {
    let length = report.clear_bytes.map(|n| format!(", {} clear", bytes(n)));
    line(&format!(
        "{}: {}{}",
        report.file,
        report.state,
        length.unwrap_or_default()
    ));
    if let Some(key) = &report.key_id {
        line(&format!("  suite:  {}", FilesPolicy::SUITE));
        line(&format!("  key:    {key}"));
        line(&format!("  bind:   {}", files.bind.name()));
    }
    if let Some(problem) = &report.problem {
        line(&format!("  {problem}"));
    }
}
