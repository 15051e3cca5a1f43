//! `atrest receipt`: what a receipt of erasure proves.

use std::time::Instant;

use anyhow::Context as _;
use atrest_engine::subjects::receipt::SignedReceipt;

use super::forget::{show_receipt, signer};
use crate::Outcome;
use crate::args::{Global, ReceiptArgs, ReceiptCommand, ReceiptVerifyArgs};
use crate::output::{Envelope, line};
use crate::session::Session;

/// Runs the verb.
pub(crate) async fn run(args: &ReceiptArgs, global: &Global) -> anyhow::Result<Outcome> {
    match &args.command {
        ReceiptCommand::Verify(args) => verify(args, global).await,
        ReceiptCommand::PublicKey => {
            let signer = signer(&Session::load(global)?).await?;
            line(&signer.public_key());
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
        show_receipt(&receipt);
    }
    Ok(match complete {
        true => Outcome::Clean,
        false => Outcome::Left,
    })
}
