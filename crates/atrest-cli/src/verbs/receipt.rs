//! `atrest receipt`: what a receipt of erasure proves.

use std::time::Instant;

use anyhow::Context as _;
use atrest_engine::subjects::receipt::{ErasedBackup, ErasedVersions, Receipt, SignedReceipt};

use super::forget::signer;
use crate::Outcome;
use crate::args::{Global, ReceiptArgs, ReceiptCommand, ReceiptVerifyArgs};
use crate::output::{Envelope, count, line};
use crate::session::Session;

/// Runs the verb.
pub(crate) async fn run(args: &ReceiptArgs, global: &Global) -> anyhow::Result<Outcome> {
    match &args.command {
        ReceiptCommand::Verify(args) => verify(args, global).await,
        ReceiptCommand::PublicKey => {
            let begin = Instant::now();
            let key = signer(&Session::load(global)?).await?.public_key();
            if global.json {
                let (columns, seconds) = (Vec::<()>::new(), begin.elapsed().as_secs_f64());
                Envelope::new("receipt public-key", true, columns, seconds)
                    .with("public_key", key)?
                    .print()?;
            } else {
                line(&key);
            }
            Ok(Outcome::Clean)
        }
    }
}

async fn verify(args: &ReceiptVerifyArgs, global: &Global) -> anyhow::Result<Outcome> {
    let begin = Instant::now();
    let file = args.file.display();
    let text =
        std::fs::read_to_string(&args.file).with_context(|| format!("cannot read {file}"))?;
    let signed: SignedReceipt = serde_json::from_str(&text)
        .with_context(|| format!("{file} is not a receipt of this version of atrest"))?;
    let key = match &args.public_key {
        Some(key) => key.clone(),
        None => signer(&Session::load(global)?).await?.public_key(),
    };
    let receipt = signed.verify(&key).with_context(|| format!("{file}"))?;
    let complete = receipt.is_complete();
    if global.json {
        let columns: Vec<()> = Vec::new();
        let seconds = begin.elapsed().as_secs_f64();
        Envelope::new("receipt verify", complete, columns, seconds)
            .with("receipt", &receipt)?
            .print()?;
    } else {
        line(&format!(
            "The signature is good. Subject {}: keys destroyed {}",
            receipt.subject.as_deref().unwrap_or(&receipt.tag),
            receipt.destroyed
        ));
        show(&receipt);
    }
    Ok(match complete {
        true => Outcome::Clean,
        false => Outcome::Left,
    })
}

/// What a receipt says, for people.
pub(super) fn show(receipt: &Receipt) {
    for column in &receipt.columns {
        line(&format!(
            "{}: {} rows, {} unreadable, {} still in clear, {} still under a shared key, {} undecryptable for another reason",
            column.column,
            count(column.rows),
            count(column.unreadable),
            count(column.plaintext),
            count(column.shared),
            count(column.undecryptable)
        ));
        if column.plaintext > 0 {
            line(
                "  atrest encrypt gives what is in clear a new key of the subject; delete those rows if they are to go",
            );
        }
        if column.shared > 0 {
            line(
                "  atrest rotate moves what is under a shared key to the subject's own; then forget again",
            );
        }
        for also in &column.emptied {
            line(&format!("  {also} was emptied in the same rows"));
        }
    }
    for files in &receipt.files {
        line(&format!(
            "{}: {} files, {} unreadable, {} still in clear, {} still under a shared key, {} undecryptable for another reason, {} not looked at",
            files.location,
            count(files.files),
            count(files.unreadable),
            count(files.plaintext),
            count(files.shared),
            count(files.undecryptable),
            count(files.skipped)
        ));
        if let Some(old) = &files.old_versions {
            show_old(old);
        }
    }
    receipt.backups.iter().for_each(show_backup);
    if !receipt.not_covered.is_empty() {
        line(&format!(
            "Not covered, since the policy names no subject for it: {}",
            receipt.not_covered.join(", ")
        ));
    }
    line(&match receipt.final_from {
        Some(at) => format!("From {at} on no known backup can bring a key back."),
        None => "Copies of the table atrest_keys in backups can bring the keys back while they are kept; say for how long with `retention` in [subjects].".to_owned(),
    });
}

/// A backup: nothing, where nothing is left in it.
fn show_backup(backup: &ErasedBackup) {
    let path = &backup.path;
    if backup.deleted {
        line(&format!("backup {path}: deleted, as it was said"));
    }
    if backup.readable > 0 {
        line(&format!(
            "backup {path}: it still brings {} values of the subject back, which are in clear or under a shared key in it: delete it, then forget again",
            count(backup.readable)
        ));
    }
    if backup.unknown > 0 {
        line(&format!(
            "backup {path}: of {} values it cannot be told whether they are the subject's and can be read, since their rows are gone, or their column is not in the policy, or their key is not here: delete it, then forget again",
            count(backup.unknown)
        ));
    }
    if let Some(problem) = &backup.problem {
        line(&format!(
            "backup {path} was not looked into to its end: {problem}; then forget again"
        ));
    }
}

/// The old versions of a bucket, which nobody but its provider removes.
fn show_old(old: &ErasedVersions) {
    if old.unreadable + old.readable > 0 {
        line(&format!(
            "  old versions that the bucket still has: {} unreadable, {} still readable",
            count(old.unreadable),
            count(old.readable)
        ));
    }
    if old.readable > 0 {
        line(
            "  those are in clear or under another key: remove them, by a lifecycle rule for noncurrent versions or one by one; then forget again",
        );
    }
    if let Some(problem) = &old.problem {
        line(&format!(
            "  old versions were not all looked at: {problem}; then forget again"
        ));
    }
}
