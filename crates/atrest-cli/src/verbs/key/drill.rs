//! `atrest key drill`: shares, keyring and backups alone open everything. Nothing is
//! written, and the keyring may be an older copy: that is the one that one would have.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Instant;

use atrest_core::{KeyId, Keyring};
use atrest_engine::RunOptions;
use atrest_engine::backup::{BackupError, BackupNeeds};
use atrest_engine::subjects::Standing;
use atrest_keys::keyring::{KeyringError, KeyringFile, check};
use atrest_media::folder;
use serde_json::{Value, json};

use super::shares;
use crate::Outcome;
use crate::args::{DrillArgs, Global};
use crate::files::Locations;
use crate::output::{Envelope, count, line, warn};
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
        Some(path) => copy(path, &unopened).await?,
    };
    let key = shares::combine(&args.shares)?;
    let keys = unopened.keys().load_recovered(&text, &origin, &key)?;
    let session = unopened.open(keys);
    let keyring = session.keyring().clone();
    let mut read = Vec::new();
    for path in &args.backup {
        let needs = match BackupNeeds::of(path, &keyring) {
            Err(error @ BackupError::Io { .. }) => return Err(error.into()),
            needs => needs.map_err(|error| error.to_string()),
        };
        read.push((path.as_path(), needs));
    }
    let nothing = session.policy.columns.is_empty() && session.policy.files.is_empty();
    let (mut columns, mut locations) = (Vec::new(), Vec::new());
    let mut standing = BTreeMap::new();
    if !nothing {
        let connected = session.connect_to_read(global).await?;
        if let Some(subjects) = &connected.subjects {
            let opened = read.iter().filter_map(|(_, needs)| needs.as_ref().ok());
            let elsewhere = opened.flat_map(|needs| needs.elsewhere.keys());
            standing = subjects.standing(&elsewhere.copied().collect()).await?;
        }
        columns = verify::read(&connected, &RunOptions::default(), global).await?;
        let open = Locations::open(&connected, None, global).await?;
        locations = open.run(folder::Operation::Verify, |_| {}).await?;
        drop(open);
        connected.close().await;
    }
    let backups = read.iter();
    let backups: Vec<_> = backups
        .map(|(path, needs)| match needs {
            Ok(needs) => drilled(path, needs, &keyring, &standing),
            Err(problem) => (json!({"path": path, "problem": problem}), false),
        })
        .collect();
    let mut clean = backups.iter().all(|(_, clean)| *clean);
    let backups: Vec<Value> = backups.into_iter().map(|(told, _)| told).collect();
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
    backups.iter().for_each(show);
    verify::show(&columns);
    files::show(&locations);
    line(match clean {
        true => "These shares open everything that is encrypted. Nothing was written.",
        false => "These shares do not open everything: see above. Nothing was written.",
    });
    Ok(Outcome::from_clean(clean))
}

/// A copy of the keyring: its name and text. That it is older than the one in use is said.
async fn copy(path: &Path, unopened: &Unopened) -> anyhow::Result<(String, String)> {
    let file = KeyringFile::new(path).accept_older(true);
    let origin = file.path().display().to_string();
    let missing = || KeyringError::Missing {
        origin: origin.clone(),
    };
    let text = file.read()?.ok_or_else(missing)?;
    let generation = check(&text, &origin)?;
    // The one in use may be lost: that is what the drill is for.
    let newest = match unopened.keys().document().await {
        Ok((store, newest)) => check(&newest, &store.name()).unwrap_or(0),
        Err(_) => 0,
    };
    if generation < newest {
        warn(&format!(
            "{origin} has generation {generation}, and the keyring in use generation {newest}: what was made and destroyed since is not in this copy"
        ));
    }
    Ok((origin, text))
}

/// What there is to say of a backup, and whether all that it holds opens or was meant to
/// be gone.
fn drilled(
    path: &Path,
    needs: &BackupNeeds,
    keyring: &Keyring,
    standing: &BTreeMap<KeyId, Standing>,
) -> (Value, bool) {
    let stands = |id: &KeyId| standing.get(id).copied();
    let tokens = |wanted: Option<Standing>| -> u64 {
        let those = needs
            .elsewhere
            .iter()
            .filter(|(id, _)| stands(id) == wanted);
        those.map(|(_, tokens)| tokens).sum()
    };
    let opens = |id: &KeyId| {
        keyring.get(*id).is_some()
            || matches!(
                stands(id),
                Some(Standing::Opens | Standing::Gone | Standing::Suspended)
            )
    };
    let missing: BTreeSet<String> = needs
        .keys
        .iter()
        .filter(|id| !opens(id))
        .map(ToString::to_string)
        .collect();
    let undecryptable = needs.nameless + tokens(None) + tokens(Some(Standing::Closed));
    let clean = missing.is_empty() && undecryptable == 0 && needs.closed;
    let told = json!({
        "path": path,
        "problem": null,
        "rows": needs.rows,
        "closed": needs.closed,
        "missing_keys": missing,
        "of_subjects": tokens(Some(Standing::Opens)),
        "forgotten": tokens(Some(Standing::Gone)),
        "to_be_forgotten": tokens(Some(Standing::Suspended)),
        "undecryptable": undecryptable,
    });
    (told, clean)
}

fn show(backup: &Value) {
    if let Some(problem) = backup["problem"].as_str() {
        line(problem);
        return;
    }
    let number = |name: &str| backup[name].as_u64().unwrap_or(0);
    line(&format!(
        "backup {}: {} rows read to its end",
        backup["path"],
        count(number("rows"))
    ));
    for (name, what) in [
        ("of_subjects", "tokens under keys of subjects, which open"),
        (
            "forgotten",
            "tokens of subjects that were forgotten, which no key opens any more",
        ),
        (
            "to_be_forgotten",
            "tokens of subjects that are to be forgotten, whose keys are there and not used",
        ),
        ("undecryptable", "tokens that open under no key"),
    ] {
        if number(name) > 0 {
            line(&format!("  {} {what}", count(number(name))));
        }
    }
    for id in backup["missing_keys"].as_array().into_iter().flatten() {
        line(&format!(
            "  it holds tokens under key {id}, which these shares do not give"
        ));
    }
    if backup["closed"] == false {
        line("  it was not closed: it may lack rows at its end");
    }
}
