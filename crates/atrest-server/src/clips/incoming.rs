//! Content on its way from a client.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use bytes::Bytes;
use http_body_util::BodyExt as _;

use crate::failure::Failure;
use crate::name::ClipName;
use crate::problem::Problem;
use crate::state::Shared;

/// An upload's body, within its limits.
pub(super) struct Incoming<'a> {
    body: Body,
    app: &'a Shared,
    name: &'a ClipName,
    received: u64,
}

impl<'a> Incoming<'a> {
    /// Checks what the request's head says of the body.
    pub(super) fn new(
        app: &'a Shared,
        name: &'a ClipName,
        headers: &HeaderMap,
        body: Body,
    ) -> Result<Self, Problem> {
        if headers.contains_key(header::CONTENT_RANGE) {
            let detail = "an object is put whole; send all of it, without Content-Range";
            return Err(Problem::bad_request(detail).about(name));
        }
        let coding = headers.get(header::CONTENT_ENCODING);
        if coding.is_some_and(|coding| coding != "identity") {
            let detail = "objects are stored as they are; send it without Content-Encoding";
            let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
            let identity = HeaderValue::from_static("identity");
            let problem = Problem::new(status, detail).about(name);
            return Err(problem.with(header::ACCEPT_ENCODING, identity));
        }
        let incoming = Self {
            body,
            app,
            name,
            received: 0,
        };
        let length = headers.get(header::CONTENT_LENGTH);
        let length = length.and_then(|length| length.to_str().ok()?.parse().ok());
        incoming.check(length.unwrap_or(0))?;
        Ok(incoming)
    }

    /// The next bytes; `None` at the proper end.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Problem> {
        loop {
            let frame = tokio::time::timeout(self.app.limits.stall, self.body.frame()).await;
            let frame = match frame {
                Ok(None) => return Ok(None),
                Ok(Some(Ok(frame))) => frame,
                Ok(Some(Err(error))) => {
                    self.app.metrics.failed(Failure::Interrupted);
                    tracing::warn!(object = %self.name, received = self.received, %error, "an upload broke off; nothing of it stays");
                    let detail = "the upload broke off, and nothing of it was kept; send it again";
                    return Err(Problem::bad_request(detail).about(self.name));
                }
                Err(_) => return Err(self.stalled()),
            };
            // Trailers are let go.
            if let Ok(bytes) = frame.into_data() {
                self.received = self.received.saturating_add(bytes.len() as u64);
                self.check(self.received)?;
                self.app.metrics.received(bytes.len() as u64);
                return Ok(Some(bytes));
            }
        }
    }

    fn check(&self, length: u64) -> Result<(), Problem> {
        match self.app.limits.upload {
            Some(most) if length > most => {
                let detail = format!(
                    "an upload may have {most} bytes at most, and nothing of this one was kept"
                );
                Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail).about(self.name))
            }
            _ => Ok(()),
        }
    }

    fn stalled(&self) -> Problem {
        self.app.metrics.failed(Failure::Interrupted);
        let seconds = self.app.limits.stall.as_secs();
        tracing::warn!(object = %self.name, received = self.received, "an upload stalled; nothing of it stays");
        let detail = format!(
            "no byte of the upload came for {seconds} s, and nothing of it was kept; send it again"
        );
        Problem::new(StatusCode::REQUEST_TIMEOUT, detail)
            .about(self.name)
            .with(header::CONNECTION, HeaderValue::from_static("close"))
    }
}
