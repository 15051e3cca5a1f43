//! `atrest verify`: what is encrypted, clear, undecryptable; or each row against a
//! backup.

use std::path::Path;
use std::time::Instant;

use atrest_core::Suite;
use atrest_engine::RunOptions;
use atrest_engine::policy::ColumnPolicy;
use atrest_engine::report::ColumnReport;
use atrest_engine::restore::RestoreMode;
use atrest_media::folder;

use crate::Outcome;
use crate::args::{Global, VerifyArgs};
use crate::files::Locations;
use crate::output::{Envelope, count, line, percent, print, table};
use crate::session::{Connected, options};

/// Runs the verb.
pub(crate) async fn run(args: &VerifyArgs, global: &Global) -> anyhow::Result<Outcome> {
    let connected = Connected::look(global).await?;
    let connected = super::external::with(connected, &args.external)?;
    let options = options(&args.pace);
    let begin = Instant::now();
    if let Some(backup) = &args.against {
        if backup.is_dir() {
            let compare = RestoreMode::Compare;
            let locations = Locations::open(&connected, Some(&args.pace), global).await?;
            return super::restore::files(&locations, backup, compare, "verify", global).await;
        }
        return compare(&connected, backup, &options, global).await;
    }
    let locations = Locations::open(&connected, Some(&args.pace), global).await?;
    let reports = read(&connected, &options, global).await?;
    let files = locations.run(folder::Operation::Verify, |_| {}).await?;
    let open = super::forget::open_erasures(&connected).await?;
    let clean = reports.iter().all(|r| r.is_clean(None))
        && files.iter().all(|f| f.is_clean(None))
        && open.is_empty();
    if global.json {
        Envelope::new("verify", clean, reports, begin.elapsed().as_secs_f64())
            .files(&files)?
            .with("subjects_back", &open.back)?
            .with("subjects_begun", &open.begun)?
            .with("subjects_due", &open.due)?
            .print()?;
        return Ok(Outcome::from_clean(clean));
    }
    show(&reports);
    super::forget::show_open(&open);
    super::files::show(&files);
    line("");
    let checkable = connected
        .files(global)?
        .iter()
        .any(|f| f.bucket().is_none());
    if checkable || !reports.is_empty() {
        line("Check it without atrest; each of these counts what is not encrypted:");
    }
    for policy in connected.columns(global)? {
        let dialect = connected.engine()?.database().dialect();
        line(&format!("  {}", query(policy, dialect)));
    }
    for policy in connected.files(global)? {
        if policy.bucket().is_some() {
            continue;
        }
        let folder = policy.path(connected.session.policy.directory());
        line(&format!("  {}", count_clear(&folder)));
    }
    line("");
    let in_clear = reports.iter().any(|r| r.plaintext > 0) || files.iter().any(|f| f.plaintext > 0);
    let undecryptable =
        reports.iter().any(|r| r.undecryptable > 0) || files.iter().any(|f| f.undecryptable > 0);
    let erased = reports.iter().any(|r| r.forgotten + r.to_be_forgotten > 0)
        || files.iter().any(|f| f.forgotten + f.to_be_forgotten > 0);
    line(match (clean, files.is_empty()) {
        (true, _) if erased => {
            "Clean: all is encrypted, and opens, but for what is of subjects that were or are to be forgotten."
        }
        (true, true) => "Clean: every value is encrypted and opens.",
        (true, false) => "Clean: every value and every file is encrypted and opens.",
        (false, _) if !open.back.is_empty() => {
            "Not clean: keys of forgotten subjects are back; atrest forget --due destroys them again."
        }
        (false, _) if !(open.begun.is_empty() && open.due.is_empty()) => {
            "Not clean: erasures are not finished; atrest forget --due finishes them."
        }
        (false, _) if !in_clear && !undecryptable => {
            "Not clean: see what was skipped, and the notes, above."
        }
        (false, _) => {
            "Not clean: run atrest encrypt for what is in clear; what is undecryptable needs the key it was written under."
        }
    });
    Ok(Outcome::from_clean(clean))
}

/// Classifies every value of the columns.
pub(crate) async fn read(
    connected: &Connected,
    options: &RunOptions,
    global: &Global,
) -> anyhow::Result<Vec<ColumnReport>> {
    let mut reports = Vec::new();
    for policy in connected.columns(global)? {
        let report = connected.engine()?.verify(policy, options).await;
        connected.progress.clear();
        reports.push(report?);
    }
    Ok(reports)
}

/// The table of `verify` and `status`.
pub(crate) fn show(reports: &[ColumnReport]) {
    if reports.is_empty() {
        return;
    }
    let mut counts = table(
        &[
            "column",
            "suite",
            "rows",
            "null",
            "encrypted",
            "clear",
            "undecryptable",
            "share encrypted",
        ],
        2..8,
    );
    for report in reports {
        counts.add_row([
            report.column.clone(),
            report.suite.clone(),
            count(report.total),
            count(report.null),
            count(report.sealed_total()),
            count(report.plaintext),
            count(report.undecryptable),
            percent(
                report.sealed_total(),
                report.total - report.null - report.forgotten - report.to_be_forgotten,
            ),
        ]);
    }
    print(&counts);
    for report in reports {
        super::keys_of(report);
        super::notes_of(report);
    }
}

/// Plain SQL that counts what does not look encrypted.
fn query(policy: &ColumnPolicy, dialect: &str) -> String {
    let quote = |name: &str| match dialect {
        "mysql" | "mariadb" => format!("`{}`", name.replace('`', "``")),
        _ => format!("\"{}\"", name.replace('"', "\"\"")),
    };
    let table = match &policy.table.schema {
        Some(schema) => format!("{}.{}", quote(schema), quote(&policy.table.name)),
        None => quote(&policy.table.name),
    };
    let column = quote(&policy.column);
    let start = match policy.suite {
        Suite::Fernet => "gAAAAA",
        Suite::Xaes256Gcm | Suite::A256CbcHs512 => "ar1.",
    };
    format!(
        "SELECT count(*) FROM {table} WHERE {column} IS NOT NULL AND {column} NOT LIKE '{start}%';"
    )
}

/// A shell command that counts the files which do not begin as objects do.
fn count_clear(folder: &Path) -> String {
    let folder = folder.display().to_string().replace('\'', "'\\''");
    format!(
        "find '{folder}' -type f -exec sh -c 'head -c 6 \"$1\" | grep -qx ATREST || echo \"$1\"' _ {{}} \\; | wc -l"
    )
}

async fn compare(
    connected: &Connected,
    backup: &Path,
    options: &RunOptions,
    global: &Global,
) -> anyhow::Result<Outcome> {
    let begin = Instant::now();
    let policies = connected.columns(global)?;
    let reports = connected
        .engine()?
        .restore(backup, &policies, RestoreMode::Compare, options)
        .await;
    connected.progress.clear();
    let reports = reports?;
    super::restore::refuse_nothing(backup, &reports)?;
    let clean = reports
        .iter()
        .all(atrest_engine::restore::RestoreReport::clean);
    if global.json {
        Envelope::new("verify", clean, reports, begin.elapsed().as_secs_f64())
            .with("against", backup)?
            .print()?;
        return Ok(Outcome::from_clean(clean));
    }
    super::restore::show(&reports, false);
    line("");
    line(if reports.iter().any(|r| r.unfinished) {
        "What is in the file was compared, and the file is not finished: see the warning above."
    } else if clean {
        "Every row of the backup holds the same clear value."
    } else {
        "Some rows differ from the backup: the application changed or deleted them since, or they do not open."
    });
    Ok(Outcome::from_clean(clean))
}
