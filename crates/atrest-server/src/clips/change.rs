//! `PUT` and `DELETE` of one object.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use object_store::{Attribute, Attributes};

use super::commit::Before;
use super::incoming::Incoming;
use super::upload::Upload;
use crate::condition::{is_conditional, quoted};
use crate::problem::Problem;
use crate::state::{App, Shared};
use crate::token::Role;

/// Puts an object, whole or not at all.
///
/// Until the last byte has come the object stays what it was, and an upload that
/// breaks off leaves nothing. Of two at a time one stays, whole. Conditions are
/// looked at before the upload and again when it is made to appear.
#[utoipa::path(
    put, path = "/clips/{name}", tag = "clips",
    params(
        ("name" = String, Path, description = "Parts joined with `/`"),
        ("If-Match" = Option<String>, Header), ("If-Unmodified-Since" = Option<String>, Header),
        ("If-None-Match" = Option<String>, Header, description = "`*`: only if there is none"),
    ),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses(
        (status = 201, description = "There was none before"),
        (status = 204, description = "It was replaced"),
        (status = 400, description = "No name, or the upload broke off", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "No token, or one that is not known", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "The token only reads, or the policy leaves this name out", body = Problem, content_type = "application/problem+json"),
        (status = 408, description = "The upload stalled", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The name is in the way of others", body = Problem, content_type = "application/problem+json"),
        (status = 412, description = "A condition does not hold", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "Longer than this server takes", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "It has a Content-Encoding", body = Problem, content_type = "application/problem+json"),
        (status = 502, description = "The store failed", body = Problem, content_type = "application/problem+json"),
        (status = 507, description = "No room", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = []))
)]
pub(crate) async fn put(
    State(app): App,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let name = app.clip(Role::Write, &headers, &uri)?;
    app.choice.takes(&name).await?;
    let incoming = Incoming::new(&app, &name, &headers, body)?;
    if is_conditional(&headers) {
        app.before(&name, &headers).await?;
    }
    let upload = Upload::receive(incoming, &app, &name, app.attributes(&headers)).await?;
    let (before, put) = Arc::clone(&app).commit(name, headers, upload).await?;
    let mut answer = HeaderMap::new();
    let etag = put.e_tag.as_deref().map(quoted);
    if let Some(etag) = etag.and_then(|etag| etag.parse().ok()) {
        answer.insert(header::ETAG, etag);
    }
    let status = match before {
        Before::Nothing => StatusCode::CREATED,
        Before::This(_) | Before::Something => StatusCode::NO_CONTENT,
    };
    Ok((status, answer).into_response())
}

/// Deletes an object.
#[utoipa::path(
    delete, path = "/clips/{name}", tag = "clips",
    params(
        ("name" = String, Path, description = "Parts joined with `/`"),
        ("If-Match" = Option<String>, Header),
    ),
    responses(
        (status = 204, description = "It is gone"),
        (status = 400, description = "No name", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "No token, or one that is not known", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "The token only reads", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such object", body = Problem, content_type = "application/problem+json"),
        (status = 412, description = "A condition does not hold", body = Problem, content_type = "application/problem+json"),
        (status = 502, description = "The store failed", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = []))
)]
pub(crate) async fn delete(
    State(app): App,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let name = app.clip(Role::Write, &headers, &uri)?;
    app.choice.shows(&name).await?;
    app.remove(name, headers).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

impl Shared {
    /// What is stored beside the content: its type, where the store can.
    fn attributes(&self, headers: &HeaderMap) -> Attributes {
        let mut attributes = Attributes::new();
        let kind = headers
            .get(header::CONTENT_TYPE)
            .and_then(|kind| kind.to_str().ok());
        if let Some(kind) = kind
            && !self.drops_types.load(Ordering::Relaxed)
        {
            attributes.insert(Attribute::ContentType, kind.to_owned().into());
        }
        attributes
    }

    /// The store keeps no types: they are guessed from names instead.
    pub(super) fn forget_types(&self) {
        self.drops_types.store(true, Ordering::Relaxed);
    }
}
