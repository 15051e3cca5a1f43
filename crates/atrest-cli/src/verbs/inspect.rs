//! `atrest inspect`: one row's stored values, or one file. Clear values only with
//! `--reveal`.

mod file;

use std::time::Instant;

use anyhow::{Context as _, bail};
use atrest_engine::inspect::Inspection;
use atrest_engine::policy::ColumnPolicy;
use atrest_engine::target::TableName;

use crate::Outcome;
use crate::args::{Global, InspectArgs};
use crate::output::{Envelope, bytes, line};
use crate::session::Connected;

/// Runs the verb.
pub(crate) async fn run(args: &InspectArgs, global: &Global) -> anyhow::Result<Outcome> {
    let connected = Connected::look(global).await?;
    if let Some(files) = connected
        .files(global)?
        .into_iter()
        .find(|files| files.is_called(&args.table))
    {
        return file::run(args, files, &connected, global).await;
    }
    let name: TableName = args
        .table
        .parse()
        .context("the first argument names a table, or a location of files")?;
    let begin = Instant::now();
    let columns: Vec<&ColumnPolicy> = connected
        .columns(global)?
        .into_iter()
        .filter(|c| c.table == name && args.column.as_ref().is_none_or(|n| *n == c.column))
        .collect();
    if columns.is_empty() {
        let known: Vec<_> = connected.columns(global)?.iter().map(|c| c.id()).collect();
        bail!(
            "the policy has no column of {name}{} to look at; it has {}",
            args.column
                .as_ref()
                .map_or(String::new(), |c| format!(" called {c}")),
            known.join(", ")
        );
    }
    let mut found = Vec::new();
    for policy in columns {
        found.push(
            connected
                .engine()?
                .inspect(policy, &args.key, args.reveal)
                .await?,
        );
    }
    let clean = found.iter().all(|f| matches!(f.state, "null" | "sealed"));
    if global.json {
        Envelope::new("inspect", clean, found, begin.elapsed().as_secs_f64()).print()?;
    } else {
        found.iter().for_each(|f| show(f, args.reveal));
    }
    Ok(Outcome::from_clean(clean))
}

fn show(found: &Inspection, reveal: bool) {
    line(&format!(
        "{} of row {}: {}, {}",
        found.column,
        found.key,
        found.state,
        bytes(found.bytes)
    ));
    if let Some(suite) = &found.suite {
        line(&format!("  suite:  {suite}"));
    }
    if let Some(key) = &found.key_id {
        let known = if found.key_known {
            ""
        } else {
            " (not in the keyring)"
        };
        line(&format!("  key:    {key}{known}"));
    }
    if found.state != "plaintext"
        && let Some(stored) = &found.stored
    {
        line(&format!("  stored: {stored}"));
    }
    match &found.clear {
        Some(clear) => line(&format!("  clear:  {clear}")),
        None if !reveal && matches!(found.state, "plaintext" | "sealed") => {
            line("  clear:  not shown; --reveal shows it");
        }
        None => {}
    }
}
