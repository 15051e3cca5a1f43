//! `atrest file verify`: every chunk opens, or what is wrong; nothing is written.

use std::path::Path;
use std::time::Instant;

use atrest_core::object::{ObjectError, clear_len};
use atrest_engine::subjects::SubjectError;
use atrest_media::{FileKeys, MediaError};

use super::place::Source;
use super::report::FileReport;
use super::threads;
use crate::Outcome;
use crate::args::{Global, VerifyFileArgs};
use crate::byte_progress::ByteProgress;
use crate::output::{Envelope, count, line, print, table};
use crate::session::Session;

/// Runs the verb.
pub(super) fn run(args: &VerifyFileArgs, global: &Global) -> anyhow::Result<Outcome> {
    let begin = Instant::now();
    let session = Session::load(global)?;
    let mut reports = Vec::new();
    for path in &args.files {
        let id = session.logical_id(&args.id, Some(path))?;
        let keys = session.keys_at(Some(path), false)?;
        reports.push(look(path, &keys, &id, global));
    }
    let clean = reports.iter().all(|report| report.problem.is_none());
    if global.json {
        let seconds = begin.elapsed().as_secs_f64();
        Envelope::new("file verify", clean, Vec::<()>::new(), seconds)
            .files(&reports)?
            .print()?;
    } else {
        show(&reports);
    }
    Ok(Outcome::from_clean(clean))
}

fn look(path: &Path, keys: &FileKeys, id: &[u8], global: &Global) -> FileReport {
    let name = path.display().to_string();
    let source = match Source::open(Some(path)) {
        Ok(source) => source,
        Err(error) => {
            let mut report = FileReport::new(name, "unreadable");
            report.problem = Some(format!("{error:#}"));
            return report;
        }
    };
    let total = source.length.and_then(|length| clear_len(length).ok());
    let progress = ByteProgress::new(format!("reading {name}"), total, global.json);
    let nowhere = std::io::sink();
    let opened = atrest_media::open(
        source.file,
        nowhere,
        keys.keyring(),
        id,
        threads(),
        &|done| progress.at(done),
    );
    let opened = opened.map_err(|error| keys.explained(error));
    match opened {
        Ok(opened) => {
            FileReport::new(name, "sealed").object(opened.key, opened.clear, opened.sealed)
        }
        Err(error) => {
            let state = match &error {
                MediaError::Object(ObjectError::NotAnObject) => "not-an-object",
                MediaError::Object(_) | MediaError::Keys(SubjectError::Wrapped { .. }) => {
                    "undecryptable"
                }
                MediaError::Forgotten(_) => "forgotten",
                MediaError::ToBeForgotten(_) => "to-be-forgotten",
                _ => "unreadable",
            };
            let mut report = FileReport::new(name, state);
            report.sealed_bytes = source.length;
            report.key_id = match &error {
                MediaError::Object(ObjectError::UnknownKey(key)) => Some(key.to_string()),
                MediaError::Object(ObjectError::Unbound { key }) => Some(key.to_string()),
                MediaError::Forgotten(key) | MediaError::ToBeForgotten(key) => {
                    Some(key.to_string())
                }
                _ => None,
            };
            report.problem = Some(error.to_string());
            report
        }
    }
}

fn show(reports: &[FileReport]) {
    let mut files = table(&["file", "clear bytes", "key", ""], 1..2);
    for report in reports {
        files.add_row([
            report.file.clone(),
            report.clear_bytes.map_or("-".to_owned(), count),
            report.key_id.clone().unwrap_or("-".to_owned()),
            if report.problem.is_none() {
                "ok".to_owned()
            } else {
                report.state.to_owned()
            },
        ]);
    }
    print(&files);
    for report in reports {
        if let Some(problem) = &report.problem {
            line(&format!("  {}: {problem}", report.file));
        }
    }
}
