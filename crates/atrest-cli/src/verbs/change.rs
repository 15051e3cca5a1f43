//! `atrest encrypt`, `rotate` and `decrypt`.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Context as _;
use atrest_core::ExternalKeys;
use atrest_engine::backup::{self, Backups};
use atrest_engine::policy::Policy;
use atrest_engine::report::{ColumnReport, FilesReport};
use atrest_engine::subjects::Rewrapped;
use atrest_engine::{Operation, RunOptions};
use atrest_media::folder;

use crate::Outcome;
use crate::args::{ChangeArgs, EncryptArgs, Global};
use crate::files::Locations;
use crate::output::{Envelope, count, line, rate, warn};
use crate::session::{Connected, Session, options};

/// Runs `atrest encrypt`.
pub(crate) async fn encrypt(args: &EncryptArgs, global: &Global) -> anyhow::Result<Outcome> {
    if args.purge_versions {
        super::confirm(
            "Remove old clear versions from the policy's buckets, for ever?",
            args.change.yes,
            global,
        )?;
    }
    run(
        Operation::Encrypt,
        &args.change,
        Some(args),
        Vec::new(),
        global,
    )
    .await
}

/// Runs the verb. `more` goes into its JSON.
pub(crate) async fn run(
    operation: Operation,
    args: &ChangeArgs,
    encrypt: Option<&EncryptArgs>,
    more: Vec<(&'static str, serde_json::Value)>,
    global: &Global,
) -> anyhow::Result<Outcome> {
    let connected = match args.dry_run {
        true => Connected::look(global).await?,
        false => Connected::open(global).await?,
    };
    run_in(connected, operation, args, encrypt, more, global).await
}

/// Runs `adopt` or `exit`: of columns only.
pub(crate) async fn run_external(
    operation: Operation,
    args: &ChangeArgs,
    (session, keys): (Session, ExternalKeys),
    global: &Global,
) -> anyhow::Result<Outcome> {
    let connected = match args.dry_run {
        true => session.connect_to_look(global).await?,
        false => session.connect(global).await?,
    };
    let connected = connected.with_external(keys);
    connected.engine()?;
    run_in(connected, operation, args, None, Vec::new(), global).await
}

async fn run_in(
    connected: Connected,
    operation: Operation,
    args: &ChangeArgs,
    encrypt: Option<&EncryptArgs>,
    more: Vec<(&'static str, serde_json::Value)>,
    global: &Global,
) -> anyhow::Result<Outcome> {
    let options = RunOptions {
        max_rate: args.max_rate,
        apply_schema: args.apply_schema,
        accept_lookalikes: args.accept_lookalikes,
        ..options(&args.pace)
    };
    let backup = backup_path(&connected, args)?;
    let locations = match operation.needs_external() {
        true => Locations::none(&connected),
        false => Locations::open(&connected, Some(&args.pace), global).await?,
    };
    let purge = encrypt.is_some_and(|encrypt| encrypt.purge_versions);
    let mut locations = locations
        .with_buckets(|bucket| bucket.assume_quiet(args.assume_quiet).purge_versions(purge));
    if let Some(encrypt) = encrypt {
        locations.take_over(&encrypt.take_over, global)?;
    }
    if args.dry_run {
        let folder = backup.as_deref().and_then(Path::parent);
        return super::plan::show(&connected, &locations, operation, &options, folder, global)
            .await;
    }
    if operation == Operation::Decrypt {
        let question = match connected.files(global)?.is_empty() {
            true => "Turn the policy's columns back into clear text?",
            false => "Turn the policy's columns and files back into clear ones?",
        };
        super::confirm(question, args.yes, global)?;
    }
    if operation == Operation::Exit {
        let question = "Turn the policy's columns into Fernet tokens under the other key?";
        super::confirm(question, args.yes, global)?;
    }
    if args.no_backup {
        super::confirm(
            "Keep no backup of the values as they are?",
            args.yes,
            global,
        )?;
    }
    let seals = matches!(operation, Operation::Encrypt | Operation::Adopt);
    if seals && !connected.columns(global)?.is_empty() {
        write_contexts(&connected);
    }
    let begin = Instant::now();
    let backups = Backups::new(connected.session.keyring(), backup, args.backup.is_some());
    let result = columns(&connected, operation, &options, &backups, global).await;
    let written = backups.finish();
    let rewrapped = match (operation, &connected.subjects, &result) {
        (Operation::Rotate, Some(subjects), Ok(_)) => subjects.rewrap().await,
        _ => Ok(Rewrapped::default()),
    };
    let result = match result {
        Ok(columns) => {
            locations.keep(&written)?;
            let files = files(&locations, operation, &columns, global).await;
            files.map(|files| (columns, files))
        }
        Err(error) => Err(error),
    };
    let (reports, files) = match result {
        Ok(reports) => reports,
        Err(error) => {
            if !global.json {
                written
                    .iter()
                    .for_each(|f| line(&format!("backup so far: {}", f.display())));
            }
            return Err(error);
        }
    };
    let rewrapped = rewrapped
        .context("the values are done; the keys of subjects are not all under the active key")?;
    connected.close().await;
    let clean = rewrapped.closed == 0
        && reports.iter().all(|r| r.is_clean(Some(operation)))
        && files.iter().all(|r| r.is_clean(Some(operation)));
    if global.json {
        let mut envelope = Envelope::new(
            operation.verb(),
            clean,
            reports,
            begin.elapsed().as_secs_f64(),
        )
        .files(&files)?;
        envelope.backups = written;
        if operation == Operation::Rotate {
            envelope = envelope
                .with("subjects_rewrapped", rewrapped.changed)?
                .with("subjects_closed", rewrapped.closed)?;
        }
        for (name, value) in more {
            envelope = envelope.with(name, value)?;
        }
        envelope.print()?;
    } else {
        if rewrapped.changed > 0 {
            line(&format!(
                "keys of {} subjects are under the active key; their values are as they were",
                count(rewrapped.changed)
            ));
        }
        if rewrapped.closed > 0 {
            line(&format!(
                "{} subjects have keys that the keyring does not open, which are as they were: put the keyring back that opens them",
                count(rewrapped.closed)
            ));
        }
        let gone: u64 = reports.iter().map(|report| report.forgotten).sum();
        let gone = gone + files.iter().map(|report| report.forgotten).sum::<u64>();
        next(operation, clean, (!files.is_empty(), gone), &written);
    }
    Ok(Outcome::from_clean(clean))
}

/// One column after the other; the first error ends it, and says what was done.
async fn columns(
    connected: &Connected,
    operation: Operation,
    options: &RunOptions,
    backups: &Backups,
    global: &Global,
) -> anyhow::Result<Vec<ColumnReport>> {
    let mut reports: Vec<ColumnReport> = Vec::new();
    for policy in connected.columns(global)? {
        let result = connected
            .engine()?
            .change(operation, policy, options, backups)
            .await;
        connected.progress.clear();
        let report = match result {
            Ok(report) => report,
            Err(error) if reports.is_empty() => return Err(error.into()),
            Err(error) => {
                let done: Vec<_> = reports.iter().map(|r| r.column.as_str()).collect();
                return Err(anyhow::Error::from(error)
                    .context(format!("{} done before; then", done.join(", "))));
            }
        };
        if !global.json {
            summary(operation, &report);
        }
        reports.push(report);
    }
    Ok(reports)
}

/// One folder after the other, when the columns are done.
async fn files(
    locations: &Locations<'_>,
    operation: Operation,
    columns: &[ColumnReport],
    global: &Global,
) -> anyhow::Result<Vec<FilesReport>> {
    let of_files = match operation {
        Operation::Encrypt => folder::Operation::Encrypt,
        Operation::Rotate => folder::Operation::Rotate,
        Operation::Decrypt => folder::Operation::Decrypt,
        // Of columns only.
        Operation::Adopt | Operation::Exit => return Ok(Vec::new()),
    };
    let mut done: Vec<String> = columns.iter().map(|c| c.column.clone()).collect();
    let result = locations.run(of_files, |report| {
        if !global.json {
            super::files::summary(operation, report);
        }
        if !report.stopped {
            done.push(report.location.clone());
        }
    });
    let result = result.await;
    result.map_err(|error| match done.as_slice() {
        [] => error,
        done => error.context(format!("{} done before; then", done.join(", "))),
    })
}

fn summary(operation: Operation, report: &ColumnReport) {
    let mut text = format!(
        "{}: {} {} ({}), {} encrypted, {} in clear, {} null",
        report.column,
        count(report.changed),
        super::did(operation),
        rate(report.changed, report.seconds),
        count(report.sealed_total()),
        count(report.plaintext),
        count(report.null),
    );
    for (n, what) in [
        (report.undecryptable, "undecryptable"),
        (report.skipped, "skipped: a writer got there first"),
    ] {
        if n > 0 {
            text.push_str(&format!(", {} {what}", count(n)));
        }
    }
    line(&text);
    if report.undecryptable + report.to_be_forgotten + report.forgotten > 0 {
        super::keys_of(report);
    }
    super::notes_of(report);
}

fn next(
    operation: Operation,
    clean: bool,
    (with_files, forgotten): (bool, u64),
    backups: &[PathBuf],
) {
    for file in backups {
        line(&format!(
            "backup: {} (encrypted; keep it and its key until you are sure, then delete it)",
            file.display()
        ));
    }
    let advice = match (clean, operation) {
        (false, Operation::Adopt | Operation::Exit) => {
            "Not all is encrypted as asked: see the counts above. What does not open stays as it is; atrest encrypt takes what is in clear."
        }
        (false, Operation::Rotate) => {
            "Not all is encrypted under the primary key: see the counts above; atrest encrypt takes what is in clear."
        }
        (false, _) => "Something is left: see the counts above, then run the same command again.",
        (true, Operation::Encrypt) => "Next: atrest verify",
        (true, Operation::Adopt) => {
            "Next: atrest verify; the old key is needed for the backup alone"
        }
        (true, Operation::Exit) if forgotten > 0 => {
            "Every value that a key opens is a Fernet token under the other key; those of subjects that were forgotten stay as they are."
        }
        (true, Operation::Exit) => "Every value is a Fernet token under the other key.",
        (true, Operation::Rotate) => "Next: atrest status says which keys can retire",
        (true, Operation::Decrypt) if forgotten > 0 => {
            "Every value and every file that a key opens is clear again; those of subjects that were forgotten stay as they are."
        }
        (true, Operation::Decrypt) if with_files => "Every value and every file is clear again.",
        (true, Operation::Decrypt) => "Every value is clear again.",
    };
    line(advice);
}

/// Contexts are for ever, so they stand in the policy before the first token does.
fn write_contexts(connected: &Connected) {
    match Policy::write_contexts(&connected.session.path) {
        Ok(written) if written.is_empty() => {}
        Ok(written) => eprintln!(
            "note: wrote the context of {} into {}",
            written.join(", "),
            connected.session.path.display()
        ),
        Err(error) => warn(&format!(
            "the contexts could not be written down ({error}); write context = \"table.column\" into each [[column]] before a table is renamed"
        )),
    }
}

/// Where the originals go: absolute, since an interrupted run is taken up from any
/// folder.
fn backup_path(connected: &Connected, args: &ChangeArgs) -> anyhow::Result<Option<PathBuf>> {
    if args.no_backup {
        return Ok(None);
    }
    let path = match &args.backup {
        Some(path) => path.clone(),
        None => backup::name::fresh(connected.session.policy.directory()),
    };
    std::path::absolute(&path)
        .with_context(|| format!("{} is no path for a backup; name another", path.display()))
        .map(Some)
}
