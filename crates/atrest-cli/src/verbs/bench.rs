//! `atrest bench`: this machine's sealing and opening, and how fast the policy's
//! columns are read. Changes nothing.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use atrest_core::{Context, FieldOpener, FieldSealer, Form, Key, Keyring, Suite};
use serde::Serialize;

use crate::Outcome;
use crate::args::{BenchArgs, Global};
use crate::output::{Envelope, line, print, rate, table};
use crate::session::{Session, options};

/// Value sizes: an e-mail address, a face template as JSON, a long text.
const SIZES: [usize; 3] = [64, 370, 4096];

/// One row of the result: a suite at a size, sealing or opening.
#[derive(Debug, Serialize)]
struct Figure {
    suite: String,
    operation: &'static str,
    value_bytes: usize,
    values_per_second: f64,
    mean_ns: f64,
    p50_ns: u64,
    p95_ns: u64,
    p99_ns: u64,
}

/// Runs the verb.
pub(crate) async fn run(args: &BenchArgs, global: &Global) -> anyhow::Result<Outcome> {
    ensure!(
        args.seconds > 0.0 && args.seconds <= 60.0,
        "--seconds is {}; give more than 0 and at most 60",
        args.seconds
    );
    let begin = Instant::now();
    let each = Duration::from_secs_f64(args.seconds);
    let figures = tokio::task::block_in_place(|| figures(each))?;
    let columns = if global.policy.exists() {
        let session = Session::load(global)?;
        if session.policy.columns.is_empty() {
            Vec::new()
        } else {
            let connected = session.connect(global).await?;
            super::verify::read(&connected, &options(&args.pace), global).await?
        }
    } else {
        Vec::new()
    };
    if global.json {
        Envelope::new("bench", true, columns, begin.elapsed().as_secs_f64())
            .with("figures", figures)?
            .print()?;
        return Ok(Outcome::Clean);
    }
    line("One thread, one value at a time:");
    let mut rows = table(
        &[
            "suite", "", "value", "values/s", "mean", "p50", "p95", "p99",
        ],
        2..8,
    );
    for f in &figures {
        rows.add_row([
            f.suite.clone(),
            f.operation.to_owned(),
            format!("{} B", f.value_bytes),
            format!("{:.0}", f.values_per_second),
            format!("{:.0} ns", f.mean_ns),
            format!("{} ns", f.p50_ns),
            format!("{} ns", f.p95_ns),
            format!("{} ns", f.p99_ns),
        ]);
    }
    print(&rows);
    for column in &columns {
        line(&format!(
            "{}: read and classified at {}",
            column.column,
            rate(column.total, column.seconds)
        ));
    }
    Ok(Outcome::Clean)
}

fn figures(each: Duration) -> anyhow::Result<Vec<Figure>> {
    let keyring = Keyring::new(Key::generate()?, Vec::new())?;
    let context = Context::new("bench.value");
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .context("the clock stands before 1970; set it")?
        .as_secs();
    let mut figures = Vec::new();
    for suite in [Suite::Xaes256Gcm, Suite::Fernet, Suite::A256CbcHs512] {
        for size in SIZES {
            let value = vec![b'v'; size];
            let mut sealer = FieldSealer::new(&keyring, suite, now)?;
            let mut token = Vec::new();
            figures.push(measure(each, suite, "seal", size, || {
                token.clear();
                Ok(sealer.seal(Form::Text, &context, &value, &mut token)?)
            })?);
            let mut opener = FieldOpener::new(&keyring);
            let mut clear = Vec::new();
            figures.push(measure(each, suite, "open", size, || {
                clear.clear();
                opener.open(Form::Text, &context, &token, &mut clear)?;
                Ok(())
            })?);
        }
    }
    Ok(figures)
}

fn measure(
    each: Duration,
    suite: Suite,
    operation: &'static str,
    value_bytes: usize,
    mut work: impl FnMut() -> anyhow::Result<()>,
) -> anyhow::Result<Figure> {
    let mut nanos: Vec<u64> = Vec::new();
    let begin = Instant::now();
    while nanos.is_empty() || begin.elapsed() < each {
        let one = Instant::now();
        work()?;
        nanos.push(u64::try_from(one.elapsed().as_nanos()).unwrap_or(u64::MAX));
    }
    nanos.sort_unstable();
    let mean_ns = nanos.iter().map(|n| *n as f64).sum::<f64>() / nanos.len() as f64;
    let quantile = |percent: usize| {
        let index = (nanos.len() * percent / 100).min(nanos.len() - 1);
        nanos[index]
    };
    Ok(Figure {
        suite: suite.to_string(),
        operation,
        value_bytes,
        values_per_second: 1e9 / mean_ns,
        mean_ns,
        p50_ns: quantile(50),
        p95_ns: quantile(95),
        p99_ns: quantile(99),
    })
}
