//! What the verbs say of the folders of a policy.

use atrest_engine::Operation;
use atrest_engine::report::{FileNote, FilesPlan, FilesReport, FilesRestoreReport};
use comfy_table::Table;

use super::restore::{Counts, counted};
use crate::output::{byte_rate, bytes, count, findings, line, percent, print, table};

/// The table of `verify` and `status`; nothing where there are no files.
pub(super) fn show(reports: &[FilesReport]) {
    if reports.is_empty() {
        return;
    }
    let mut counts = table(
        &[
            "files",
            "bind",
            "count",
            "bytes",
            "encrypted",
            "clear",
            "undecryptable",
            "skipped",
            "share encrypted",
        ],
        2..9,
    );
    for report in reports {
        counts.add_row([
            report.location.clone(),
            report.bind.to_owned(),
            count(report.total),
            bytes(report.bytes),
            count(report.sealed_total()),
            count(report.plaintext),
            count(report.undecryptable),
            count(report.skipped),
            percent(
                report.sealed_total(),
                report.total - report.forgotten - report.to_be_forgotten,
            ),
        ]);
    }
    print(&counts);
    reports.iter().for_each(details);
}

/// The table of a plan; nothing where there are no files.
pub(super) fn planned(plans: &[FilesPlan]) {
    if plans.is_empty() {
        return;
    }
    let mut counts: Table = table(
        &[
            "files",
            "bind",
            "count",
            "clear",
            "encrypted",
            "undecryptable",
            "skipped",
            "to do",
            "bytes to do",
        ],
        2..9,
    );
    for FilesPlan {
        now,
        due,
        due_bytes,
        ..
    } in plans
    {
        counts.add_row([
            now.location.clone(),
            now.bind.to_owned(),
            count(now.total),
            count(now.plaintext),
            count(now.sealed_total()),
            count(now.undecryptable),
            count(now.skipped),
            count(*due),
            bytes(*due_bytes),
        ]);
    }
    print(&counts);
    for plan in plans {
        details(&plan.now);
        findings("warning", &plan.now.location, &plan.warnings);
    }
}

/// The table of a copy that was compared or put back.
pub(super) fn restored(report: &FilesRestoreReport, wrote: bool) {
    let row = Counts {
        name: &report.location,
        entries: report.entries,
        same: report.same,
        changed_since: report.changed_since,
        missing: report.missing,
        undecryptable: report.undecryptable,
        written: wrote.then_some(report.changed),
        skipped: report.skipped,
    };
    counted("files", std::iter::once(row));
    for (n, what) in [
        (report.forgotten, "were forgotten, and are not brought back"),
        (
            report.to_be_forgotten,
            "are to be forgotten: until that is done, atrest forget SUBJECT --undo takes it back, and they can be compared and put back",
        ),
    ] {
        if n > 0 {
            line(&format!(
                "  {}: {} files of subjects that {what}",
                report.location,
                count(n)
            ));
        }
    }
    for note in &report.files {
        line(&format!(
            "  {}/{}: {}",
            report.location, note.file, note.problem
        ));
    }
}

/// The line of a folder that was changed.
pub(super) fn summary(operation: Operation, report: &FilesReport) {
    let mut text = format!(
        "{}: {} files {} ({}, {}), {} encrypted, {} in clear",
        report.location,
        count(report.changed),
        super::did(operation),
        bytes(report.changed_bytes),
        byte_rate(report.changed_bytes, report.seconds),
        count(report.sealed_total()),
        count(report.plaintext),
    );
    for (n, what) in [
        (report.forgotten, "forgotten"),
        (report.to_be_forgotten, "to be forgotten"),
        (report.undecryptable, "undecryptable"),
        (report.skipped, "skipped"),
    ] {
        if n > 0 {
            text.push_str(&format!(", {} {what}", count(n)));
        }
    }
    line(&text);
    details(report);
}

/// Which keys hold the files, and what was left alone, by name.
fn details(report: &FilesReport) {
    let location = &report.location;
    for (key, files) in &report.sealed {
        line(&format!(
            "  {location}: {} files under key {key}",
            count(*files)
        ));
    }
    if report.sealed_by_subject > 0 {
        line(&format!(
            "  {location}: {} files under keys of their subjects",
            count(report.sealed_by_subject)
        ));
    }
    if report.forgotten > 0 {
        line(&format!(
            "  {location}: {} files of subjects that were forgotten, which nothing opens any more",
            count(report.forgotten)
        ));
    }
    if report.to_be_forgotten > 0 {
        line(&format!(
            "  {location}: {} files of subjects that are to be forgotten, whose keys are not used; until that is done, atrest forget SUBJECT --undo takes it back",
            count(report.to_be_forgotten)
        ));
    }
    super::unknown_keys(location, "files", &report.unknown_keys);
    let named = |notes: &[FileNote], all: u64| {
        for note in notes {
            line(&format!("  {location}/{}: {}", note.file, note.problem));
        }
        if all > notes.len() as u64 {
            line(&format!(
                "  {location}: and {} more",
                count(all - notes.len() as u64)
            ));
        }
    };
    named(&report.undecryptable_files, report.undecryptable);
    named(&report.skipped_files, report.skipped);
    for note in &report.notes {
        line(&format!("note: {location}: {note}"));
    }
}
