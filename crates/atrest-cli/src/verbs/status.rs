//! `atrest status`: columns, interrupted runs, what the last run did, keys.

use std::time::Instant;

use atrest_engine::RunOptions;
use atrest_engine::journal::Journal;
use atrest_engine::report::{KeyUsage, OpenRun, key_usage, of_a_part};
use atrest_media::folder;

use super::NAMED_KEYS;
use crate::Outcome;
use crate::args::Global;
use crate::files::Locations;
use crate::output::{Envelope, count, line, print, table};
use crate::session::Connected;

/// Runs the verb.
pub(crate) async fn run(global: &Global) -> anyhow::Result<Outcome> {
    let connected = Connected::look(global).await?;
    let locations = Locations::open(&connected, None, global).await?;
    let columns = connected.columns(global)?;
    let begin = Instant::now();
    let (journal, runs) = match columns.is_empty() {
        true => (Journal::default(), Vec::new()),
        false => {
            let engine = connected.engine()?;
            (engine.journal_to_read().await?, engine.open_runs().await?)
        }
    };
    let reports = super::verify::read(&connected, &RunOptions::default(), global).await?;
    let files = locations.run(folder::Operation::Look, |_| {}).await?;
    let mut usage = key_usage(
        connected.session.keyring(),
        &reports,
        &files,
        &runs,
        &|id| connected.session.origin(id),
    );
    if !global.only.is_empty() {
        of_a_part(&mut usage);
    }
    let subjects = super::key::list::of_subjects(&connected).await?;
    super::key::life::add(&mut usage, subjects.as_ref(), &connected.session);
    let records: Vec<_> = columns
        .iter()
        .filter_map(|policy| Some((policy.id(), journal.column(&policy.id())?)))
        .collect();
    let open = super::forget::open_erasures(&connected).await?;
    let lost: Vec<String> = journal.lost_keys().into_iter().map(str::to_owned).collect();
    let clean = runs.is_empty()
        && lost.is_empty()
        && open.is_empty()
        && reports.iter().all(|r| r.is_clean(None))
        && files.iter().all(|f| f.is_clean(None));
    if global.json {
        let journal: serde_json::Map<_, _> = records
            .iter()
            .map(|(id, record)| (id.clone(), record.summary()))
            .collect();
        Envelope::new("status", clean, reports, begin.elapsed().as_secs_f64())
            .files(&files)?
            .with("open_runs", &runs)?
            .with("lost_keys", &lost)?
            .with("subjects_back", &open.back)?
            .with("subjects_begun", &open.begun)?
            .with("subjects_due", &open.due)?
            .with("keys", &usage)?
            .with("journal", journal)?
            .print()?;
        return Ok(Outcome::from_clean(clean));
    }
    super::verify::show(&reports);
    super::forget::show_open(&open);
    super::files::show(&files);
    line("");
    for (id, record) in &records {
        if let Some(last) = &record.last_run {
            let files: Vec<_> = last
                .backups
                .iter()
                .map(|b| b.path.display().to_string())
                .collect();
            line(&format!(
                "{id}: last run: {}, finished {}, {} rows changed{}",
                last.operation.verb(),
                last.finished,
                count(last.changed),
                if files.is_empty() {
                    String::new()
                } else {
                    format!(", backup {}", files.join(", "))
                }
            ));
        }
        if let Some(schema) = &record.schema {
            line(&format!(
                "{id}: the column was {}, atrest made it {}",
                schema.original_type, schema.sealed_type
            ));
        }
    }
    open_runs(&runs);
    for key in &lost {
        line(&format!(
            "the journal has records under key {key}, which is not at hand, so that no value can be changed: if it is lost for good, atrest key retire {key} --force says what goes with it, and removes them"
        ));
    }
    keys(&usage);
    Ok(Outcome::from_clean(clean))
}

fn open_runs(runs: &[OpenRun]) {
    for run in runs {
        line(&format!(
            "{}: {} of {} is not finished ({} rows changed): if no other process is at it, run atrest {} again",
            run.column,
            run.operation,
            run.started,
            count(run.changed),
            run.operation
        ));
    }
}

/// The table of keys, for `key list` too; with what a keyring says of them if there is one.
pub(crate) fn keys(usage: &[KeyUsage]) {
    line("");
    let lives = usage.iter().any(|key| key.life.state.is_some());
    let mut names = vec!["key", "role"];
    if lives {
        names.extend(["state", "purpose", "age"]);
    }
    let first = names.len() + 1;
    names.extend(["source", "values", "files", "can retire", "because"]);
    let mut rows = table(&names, first..first + 2);
    let (missing, ours): (Vec<_>, Vec<_>) = usage.iter().partition(|key| key.role == "missing");
    let more = missing.len().saturating_sub(NAMED_KEYS);
    for key in ours.into_iter().chain(missing.into_iter().take(NAMED_KEYS)) {
        let mut row = vec![key.key.clone(), key.role.to_owned()];
        if lives {
            let life = &key.life;
            let due = if life.due == Some(true) { ", due" } else { "" };
            row.extend([
                life.state.unwrap_or("direct").to_owned(),
                life.purpose.unwrap_or("-").to_owned(),
                life.age.map_or("-".to_owned(), |age| {
                    format!("{}{due}", super::key::life::age(age))
                }),
            ]);
        }
        row.extend([
            key.source.clone(),
            key.values.map_or("not counted".to_owned(), count),
            key.files.map_or("not counted".to_owned(), count),
            key.can_retire
                .map_or("-", |can| if can { "yes" } else { "no" })
                .to_owned(),
            key.reason.clone(),
        ]);
        rows.add_row(row);
    }
    print(&rows);
    if more > 0 {
        let more = count(more as u64);
        line(&format!(
            "and {more} more keys that are missing; --json has them all"
        ));
    }
}
