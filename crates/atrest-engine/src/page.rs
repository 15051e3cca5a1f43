//! Paging through a range: the next page is gone through while this one is worked
//! on, and pages shrink where values are long, so that memory stays bounded.

use std::any::Any;
use std::sync::Arc;

use tokio::task::JoinHandle;

use crate::EngineError;
use crate::classifier::Classifier;
use crate::target::{self, KeyRange, PageLimit, RowKey, Target, ValueRef};

/// Bytes of values with which a page ends.
const PAGE_BYTES: u64 = 8 << 20;

/// A value longer than this is no part of a page: it is read by itself.
const INLINE: u64 = 1 << 20;

/// Rows of the first page at most, which tells how long values are. (A server
/// sends all rows that were asked for, also those behind the page's last byte.)
const FIRST: usize = 100;

/// A page that a visitor has seen.
pub(crate) struct Page {
    pub(crate) visitor: Classifier,
    pub(crate) rows: usize,
    /// The last row's key; `None` on the range's last page.
    pub(crate) cursor: Option<RowKey>,
}

/// A page under way, and the bytes that were shown.
type Ahead = JoinHandle<Result<(Page, u64), EngineError>>;

/// Goes through a range page by page.
pub(crate) struct Pager {
    target: Arc<dyn Target>,
    rest: KeyRange,
    batch: usize,
    limit: usize,
    ahead: Option<Ahead>,
}

impl Pager {
    /// Pages of at most `batch` rows.
    pub(crate) fn new(target: &Arc<dyn Target>, range: KeyRange, batch: usize) -> Self {
        let batch = batch.max(1);
        Self {
            target: Arc::clone(target),
            rest: range,
            batch,
            limit: batch.min(FIRST),
            ahead: None,
        }
    }

    /// Begins to show `visitor` the next page.
    pub(crate) fn start(&mut self, visitor: Classifier) {
        let (target, range) = (Arc::clone(&self.target), self.rest.clone());
        let limit = PageLimit {
            rows: self.limit,
            bytes: PAGE_BYTES,
            inline: INLINE,
        };
        self.ahead = Some(tokio::spawn(async move {
            let visited = target.visit(&range, limit, Box::new(visitor)).await?;
            let visitor: Box<dyn Any> = visited.visitor;
            let mut visitor: Classifier =
                *visitor
                    .downcast()
                    .map_err(|_| target::TargetError::Refused {
                        what: "a page came back with another visitor".to_owned(),
                        next: "report this as an error of atrest".to_owned(),
                    })?;
            visitor.settle().await?;
            let page = Page {
                visitor,
                rows: visited.rows,
                cursor: visited.last,
            };
            Ok((page, visited.bytes))
        }));
    }

    /// The page that was begun; `None` when none was.
    pub(crate) async fn next(&mut self) -> Result<Option<Page>, EngineError> {
        let Some(ahead) = self.ahead.take() else {
            return Ok(None);
        };
        let (page, bytes) = ahead
            .await
            .map_err(|e| EngineError::Worker(e.to_string()))??;
        if let Some(cursor) = &page.cursor {
            self.rest.after = Some(cursor.clone());
            let average = bytes / page.rows.max(1) as u64 + 1;
            self.limit = usize::try_from(PAGE_BYTES / average)
                .unwrap_or(usize::MAX)
                .clamp(1, self.batch);
        }
        Ok(Some(page))
    }
}

impl Drop for Pager {
    fn drop(&mut self) {
        if let Some(ahead) = &self.ahead {
            ahead.abort();
        }
    }
}

/// A value's stored length, in bytes.
pub(crate) fn len(value: ValueRef<'_>) -> u64 {
    match value {
        ValueRef::Deferred(n) => n,
        value => value.bytes(),
    }
}
