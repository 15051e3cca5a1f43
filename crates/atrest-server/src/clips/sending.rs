//! Content on its way to a client.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::stream::{BoxStream, Stream, StreamExt as _};

use crate::failure::Failure;
use crate::metrics::Metrics;

/// Ends well only after exactly as many bytes as the answer's head says. Anything
/// else is an error, upon which the connection is cut: no client takes a part for the
/// whole.
pub(super) struct Sending {
    first: Option<Bytes>,
    rest: BoxStream<'static, object_store::Result<Bytes>>,
    left: u64,
    name: String,
    metrics: Metrics,
}

impl Sending {
    pub(super) fn new(
        first: Option<Bytes>,
        rest: BoxStream<'static, object_store::Result<Bytes>>,
        length: u64,
        name: String,
        metrics: &Metrics,
    ) -> Self {
        let metrics = metrics.clone();
        Self {
            first,
            rest,
            left: length,
            name,
            metrics,
        }
    }

    fn pass(&mut self, bytes: Bytes) -> Result<Bytes, Cut> {
        let length = bytes.len() as u64;
        self.left = match self.left.checked_sub(length) {
            Some(left) => left,
            None => return Err(self.cut("the store gave more than the object's length")),
        };
        self.metrics.sent(length);
        Ok(bytes)
    }

    fn cut(&self, why: &str) -> Cut {
        tracing::error!(
            object = self.name,
            left = self.left,
            "an answer was cut off: {why}"
        );
        Cut
    }
}

impl Stream for Sending {
    type Item = Result<Bytes, Cut>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(self.pass(first)));
        }
        self.rest.poll_next_unpin(context).map(|next| match next {
            Some(Ok(bytes)) => Some(self.pass(bytes)),
            Some(Err(error)) => {
                self.metrics
                    .failed(Failure::of(&error).unwrap_or(Failure::Store));
                Some(Err(self.cut(&error.to_string())))
            }
            None if self.left > 0 => {
                self.metrics.failed(Failure::Store);
                Some(Err(self.cut("the store gave less than the object's length")))
            }
            None => None,
        })
    }
}

/// The rest does not come.
#[derive(Debug, thiserror::Error)]
#[error("the rest of the object cannot be sent")]
pub(super) struct Cut;
