//! `/healthz`, `/readyz`, `/metrics`.

use std::fmt;
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures::StreamExt as _;
use object_store::{Error, ObjectStore as _};
use tokio::sync::Mutex;

use crate::problem::Problem;
use crate::state::{App, Shared};
use crate::token::Role;

/// How long an answer of `/readyz` counts: asking often costs nothing.
const FRESH: Duration = Duration::from_secs(1);
/// How long the store may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

type Check = Box<dyn Fn() -> bool + Send + Sync>;

/// Whether the server can do its work.
pub(crate) struct Ready {
    check: Check,
    last: Mutex<Option<(Instant, bool)>>,
}

impl Ready {
    pub(crate) fn new(check: Check) -> Self {
        Self {
            check,
            last: Mutex::new(None),
        }
    }
}

impl Ready {
    fn holds(&self) -> bool {
        let holds = (self.check)();
        if !holds {
            tracing::warn!("the keys do not work, or the store's folder cannot be read");
        }
        holds
    }
}

impl fmt::Debug for Ready {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ready").finish_non_exhaustive()
    }
}

impl Shared {
    async fn is_ready(&self) -> bool {
        let mut last = self.ready.last.lock().await;
        if let Some((when, ready)) = *last
            && when.elapsed() < FRESH
        {
            return ready;
        }
        let store = self.on_disk || self.lists().await;
        let ready = store && self.ready.holds();
        *last = Some((Instant::now(), ready));
        ready
    }

    /// Whether the store begins a list. A name that is none came from it, too.
    async fn lists(&self) -> bool {
        let first = async { self.store.list(None).next().await };
        match tokio::time::timeout(PATIENCE, first).await {
            Ok(None | Some(Ok(_) | Err(Error::InvalidPath { .. }))) => true,
            Ok(Some(Err(error))) => {
                tracing::warn!(%error, "the store does not answer as it should");
                false
            }
            Err(_) => {
                tracing::warn!("the store does not answer");
                false
            }
        }
    }
}

/// The process is alive.
#[utoipa::path(
    get, path = "/healthz", tag = "probes",
    responses((status = 200, description = "The process is alive", body = String))
)]
pub(crate) async fn healthz() -> Response {
    "alive\n".into_response()
}

/// The store answers, and what the key seals it opens.
#[utoipa::path(
    get, path = "/readyz", tag = "probes",
    responses(
        (status = 200, description = "Store and keys answer", body = String),
        (status = 503, description = "One of them does not", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn readyz(State(app): App) -> Result<Response, Problem> {
    if app.is_ready().await {
        return Ok("ready\n".into_response());
    }
    let detail = "the store or the keys do not answer; the server's log says which";
    Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail))
}

/// Metrics in the text format of Prometheus.
#[utoipa::path(
    get, path = "/metrics", tag = "probes",
    responses(
        (status = 200, description = "Metrics", body = String),
        (status = 401, description = "No token, or one that is not known", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = []))
)]
pub(crate) async fn metrics(State(app): App, headers: HeaderMap) -> Result<Response, Problem> {
    if !app.open_metrics {
        app.allow(&headers, Role::Read)?;
    }
    let kind = (
        header::CONTENT_TYPE,
        "text/plain; version=0.0.4; charset=utf-8",
    );
    Ok(([kind], app.metrics.render()).into_response())
}
