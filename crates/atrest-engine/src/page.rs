//! Paging through a range: the next page is gone through while this one is worked
//! on, and pages shrink where values are long, so that memory stays bounded.

use std::any::Any;
use std::sync::Arc;

use tokio::task::JoinHandle;

use crate::EngineError;
use crate::target::{self, KeyOf, KeyRange, RowKey, Target, ValueRef, Visitor};

/// Bytes of values that a page aims to hold at most.
const PAGE_BYTES: u64 = 8 << 20;

/// A page that a visitor has seen.
pub(crate) struct Page<V> {
    pub(crate) visitor: V,
    pub(crate) rows: usize,
    /// The last row's key; `None` on the range's last page.
    pub(crate) cursor: Option<RowKey>,
}

/// Goes through a range page by page.
pub(crate) struct Pager<V> {
    target: Arc<dyn Target>,
    rest: KeyRange,
    batch: usize,
    limit: usize,
    ahead: Option<JoinHandle<target::Result<Seen<V>>>>,
}

struct Seen<V> {
    page: Page<V>,
    bytes: u64,
}

impl<V: Visitor> Pager<V> {
    /// Pages of at most `batch` rows.
    pub(crate) fn new(target: &Arc<dyn Target>, range: KeyRange, batch: usize) -> Self {
        let batch = batch.max(1);
        Self {
            target: Arc::clone(target),
            rest: range,
            batch,
            limit: batch,
            ahead: None,
        }
    }

    /// Begins to show `visitor` the next page.
    pub(crate) fn start(&mut self, visitor: V) {
        let (target, range, limit) = (Arc::clone(&self.target), self.rest.clone(), self.limit);
        let inline = PAGE_BYTES / limit as u64;
        self.ahead = Some(tokio::spawn(async move {
            let weighed = Box::new(Weighed { visitor, bytes: 0 });
            let visited = target.visit(&range, limit, inline, weighed).await?;
            let weighed: Box<dyn Any> = visited.visitor;
            let Weighed { visitor, bytes } =
                *weighed
                    .downcast()
                    .map_err(|_| target::TargetError::Refused {
                        what: "a page came back with another visitor".to_owned(),
                        next: "report this as an error of atrest".to_owned(),
                    })?;
            let page = Page {
                visitor,
                rows: visited.rows,
                cursor: visited.last,
            };
            Ok(Seen { page, bytes })
        }));
    }

    /// The page that was begun; `None` when none was.
    pub(crate) async fn next(&mut self) -> Result<Option<Page<V>>, EngineError> {
        let Some(ahead) = self.ahead.take() else {
            return Ok(None);
        };
        let Seen { page, bytes } = ahead
            .await
            .map_err(|e| EngineError::Worker(e.to_string()))??;
        if let Some(cursor) = &page.cursor {
            self.rest.after = Some(cursor.clone());
            let average = bytes / page.rows.max(1) as u64 + 1;
            // Twice the average should still come inline.
            self.limit = usize::try_from(PAGE_BYTES / (2 * average))
                .unwrap_or(usize::MAX)
                .clamp(1, self.batch);
        }
        Ok(Some(page))
    }
}

impl<V> Drop for Pager<V> {
    fn drop(&mut self) {
        if let Some(ahead) = &self.ahead {
            ahead.abort();
        }
    }
}

/// Counts the bytes that go by.
struct Weighed<V> {
    visitor: V,
    bytes: u64,
}

impl<V: Visitor> Visitor for Weighed<V> {
    fn row(&mut self, key: KeyOf<'_>, value: ValueRef<'_>) -> target::Result<()> {
        self.bytes += len(value);
        self.visitor.row(key, value)
    }
}

/// A value's stored length, in bytes.
pub(crate) fn len(value: ValueRef<'_>) -> u64 {
    match value {
        ValueRef::Null => 0,
        ValueRef::Text(v) | ValueRef::Bytes(v) | ValueRef::Number(v) => v.len() as u64,
        ValueRef::Deferred(n) => n,
    }
}
