//! Errors as answers: RFC 9457 problem details.

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

/// What went wrong with a request (RFC 9457, `application/problem+json`).
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Problem {
    /// The status code's name.
    title: &'static str,
    /// The status code.
    #[schema(example = 404)]
    status: u16,
    /// What happened, to what, and what to do next.
    detail: String,
    /// The object that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    object: Option<String>,
    #[serde(skip)]
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self {
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            detail: detail.into(),
            object: None,
            headers: Vec::new(),
        }
    }

    /// The object that it is about.
    pub(crate) fn about(mut self, object: &impl ToString) -> Self {
        self.object = Some(object.to_string());
        self
    }

    pub(crate) fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    pub(crate) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    pub(crate) fn not_found(name: &impl ToString) -> Self {
        let detail = "there is no object of this name; GET /clips lists those that are there";
        Self::new(StatusCode::NOT_FOUND, detail).about(name)
    }

    pub(crate) fn precondition_failed(name: &impl ToString) -> Self {
        let detail = "a condition of the request (If-Match, If-None-Match, If-Unmodified-Since) \
                      does not hold, and nothing was changed; look at the object as it is now";
        Self::new(StatusCode::PRECONDITION_FAILED, detail).about(name)
    }
}

impl IntoResponse for Problem {
    fn into_response(mut self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut headers: HeaderMap = std::mem::take(&mut self.headers).into_iter().collect();
        let kind = HeaderValue::from_static("application/problem+json");
        headers.insert(header::CONTENT_TYPE, kind);
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        // Strings and numbers always become JSON.
        let body = serde_json::to_vec(&self).unwrap_or_default();
        (status, headers, body).into_response()
    }
}
