//! Paging through a range: the next page is read while this one is worked on, and
//! pages shrink where values are long, so that memory stays bounded.

use std::sync::Arc;

use tokio::task::JoinHandle;

use crate::EngineError;
use crate::target::{self, KeyRange, Row, Target, Value};

/// Bytes of values that a page aims to hold at most.
const PAGE_BYTES: u64 = 8 << 20;

/// A page, and whether it is the range's last.
pub(crate) struct Page {
    pub(crate) rows: Vec<Row>,
    pub(crate) last: bool,
}

/// Reads a range page by page.
pub(crate) struct Pager {
    target: Arc<dyn Target>,
    rest: KeyRange,
    batch: usize,
    limit: usize,
    ahead: Option<(usize, JoinHandle<target::Result<Vec<Row>>>)>,
}

impl Pager {
    /// Pages of at most `batch` rows.
    pub(crate) fn new(target: &Arc<dyn Target>, range: KeyRange, batch: usize) -> Self {
        let batch = batch.max(1);
        let mut pager = Self {
            target: Arc::clone(target),
            rest: range,
            batch,
            limit: batch,
            ahead: None,
        };
        pager.read_ahead();
        pager
    }

    fn read_ahead(&mut self) {
        let (target, range, limit) = (Arc::clone(&self.target), self.rest.clone(), self.limit);
        let inline = PAGE_BYTES / limit as u64;
        self.ahead = Some((
            limit,
            tokio::spawn(async move { target.read(&range, limit, inline).await }),
        ));
    }

    /// The next page; `None` when the range is done.
    pub(crate) async fn next(&mut self) -> Result<Option<Page>, EngineError> {
        let Some((limit, ahead)) = self.ahead.take() else {
            return Ok(None);
        };
        let rows = ahead
            .await
            .map_err(|e| EngineError::Worker(e.to_string()))??;
        let last = rows.len() < limit;
        if let (false, Some(row)) = (last, rows.last()) {
            self.rest.after = Some(row.key.clone());
            let bytes: u64 = rows.iter().map(|r| len(&r.value)).sum();
            let average = bytes / rows.len() as u64 + 1;
            // Twice the average should still come inline.
            self.limit = usize::try_from(PAGE_BYTES / (2 * average))
                .unwrap_or(usize::MAX)
                .clamp(1, self.batch);
            self.read_ahead();
        }
        Ok(Some(Page { rows, last }))
    }
}

impl Drop for Pager {
    fn drop(&mut self) {
        if let Some((_, ahead)) = &self.ahead {
            ahead.abort();
        }
    }
}

/// A value's stored length, in bytes.
pub(crate) fn len(value: &Value) -> u64 {
    match value {
        Value::Null => 0,
        Value::Text(v) | Value::Bytes(v) | Value::Number(v) => v.len() as u64,
        Value::Deferred(n) => *n,
    }
}
