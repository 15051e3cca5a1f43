//! The reading pass: every value classified and counted, nothing changed. It is
//! what `plan`, `verify` and `status` stand on.

use std::sync::Arc;

use atrest_core::Keyring;
use tokio::task::JoinSet;

use crate::column::Column;
use crate::observe::{Event, Observer, Phase, Stop};
use crate::page::Pager;
use crate::report::Tally;
use crate::target::{KeyRange, Row, Value};
use crate::transition::Goal;
use crate::{EngineError, Operation, RunOptions};

/// Classifies every value of a column.
pub(crate) async fn scan(
    column: &Column,
    keyring: &Keyring,
    operation: Operation,
    options: &RunOptions,
    workers: usize,
    observer: &Arc<dyn Observer>,
    stop: &Stop,
) -> Result<Tally, EngineError> {
    let goal = column.goal(operation, keyring, options.accept_lookalikes);
    let counts = column.target.counts().await?;
    observer.event(&Event::Pass {
        column: column.name(),
        phase: Phase::Scan,
        rows: counts.total,
        resumed: false,
    });
    let workers = if counts.total > 2 * options.batch_size as u64 {
        workers
    } else {
        1
    };
    let mut tasks = JoinSet::new();
    for range in column.target.split(workers, counts.total).await? {
        let (column, keyring, observer, stop, batch) = (
            column.clone(),
            keyring.clone(),
            Arc::clone(observer),
            stop.clone(),
            options.batch_size,
        );
        tasks.spawn(async move {
            scan_range(&column, &keyring, goal, range, batch, &*observer, &stop).await
        });
    }
    let tally = gather(tasks)
        .await?
        .into_iter()
        .fold(Tally::default(), |mut sum, t| {
            sum.add(t);
            sum
        });
    observer.event(&Event::PassEnd);
    Ok(tally)
}

async fn scan_range(
    column: &Column,
    keyring: &Keyring,
    goal: Goal,
    range: KeyRange,
    batch: usize,
    observer: &dyn Observer,
    stop: &Stop,
) -> Result<Tally, EngineError> {
    let mut reader = column.reader(keyring);
    let mut tally = Tally::default();
    let mut pager = Pager::new(&column.target, range, batch);
    while let Some(page) = pager.next().await? {
        if stop.requested() {
            return Err(EngineError::Interrupted);
        }
        let read = page.rows.len() as u64;
        for Row { key, value } in page.rows {
            let value = match value {
                Value::Deferred(_) => match column.target.read_one(&key).await? {
                    Some(value) => value,
                    None => continue, // deleted since
                },
                value => value,
            };
            reader.tally(&key, &value, &goal, &mut tally);
        }
        observer.event(&Event::Rows { read, changed: 0 });
    }
    Ok(tally)
}

/// Waits for all workers; the first error ends the others.
pub(crate) async fn gather<T: 'static>(
    mut tasks: JoinSet<Result<T, EngineError>>,
) -> Result<Vec<T>, EngineError> {
    let mut all = Vec::with_capacity(tasks.len());
    while let Some(result) = tasks.join_next().await {
        // Dropping the set on the way out aborts the rest; a page in flight is
        // one transaction, so it is whole or not there.
        all.push(result.map_err(|e| EngineError::Worker(e.to_string()))??);
    }
    Ok(all)
}
