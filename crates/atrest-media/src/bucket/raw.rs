//! Requests that `object_store` has no method for, signed by it and sent by its client:
//! uploads put together on a condition, tags, old versions.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use object_store::aws::AmazonS3;
use object_store::client::{HttpClient, HttpRequest, HttpRequestBody, HttpResponseBody};
use object_store::multipart::PartId;
use object_store::path::Path;
use object_store::signer::{HeaderName, HeaderValue, Method, SignedUrlOptions, Signer as _};

use super::parts::completion;

/// How often a server that is busy, or a link that is cut, is tried.
const TRIES: u32 = 5;
/// Bytes of an answer: a page of versions has about 1 MiB at most.
const LONGEST: usize = 16 << 20;
/// Signatures are good for so long.
const VALID: Duration = Duration::from_secs(300);

/// A bucket's server.
#[derive(Debug)]
pub(super) struct Raw {
    pub(super) s3: AmazonS3,
    pub(super) http: HttpClient,
    /// Whether tags are kept.
    pub(super) tagging: bool,
}

/// What a key must hold for a request to be done.
#[derive(Debug, Clone, Copy)]
pub(super) enum Expected<'a> {
    /// What has this ETag.
    ETag(&'a str),
    /// Nothing.
    Nothing,
}

impl<'a> Expected<'a> {
    const fn header(self) -> (&'static str, &'a str) {
        match self {
            Self::ETag(e_tag) => ("if-match", e_tag),
            Self::Nothing => ("if-none-match", "*"),
        }
    }
}

/// What the server refused, without the URL, which carries a signature.
#[derive(Debug)]
pub(super) struct RawError {
    /// The HTTP status, if there was an answer.
    pub(super) status: Option<u16>,
    said: String,
}

impl RawError {
    /// The condition did not hold, or could not be decided.
    pub(super) fn is_condition(&self) -> bool {
        matches!(self.status, Some(409 | 412))
    }

    /// It does not know such requests, or takes them for others.
    pub(super) fn is_unknown(&self) -> bool {
        matches!(self.status, Some(200 | 400 | 405 | 501))
    }

    /// An answer that was not understood.
    pub(super) fn unread(error: impl fmt::Display) -> Self {
        Self {
            status: Some(200),
            said: format!("with something else than was asked for: {error}"),
        }
    }

    fn transport(error: impl fmt::Display) -> Self {
        Self {
            status: None,
            said: error.to_string(),
        }
    }

    fn may_pass(&self) -> bool {
        self.status
            .is_none_or(|status| status == 429 || (status >= 500 && status != 501))
    }
}

impl fmt::Display for RawError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.status {
            Some(status) => write!(f, "the server answered {status} {}", self.said),
            None => write!(f, "no answer from the server: {}", self.said),
        }
    }
}

impl Raw {
    /// Puts an upload together, if the key holds what is expected.
    pub(super) async fn complete(
        &self,
        key: &Path,
        upload: &str,
        parts: &[PartId],
        expected: Option<Expected<'_>>,
    ) -> Result<(), RawError> {
        let query = [("uploadId", upload)];
        let body = completion(parts);
        let answer = self.send(Method::POST, key, &query, expected, body).await?;
        // It may answer 200 first, and find out then.
        match error_code(&answer) {
            Some(code) => Err(RawError {
                status: Some(if code == "PreconditionFailed" {
                    412
                } else {
                    500
                }),
                said: code,
            }),
            None => Ok(()),
        }
    }

    /// Sends a request, on a condition if something is expected, until it is answered;
    /// gives the body of an answer that says that it went well.
    pub(super) async fn send(
        &self,
        method: Method,
        key: &Path,
        query: &[(&str, &str)],
        expected: Option<Expected<'_>>,
        body: String,
    ) -> Result<Bytes, RawError> {
        let mut tries = 1;
        loop {
            let sent = self.try_send(method.clone(), key, query, expected, body.clone());
            match sent.await {
                Err(error) if error.may_pass() && tries < TRIES => {
                    tokio::time::sleep(Duration::from_millis(50 << tries)).await;
                    tries += 1;
                }
                done => return done,
            }
        }
    }

    async fn try_send(
        &self,
        method: Method,
        key: &Path,
        query: &[(&str, &str)],
        expected: Option<Expected<'_>>,
        body: String,
    ) -> Result<Bytes, RawError> {
        let mut options = SignedUrlOptions::new().with_query(query.iter().copied());
        let mut request = HttpRequest::new(HttpRequestBody::from(body));
        if let Some(expected) = expected {
            let (name, value) = expected.header();
            let name = HeaderName::from_static(name);
            let value = HeaderValue::from_str(value).map_err(RawError::transport)?;
            options = options.with_signed_header(name.clone(), value.clone());
            request.headers_mut().insert(name, value);
        }
        let url = self
            .s3
            .signed_url_opts(method.clone(), key, VALID, &options);
        let url = url.await.map_err(RawError::transport)?;
        *request.method_mut() = method;
        *request.uri_mut() = url.as_str().parse().map_err(RawError::transport)?;
        let answer = self.http.execute(request).await;
        let (head, body) = answer
            .map_err(|error| RawError::transport(error.kind_name()))?
            .into_parts();
        let body = read(body).await?;
        if head.status.is_success() {
            return Ok(body);
        }
        Err(RawError {
            status: Some(head.status.as_u16()),
            said: error_code(&body).unwrap_or_default(),
        })
    }
}

/// A body that is no longer than any answer that is asked for here.
async fn read(body: HttpResponseBody) -> Result<Bytes, RawError> {
    let mut pieces = body.bytes_stream();
    let mut read = Vec::new();
    while let Some(piece) = pieces.next().await {
        read.extend_from_slice(&piece.map_err(|error| RawError::transport(error.kind_name()))?);
        if read.len() > LONGEST {
            return Err(RawError::unread("it is too long"));
        }
    }
    Ok(read.into())
}

/// An HTTP error's kind: its text may hold the URL.
trait KindName {
    fn kind_name(&self) -> String;
}

impl KindName for object_store::client::HttpError {
    fn kind_name(&self) -> String {
        format!("{:?}", self.kind())
    }
}

/// The code of `<Error><Code>...</Code>...</Error>`, if the body is that.
pub(super) fn error_code(body: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(body).ok()?;
    let (_, error) = text.split_once("<Error>")?;
    let code = error
        .split_once("<Code>")
        .and_then(|(_, code)| code.split_once("</Code>"));
    Some(code.map_or_else(|| "an error".to_owned(), |(code, _)| code.to_owned()))
}
