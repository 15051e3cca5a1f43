//! The reading pass: every value classified and counted, nothing changed. It is
//! what `plan`, `verify` and `status` stand on.

use std::sync::Arc;

use atrest_core::Keyring;
use tokio::task::JoinSet;

use crate::classifier::Classifier;
use crate::column::Column;
use crate::observe::{Event, Observer, Phase, Stop};
use crate::page::{Page, Pager};
use crate::report::Tally;
use crate::target::KeyRange;
use crate::transition::Goal;
use crate::{EngineError, Operation, RunOptions};

/// Classifies every value of a column.
pub(crate) async fn scan(
    column: &Column,
    keyring: &Keyring,
    operation: Operation,
    options: &RunOptions,
    (workers, batch): (usize, usize),
    observer: &Arc<dyn Observer>,
    stop: &Stop,
) -> Result<Tally, EngineError> {
    let goal = column.goal(operation, keyring, options);
    let rows = column.target.rows().await?;
    observer.event(&Event::Pass {
        column: column.name(),
        phase: Phase::Scan,
        rows,
        resumed: false,
    });
    let workers = if rows > 2 * batch as u64 { workers } else { 1 };
    let mut tasks = JoinSet::new();
    for range in column.target.split(workers, rows).await? {
        let (column, keyring, observer, stop) = (
            column.clone(),
            keyring.clone(),
            Arc::clone(observer),
            stop.clone(),
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
    let mut pager = Pager::new(&column.target, range, batch);
    pager.start(Classifier::counting(column, keyring, goal));
    while let Some(Page {
        visitor: mut classifier,
        rows,
        cursor,
    }) = pager.next().await?
    {
        if stop.requested() {
            return Err(EngineError::Interrupted);
        }
        for key in classifier.take()?.deferred {
            classifier.long(&key).await?;
        }
        observer.event(&Event::Rows {
            read: rows as u64,
            changed: 0,
        });
        if cursor.is_none() {
            return Ok(classifier.tally());
        }
        pager.start(classifier);
    }
    Ok(Tally::default())
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
