//! `atrest restore`: a backup back into its table, a copy of a folder back into it.

use std::path::Path;
use std::time::Instant;

use anyhow::bail;
use atrest_engine::RunOptions;
use atrest_engine::restore::{RestoreMode, RestoreReport};
use atrest_media::bucket::Bucket;

use crate::Outcome;
use crate::args::{Global, RestoreArgs};
use crate::files::Locations;
use crate::output::{Envelope, count, line, print, table, warn};
use crate::session::Connected;

/// Runs the verb.
pub(crate) async fn run(args: &RestoreArgs, global: &Global) -> anyhow::Result<Outcome> {
    let connected = Connected::open(global).await?;
    let connected = super::external::with(connected, &args.external)?;
    if args.force {
        super::confirm(
            "Overwrite rows that changed since the backup, too?",
            args.yes,
            global,
        )?;
    }
    let mode = if args.force {
        RestoreMode::Force
    } else {
        RestoreMode::Restore
    };
    if args.backup.is_dir() {
        let quiet = |bucket: Bucket| bucket.assume_quiet(args.assume_quiet);
        let locations = Locations::open(&connected, None, global).await?;
        let locations = locations.with_buckets(quiet);
        return files(&locations, &args.backup, mode, "restore", global).await;
    }
    let options = RunOptions {
        apply_schema: args.apply_schema,
        ..RunOptions::default()
    };
    let begin = Instant::now();
    let policies = connected.columns(global)?;
    let reports = connected
        .engine()?
        .restore(&args.backup, &policies, mode, &options)
        .await;
    connected.progress.clear();
    let reports = reports?;
    refuse_nothing(&args.backup, &reports)?;
    let unfinished = reports.iter().any(|r| r.unfinished);
    let clean = reports.iter().all(|r| r.is_done(mode));
    connected.close().await;
    if global.json {
        Envelope::new("restore", clean, reports, begin.elapsed().as_secs_f64())
            .with("from", &args.backup)?
            .print()?;
        return Ok(Outcome::from_clean(clean));
    }
    show(&reports, true);
    line("");
    line(if clean {
        "Every row of the backup is back."
    } else if unfinished {
        "What is in the file was followed, and the file is not finished: see the warning above."
    } else if reports.iter().any(|r| r.brought_back > 0) {
        "Values of subjects that were forgotten are back: they are counted above."
    } else if args.force {
        "Some rows are gone, were changed at the same moment, or have entries that do not open: they are counted above."
    } else {
        "Some rows were left as they are: they changed since the backup, are gone, or do not open. --force overwrites those that are there."
    });
    Ok(Outcome::from_clean(clean))
}

/// A copy of a location, put back or compared, for `verify --against` too.
pub(crate) async fn files(
    locations: &Locations<'_>,
    copy: &Path,
    mode: RestoreMode,
    command: &'static str,
    global: &Global,
) -> anyhow::Result<Outcome> {
    let (report, clean) = locations.restore(copy, mode).await?;
    if global.json {
        let member = match mode {
            RestoreMode::Compare => "against",
            _ => "from",
        };
        Envelope::new(command, clean, Vec::<()>::new(), report.seconds)
            .files(&[report])?
            .with(member, copy)?
            .print()?;
        return Ok(Outcome::from_clean(clean));
    }
    super::files::restored(&report, mode != RestoreMode::Compare);
    line("");
    line(match (clean, mode) {
        (true, RestoreMode::Compare) => "Every file of the copy holds the same here.",
        (true, _) => "Every file of the copy is here, and opens.",
        (false, RestoreMode::Compare) => {
            "Some files differ from the copy: changed or removed since, or they do not open."
        }
        (false, _) => {
            "Some files were left as they are: see above. --force overwrites those that changed since."
        }
    });
    Ok(Outcome::from_clean(clean))
}

/// A backup of other columns is a mistake, not a success.
pub(crate) fn refuse_nothing(backup: &Path, reports: &[RestoreReport]) -> anyhow::Result<()> {
    if reports.is_empty() {
        bail!(
            "{} holds none of the columns asked for; name another backup, or look at --policy and --only",
            backup.display()
        );
    }
    Ok(())
}

/// A row of the table of `restore` and `verify --against`.
pub(crate) struct Counts<'a> {
    pub(crate) name: &'a str,
    pub(crate) entries: u64,
    pub(crate) same: u64,
    pub(crate) changed_since: u64,
    pub(crate) missing: u64,
    pub(crate) undecryptable: u64,
    /// None where nothing was to be written.
    pub(crate) written: Option<u64>,
    pub(crate) skipped: u64,
}

/// The table, of columns or of files.
pub(crate) fn counted<'a>(what: &str, rows: impl Iterator<Item = Counts<'a>>) {
    let headings = [
        what,
        "entries",
        "same",
        "changed since",
        "gone",
        "undecryptable",
        "written",
        "skipped",
    ];
    let mut counts = table(&headings, 1..8);
    for row in rows {
        counts.add_row([
            row.name.to_owned(),
            count(row.entries),
            count(row.same),
            count(row.changed_since),
            count(row.missing),
            count(row.undecryptable),
            row.written.map_or("-".to_owned(), count),
            count(row.skipped),
        ]);
    }
    print(&counts);
}

/// What `restore` and `verify --against` say of columns.
pub(crate) fn show(reports: &[RestoreReport], wrote: bool) {
    let rows = reports.iter().map(|report| Counts {
        name: &report.column,
        entries: report.entries,
        same: report.same,
        changed_since: report.changed_since,
        missing: report.missing,
        undecryptable: report.undecryptable,
        written: wrote.then_some(report.changed),
        skipped: report.skipped,
    });
    counted("column", rows);
    for report in reports {
        for (entries, what) in [
            (
                report.forgotten,
                "are of subjects that were forgotten, and are not brought back",
            ),
            (
                report.to_be_forgotten,
                "are of subjects that are to be forgotten, and were left: until that is done, atrest forget SUBJECT --undo takes it back",
            ),
            (
                report.unopened,
                "do not open themselves, since a key is missing, and their rows were left",
            ),
            (
                report.brought_back,
                "of subjects that were forgotten are back, since this backup is from before their values had keys of their own: run atrest encrypt, then atrest forget SUBJECT for each of them",
            ),
        ] {
            if entries > 0 {
                line(&format!(
                    "  {}: {} entries {what}",
                    report.column,
                    count(entries)
                ));
            }
        }
    }
    for report in reports.iter().filter(|r| !r.rows.is_empty()) {
        line(&format!(
            "  {}: rows that differ: {}",
            report.column,
            report.rows.join("; ")
        ));
    }
    if reports.iter().any(|r| r.unfinished) {
        let torn = if reports.iter().any(|r| r.torn) {
            ", in the middle of a page whose rows had not been changed then"
        } else {
            ""
        };
        warn(&format!(
            "the backup is not finished: its run is going on or was killed{torn}; all that is in it was used, and more may have been there. atrest status tells of interrupted runs: running the same command again finishes run and backup"
        ));
    }
}
