//! `atrest serve`, asked for a part of a clip as a player asks.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, bail};
use tokio::io::{AsyncBufReadExt as _, BufReader};

use super::shell::Shell;
use crate::output::line;

/// The bytes that are asked for.
const RANGE: (usize, usize) = (300_000, 399_999);

/// Serves the policy's files on a free port, fetches the range of a clip, compares it
/// with the original, and stops the server.
pub(super) async fn a_range(shell: &Shell, clip: &str, original: &Path) -> anyhow::Result<()> {
    let mut server = shell.start(&["serve", "--no-auth", "--listen", "127.0.0.1:0", "--json"])?;
    let log = server.stderr.take().context("the server's log")?;
    let mut log = BufReader::new(log).lines();
    let first = log.next_line().await?.unwrap_or_default();
    let first: serde_json::Value = serde_json::from_str(&first)
        .with_context(|| format!("the server did not start; it said: {first}"))?;
    let url = first["fields"]["url"].as_str();
    let url = url.context("the server did not say where it listens")?;
    let (from, to) = RANGE;
    line(&format!("$ curl -i -r {from}-{to} {url}/clips/{clip}"));
    let answer = reqwest::Client::builder()
        .no_proxy()
        .build()?
        .get(format!("{url}/clips/{clip}"))
        .header("Range", format!("bytes={from}-{to}"))
        .send()
        .await?;
    let header = |name| {
        let value = answer
            .headers()
            .get(name)
            .and_then(|value| value.to_str().ok());
        value.unwrap_or_default().to_owned()
    };
    let (status, range, kind) = (
        answer.status(),
        header("content-range"),
        header("content-type"),
    );
    let part = answer.bytes().await?;
    line(&format!("{status}; {kind}; {range}"));
    let clear =
        fs::read(original).with_context(|| format!("cannot read {}", original.display()))?;
    if clear.get(from..=to) != Some(&*part) {
        bail!(
            "the range that {url} gave is not what {} holds there",
            original.display()
        );
    }
    line(&format!(
        "The same {} bytes as in {}: opened on the way out; on the disk the clip stays encrypted.",
        part.len(),
        original.display()
    ));
    shell.stop(server).await
}
