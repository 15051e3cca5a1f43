//! `GET` and `HEAD` of one object.

use std::ops::Range;
use std::time::SystemTime;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use futures::StreamExt as _;
use object_store::{Error, GetOptions, GetRange, GetResult, ObjectStore as _};

use super::sending::Sending;
use crate::condition::{Verdict, Version, range_counts, verdict};
use crate::name::ClipName;
use crate::problem::Problem;
use crate::range::{Asked, asked};
use crate::representation;
use crate::state::{App, Shared};
use crate::token::Role;

/// How often a GET begins anew because the object was replaced under its hands.
const TRIES: usize = 5;

/// An object's clear content, or a range of it.
///
/// One range is answered with 206, several with the whole. Every byte was
/// authenticated before it is sent; when a later one is not, the connection is cut.
#[utoipa::path(
    get, path = "/clips/{name}", tag = "clips",
    params(
        ("name" = String, Path, description = "Parts joined with `/`"),
        ("Range" = Option<String>, Header, description = "`bytes=0-499`, `bytes=500-`, `bytes=-500`"),
        ("If-Range" = Option<String>, Header), ("If-Match" = Option<String>, Header),
        ("If-None-Match" = Option<String>, Header), ("If-Modified-Since" = Option<String>, Header),
        ("If-Unmodified-Since" = Option<String>, Header),
    ),
    responses(
        (status = 200, description = "The content", body = Vec<u8>, content_type = "application/octet-stream"),
        (status = 206, description = "The range", body = Vec<u8>, content_type = "application/octet-stream"),
        (status = 304, description = "Not modified"),
        (status = 400, description = "No name", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "No token, or one that is not known", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such object", body = Problem, content_type = "application/problem+json"),
        (status = 412, description = "A condition does not hold", body = Problem, content_type = "application/problem+json"),
        (status = 416, description = "The object has no such bytes", body = Problem, content_type = "application/problem+json"),
        (status = 500, description = "The object does not open: no key, or it was changed", body = Problem, content_type = "application/problem+json"),
        (status = 502, description = "The store failed", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "It was replaced each time it was to be read", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = []))
)]
pub(crate) async fn get(
    State(app): App,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let name = app.clip(Role::Read, &headers, &uri)?;
    app.choice.shows(&name).await?;
    for _ in 0..TRIES {
        if let Some(answer) = app.read(&name, &headers).await? {
            return Ok(answer);
        }
    }
    let detail = "the object is being replaced all the time; try again later";
    Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail).about(&name))
}

/// What a GET would answer, without the content.
#[utoipa::path(
    head, path = "/clips/{name}", tag = "clips",
    params(("name" = String, Path, description = "Parts joined with `/`")),
    responses(
        (status = 200, description = "Its length, type and entity tag are in the headers"),
        (status = 304, description = "Not modified"),
        (status = 400, description = "No name"),
        (status = 401, description = "No token, or one that is not known"),
        (status = 404, description = "No such object"),
        (status = 412, description = "A condition does not hold"),
        (status = 500, description = "The object does not open"),
        (status = 502, description = "The store failed"),
    ),
    security(("token" = []))
)]
pub(crate) async fn head(
    State(app): App,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let name = app.clip(Role::Read, &headers, &uri)?;
    app.choice.shows(&name).await?;
    let found = app.look(&name).await?;
    let version = Version::of(&found.meta);
    if let Some(answer) = conditional(&headers, &version, &name) {
        return answer;
    }
    let mut headers = representation::headers(&name, &version, &found.attributes);
    headers.insert(header::CONTENT_LENGTH, found.meta.size.into());
    Ok((headers, Body::empty()).into_response())
}

impl Shared {
    /// An object's metadata.
    async fn look(&self, name: &ClipName) -> Result<GetResult, Problem> {
        let options = GetOptions::new().with_head(true);
        let found = self.store.get_opts(name.path(), options).await;
        found.map_err(|error| self.unread(&error, name))
    }

    /// The answer to a GET; `None`: the object was replaced between two looks at it.
    async fn read(&self, name: &ClipName, asking: &HeaderMap) -> Result<Option<Response>, Problem> {
        let mut options = GetOptions::new();
        if asks_more(asking) {
            let meta = self.look(name).await?.meta;
            let version = Version::of(&meta);
            if let Some(answer) = conditional(asking, &version, name) {
                return answer.map(Some);
            }
            match part(asking, &version, meta.size) {
                Asked::Whole => {}
                Asked::Part(range) => options = options.with_range(Some(GetRange::Bounded(range))),
                Asked::Beyond => return Err(beyond(name, meta.size)),
            }
            // What was decided holds for this state only.
            options = options.with_if_match(meta.e_tag);
        }
        let ranged = options.range.is_some();
        match self.store.get_opts(name.path(), options).await {
            Ok(found) => self.send(name, found, ranged).await.map(Some),
            Err(Error::Precondition { .. }) => Ok(None),
            Err(error) => Err(self.unread(&error, name)),
        }
    }

    /// Headers and body, once the first bytes are at hand: until then it can still
    /// become another status.
    async fn send(
        &self,
        name: &ClipName,
        found: GetResult,
        ranged: bool,
    ) -> Result<Response, Problem> {
        let Range { start, end } = found.range;
        let size = found.meta.size;
        let version = Version::of(&found.meta);
        let mut headers = representation::headers(name, &version, &found.attributes);
        let mut content = found.into_stream();
        let first = match content.next().await.transpose() {
            Ok(first) => first,
            Err(error) => return Err(self.unread(&error, name)),
        };
        headers.insert(header::CONTENT_LENGTH, (end - start).into());
        let mut status = StatusCode::OK;
        if ranged {
            status = StatusCode::PARTIAL_CONTENT;
            let range = format!("bytes {start}-{}/{size}", end - 1);
            headers.insert(header::CONTENT_RANGE, ascii(range));
        }
        let body = Sending::new(first, content, end - start, name.to_string(), &self.metrics);
        Ok((status, headers, Body::from_stream(body)).into_response())
    }
}

/// Whether there is more to a GET than all of what there is.
fn asks_more(headers: &HeaderMap) -> bool {
    const ALL: [header::HeaderName; 5] = [
        header::RANGE,
        header::IF_MATCH,
        header::IF_NONE_MATCH,
        header::IF_MODIFIED_SINCE,
        header::IF_UNMODIFIED_SINCE,
    ];
    ALL.iter().any(|name| headers.contains_key(name))
}

/// The answer that the request's conditions come to, if they do.
fn conditional(
    headers: &HeaderMap,
    version: &Version,
    name: &ClipName,
) -> Option<Result<Response, Problem>> {
    match verdict(headers, Some(version), true) {
        Verdict::Go => None,
        Verdict::NotModified => {
            let headers = representation::validators(version);
            Some(Ok((StatusCode::NOT_MODIFIED, headers).into_response()))
        }
        Verdict::Failed => Some(Err(Problem::precondition_failed(name))),
    }
}

fn part(headers: &HeaderMap, version: &Version, size: u64) -> Asked {
    let mut ranges = headers.get_all(header::RANGE).iter();
    match (ranges.next().map(HeaderValue::to_str), ranges.next()) {
        (Some(Ok(range)), None) if range_counts(headers, version, SystemTime::now()) => {
            asked(range, size)
        }
        _ => Asked::Whole,
    }
}

fn beyond(name: &ClipName, size: u64) -> Problem {
    let detail = format!("the object has {size} bytes, and none of those that Range asks for");
    Problem::new(StatusCode::RANGE_NOT_SATISFIABLE, detail)
        .about(name)
        .with(header::CONTENT_RANGE, ascii(format!("bytes */{size}")))
}

/// Text of digits and signs: always a header's value.
fn ascii(text: String) -> HeaderValue {
    text.parse()
        .unwrap_or_else(|_| HeaderValue::from_static(""))
}
