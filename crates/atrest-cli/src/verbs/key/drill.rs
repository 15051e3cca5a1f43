//! `atrest key drill`: shares, keyring and backups alone open everything.

use std::time::Instant;

use anyhow::Context as _;
use atrest_engine::RunOptions;
use atrest_engine::backup::BackupNeeds;
use atrest_keys::keyring::{KeyringError, KeyringFile, KeyringStore as _};
use atrest_media::folder;
use serde_json::json;

use super::shares;
use crate::Outcome;
use crate::args::{DrillArgs, Global};
use crate::files::Locations;
use crate::output::{Envelope, count, line};
use crate::session::Unopened;
use crate::verbs::{files, verify};

/// Runs the verb.
pub(super) async fn run(args: &DrillArgs, global: &Global) -> anyhow::Result<Outcome> {
    let begin = Instant::now();
    let unopened = Unopened::read(global)?;
    let (origin, text) = match &args.keyring {
        None => {
            let (store, text) = unopened.keys().document().await?;
            (store.name(), text)
        }
        Some(path) => {
            let file = KeyringFile::new(path);
            let origin = file.name();
            let missing = || KeyringError::Missing {
                origin: origin.clone(),
            };
            let text = file.read()?.ok_or_else(missing)?;
            (origin, text)
        }
    };
    let key = shares::combine(&args.shares)?;
    let keys = unopened.keys().load_recovered(&text, &origin, &key)?;
    let session = unopened.open(keys);
    let keyring = session.keyring().clone();
    let mut backups = Vec::new();
    let mut clean = true;
    for path in &args.backup {
        let needs = BackupNeeds::of(path, &keyring).with_context(|| {
            format!(
                "the backup {} does not open by these shares",
                path.display()
            )
        })?;
        let missing: Vec<String> = needs
            .keys
            .iter()
            .filter(|id| keyring.get(**id).is_none())
            .map(ToString::to_string)
            .collect();
        clean &= missing.is_empty() && needs.unknown == 0 && needs.closed;
        backups.push(json!({
            "path": path,
            "rows": needs.rows,
            "closed": needs.closed,
            "missing_keys": missing,
            "undecryptable": needs.unknown,
        }));
    }
    let nothing = session.policy.columns.is_empty() && session.policy.files.is_empty();
    let (mut columns, mut locations) = (Vec::new(), Vec::new());
    if !nothing {
        let connected = session.connect(global).await?;
        columns = verify::read(&connected, &RunOptions::default(), global).await?;
        let open = Locations::open(&connected, None, global).await?;
        locations = open.run(folder::Operation::Verify, |_| {}).await?;
        drop(open);
        connected.close().await;
    }
    // What is in clear needs no key: it is no fault of the shares.
    clean &= columns.iter().all(|column| column.undecryptable == 0);
    clean &= locations.iter().all(|location| location.undecryptable == 0);
    if global.json {
        Envelope::new("key drill", clean, columns, begin.elapsed().as_secs_f64())
            .files(&locations)?
            .with("keyring", origin)?
            .with("drilled", backups)?
            .print()?;
        return Ok(Outcome::from_clean(clean));
    }
    line(&format!(
        "{origin}: opened by shares; {} keys",
        keyring.keys().count()
    ));
    for backup in &backups {
        let (path, rows) = (&backup["path"], backup["rows"].as_u64().unwrap_or(0));
        line(&format!(
            "backup {path}: {} rows read to its end",
            count(rows)
        ));
        for id in backup["missing_keys"].as_array().into_iter().flatten() {
            line(&format!(
                "  it holds tokens under key {id}, which these shares do not give"
            ));
        }
        if backup["closed"] == false {
            line("  it was not closed: it may lack rows at its end");
        }
    }
    verify::show(&columns);
    files::show(&locations);
    line(match clean {
        true => "These shares open everything that is encrypted. Nothing was written.",
        false => "These shares do not open everything: see above. Nothing was written.",
    });
    Ok(Outcome::from_clean(clean))
}
