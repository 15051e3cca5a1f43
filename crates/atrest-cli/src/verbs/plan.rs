//! `atrest plan`, and `--dry-run` of every changing verb.

use std::path::{Path, PathBuf};
use std::time::Instant;

use atrest_engine::report::ColumnPlan;
use atrest_engine::target::Finding;
use atrest_engine::{Operation, RunOptions};
use serde::Serialize;

use crate::Outcome;
use crate::args::{Global, PlanArgs, PlannedVerb};
use crate::files::Locations;
use crate::output::{Envelope, bytes, count, findings, line, print, table, warn};
use crate::session::{Connected, options};

/// The backup that a run would write.
#[derive(Debug, Serialize)]
struct BackupEstimate {
    folder: PathBuf,
    bytes: u64,
    free_bytes: Option<u64>,
}

/// Runs the verb.
pub(crate) async fn run(args: &PlanArgs, global: &Global) -> anyhow::Result<Outcome> {
    let operation = match args.verb {
        PlannedVerb::Encrypt => Operation::Encrypt,
        PlannedVerb::Rotate => Operation::Rotate,
        PlannedVerb::Decrypt => Operation::Decrypt,
    };
    let connected = Connected::look(global).await?;
    let locations = Locations::open(&connected, Some(&args.pace), global).await?;
    let folder = connected.session.policy.directory().to_owned();
    show(
        &connected,
        &locations,
        operation,
        &options(&args.pace),
        Some(&folder),
        global,
    )
    .await
}

/// Reads every column and file and prints the plan; `backups` is the folder that a backup
/// would go to, if any.
pub(crate) async fn show(
    connected: &Connected,
    locations: &Locations<'_>,
    operation: Operation,
    options: &RunOptions,
    backups: Option<&Path>,
    global: &Global,
) -> anyhow::Result<Outcome> {
    let begin = Instant::now();
    let mut plans = Vec::new();
    for policy in connected.columns(global)? {
        let plan = connected.engine()?.plan(operation, policy, options).await;
        connected.progress.clear();
        plans.push(plan?);
    }
    let (files, files_clean) = locations.plan(operation).await?;
    let clean = files_clean && plans.iter().all(|p| p.refusals.is_empty());
    let backup = backups.map(|folder| estimate(folder, &plans));
    if global.json {
        Envelope::new("plan", clean, plans, begin.elapsed().as_secs_f64())
            .files(&files)?
            .with("operation", operation.verb())?
            .with("backup", backup)?
            .print()?;
        return Ok(Outcome::from_clean(clean));
    }
    if !plans.is_empty() {
        tables(operation, &plans);
    }
    super::files::planned(&files);
    if let Some(backup) = &backup {
        tell(backup);
    }
    let values: u64 = plans.iter().map(|p| p.due).sum();
    let files: u64 = files.iter().map(|p| p.due).sum();
    let verb = operation.verb();
    let next = match locations.take_over_old() {
        // Without --from it would encrypt what the earlier system wrote.
        true => "the same command without --dry-run".to_owned(),
        false => format!("atrest {verb}"),
    };
    line("");
    line(&match (clean, to_do(values, files)) {
        (false, _) => {
            "Refused as it stands: see to what is refused above, then plan again.".to_owned()
        }
        (true, None) => format!("Nothing to {verb}."),
        (true, Some(due)) => {
            format!("{due} to {verb}. Nothing was changed; next: {next}")
        }
    });
    Ok(Outcome::from_clean(clean))
}

fn to_do(values: u64, files: u64) -> Option<String> {
    let (some_values, some_files) = (
        format!("{} values", count(values)),
        format!("{} files", count(files)),
    );
    match (values, files) {
        (0, 0) => None,
        (_, 0) => Some(some_values),
        (0, _) => Some(some_files),
        _ => Some(format!("{some_values} and {some_files}")),
    }
}

fn tables(operation: Operation, plans: &[ColumnPlan]) {
    let mut counts = table(
        &[
            "column",
            "suite",
            "rows",
            "null",
            "clear",
            "encrypted",
            "undecryptable",
            "to do",
            "bytes now",
            "after",
            "longest token",
        ],
        2..11,
    );
    for plan in plans {
        let now = &plan.now;
        let after = match operation {
            Operation::Encrypt => bytes(plan.bytes_after),
            _ => "-".to_owned(),
        };
        counts.add_row([
            now.column.clone(),
            now.suite.clone(),
            count(now.total),
            count(now.null),
            count(now.plaintext),
            count(now.sealed_total()),
            count(now.undecryptable),
            count(plan.due),
            bytes(now.bytes),
            after,
            bytes(plan.longest_token),
        ]);
    }
    print(&counts);
    for plan in plans {
        let column = &plan.now.column;
        super::keys_of(&plan.now);
        super::notes_of(&plan.now);
        if let Some(schema) = &plan.schema {
            let (do_it, statements) = match operation {
                Operation::Decrypt => ("back to", &schema.down),
                _ => ("becomes", &schema.up),
            };
            let end = match operation {
                Operation::Decrypt => &schema.original_type,
                _ => &schema.sealed_type,
            };
            line("");
            line(&format!(
                "{column} ({}) {do_it} {end}, with --apply-schema or by hand:",
                plan.declared_type
            ));
            statements.iter().for_each(|s| line(&format!("  {s}")));
            if operation != Operation::Decrypt {
                line("and back:");
                schema.down.iter().for_each(|s| line(&format!("  {s}")));
            }
        }
        findings("REFUSED", column, &plan.refusals);
    }
    warnings(plans);
}

/// Each warning once, with the columns that it is true of.
fn warnings(plans: &[ColumnPlan]) {
    let mut told: Vec<(&Finding, Vec<&str>)> = Vec::new();
    for plan in plans {
        for warning in &plan.warnings {
            match told.iter_mut().find(|(known, _)| *known == warning) {
                Some((_, columns)) => columns.push(&plan.now.column),
                None => told.push((warning, vec![&plan.now.column])),
            }
        }
    }
    for (warning, columns) in told {
        findings(
            "warning",
            &columns.join(", "),
            std::slice::from_ref(warning),
        );
    }
}

fn estimate(folder: &Path, plans: &[ColumnPlan]) -> BackupEstimate {
    let bytes = plans.iter().map(ColumnPlan::backup_bytes).sum();
    BackupEstimate {
        folder: folder.to_owned(),
        bytes,
        free_bytes: free(folder),
    }
}

/// Bytes that this account may still write in the folder.
fn free(folder: &Path) -> Option<u64> {
    let stat = rustix::fs::statvfs(folder).ok()?;
    stat.f_bavail.checked_mul(stat.f_frsize)
}

fn tell(backup: &BackupEstimate) {
    if backup.bytes == 0 {
        return;
    }
    let free = backup.free_bytes.map_or("unknown".to_owned(), bytes);
    line("");
    line(&format!(
        "The backup of the original values takes about {} in {} ({free} free).",
        bytes(backup.bytes),
        backup.folder.display()
    ));
    if backup
        .free_bytes
        .is_some_and(|free| free < backup.bytes + backup.bytes / 4)
    {
        warn("that is too little room: name a file on another disk with --backup FILE");
    }
}
