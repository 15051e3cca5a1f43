//! `atrest subject`: what is kept of a person.

mod files;

use std::io::{BufWriter, Write};
use std::time::Instant;

use anyhow::{Context as _, bail};
use atrest_engine::subjects::{Belonging, SubjectError, SubjectState};
use jiff::Timestamp;

use super::forget::{has_belongings, subjects};
use crate::Outcome;
use crate::args::{Global, SubjectArgs, SubjectCommand, SubjectExportArgs, SubjectNameArgs};
use crate::output::{Envelope, count, line};
use crate::session::Connected;

/// Runs the verb.
pub(crate) async fn run(args: &SubjectArgs, global: &Global) -> anyhow::Result<Outcome> {
    let connected = Connected::open(global).await?;
    let done = match &args.command {
        SubjectCommand::Export(args) => export(args, &connected, global).await,
        SubjectCommand::Show(args) => show(args, &connected, global).await,
    };
    connected.close().await;
    done
}

/// Every value of the subject as a line of JSON, and with `--files` every file.
async fn export(
    args: &SubjectExportArgs,
    connected: &Connected,
    global: &Global,
) -> anyhow::Result<Outcome> {
    let known = subjects(connected)?;
    let tag = known.tag(&args.subject);
    let has_keys = known.state(&tag).await?.is_some();
    if !has_keys && !has_belongings(connected, &args.subject).await? {
        bail!(
            "nothing is kept of this subject: it has no key, and no row or file of the policy's columns and locations is its own; check its spelling, which is that of the column or path that the policy names as `subject`"
        );
    }
    // Before the first value is written.
    if let Some(to) = &args.files {
        files::make_folder(connected, to)?;
    }
    let mut out: Box<dyn Write + Send> = match &args.out {
        None => Box::new(std::io::stdout()),
        Some(path) => {
            let mut options = std::fs::OpenOptions::new();
            options.write(true).create_new(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            Box::new(options.open(path).with_context(|| {
                format!(
                    "cannot make {}; an export is never written over a file: name a new one",
                    path.display()
                )
            })?)
        }
    };
    let mut out = BufWriter::new(&mut out);
    let (mut values, mut closed, mut forgotten, mut pending) = (0_u64, 0_u64, 0_u64, 0_u64);
    let mut failed = None;
    let with_subject = |c: &&&atrest_engine::policy::ColumnPolicy| c.subject.is_some();
    for column in connected.columns(global)?.iter().filter(with_subject) {
        let mut give = |one: Belonging| {
            values += 1;
            closed += u64::from(one.state == "undecryptable");
            forgotten += u64::from(one.state == "forgotten");
            pending += u64::from(one.state == "to-be-forgotten");
            let written = serde_json::to_writer(&mut out, &one)
                .map_err(Into::into)
                .and_then(|()| out.write_all(b"\n"));
            failed = failed.take().or(written.err());
        };
        let engine = connected.engine()?;
        engine.export(column, &args.subject, &mut give).await?;
    }
    if let Some(error) = failed {
        return Err(error).context("the export cannot be written");
    }
    let of_files = match &args.files {
        Some(to) => files::export(connected, &args.subject, to, &mut out, global).await?,
        None => Vec::new(),
    };
    out.flush().context("the export cannot be written")?;
    for counts in &of_files {
        eprintln!("{}", counts.told());
    }
    let has_files = connected.files(global)?.iter().any(|f| f.subject.is_some());
    if has_files && args.files.is_none() {
        eprintln!("note: the subject's files are not in it; --files FOLDER gives them");
    }
    eprintln!(
        "{} values, of which {} do not open, {} were forgotten and {} are to be forgotten",
        count(values),
        count(closed),
        count(forgotten),
        count(pending)
    );
    let left: u64 = of_files
        .iter()
        .map(|it| it.undecryptable + it.skipped + it.to_be_forgotten)
        .sum();
    // What is to be forgotten is there, and was not given.
    Ok(match closed + pending + left {
        0 => Outcome::Clean,
        _ => Outcome::Left,
    })
}

async fn show(
    args: &SubjectNameArgs,
    connected: &Connected,
    global: &Global,
) -> anyhow::Result<Outcome> {
    let begin = Instant::now();
    let subjects = subjects(connected)?;
    let tag = subjects.tag(&args.subject);
    let state = subjects.state(&tag).await?;
    let state = state.ok_or(SubjectError::Unknown { tag })?;
    if global.json {
        let columns: Vec<()> = Vec::new();
        Envelope::new("subject show", true, columns, begin.elapsed().as_secs_f64())
            .with("subject", &state)?
            .print()?;
    } else {
        text(&state);
    }
    Ok(Outcome::Clean)
}

fn text(state: &SubjectState) {
    line(&format!("subject {}", state.tag));
    for key in &state.keys {
        line(&match key.destroyed {
            None => format!("key {} made {}", key.id, key.created),
            Some(at) => format!("key {} made {}, destroyed {at}", key.id, key.created),
        });
    }
    if state.begun {
        line("being forgotten, which cannot be undone; atrest forget --due finishes it");
    } else if let Some(until) = state.undo_until {
        line(&match until <= Timestamp::now() {
            true => format!(
                "to be forgotten by the next atrest forget --due; the time to undo that ended {until}"
            ),
            false => format!("to be forgotten; can be undone until {until}"),
        });
    }
    if let Some(reason) = &state.hold {
        line(&format!("held: {reason}"));
    }
}
