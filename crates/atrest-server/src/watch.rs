//! Every request is counted, timed and logged: what was asked and answered, never a
//! token or content.

use std::net::SocketAddr;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::Response;

use crate::state::App;

/// Who asks; where it is known.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub(crate) SocketAddr);

/// The longest path that the log shows.
const SHOWN: usize = 1100;

pub(crate) async fn watch(State(app): App, request: Request, next: Next) -> Response {
    let begin = Instant::now();
    let route = route(request.extensions().get::<MatchedPath>());
    let method = known(request.method());
    let peer = request
        .extensions()
        .get::<Peer>()
        .map(|Peer(peer)| peer.to_string());
    // Without the query: nothing there is needed, and somebody may put a token in it.
    let path: String = request.uri().path().chars().take(SHOWN).collect();

    let response = next.run(request).await;
    let (status, took) = (response.status().as_u16(), begin.elapsed());
    app.metrics.answered(route, method, status, took);
    let milliseconds = took.as_micros() as f64 / 1000.0;
    tracing::info!(method, path, status, milliseconds, peer, "request");
    response
}

/// The route, out of few: it is a metric's label.
fn route(matched: Option<&MatchedPath>) -> &'static str {
    const ROUTES: [&str; 6] = [
        "/clips",
        "/clips/{*name}",
        "/healthz",
        "/readyz",
        "/metrics",
        "/openapi.json",
    ];
    let matched = matched.map_or("", MatchedPath::as_str);
    ROUTES
        .into_iter()
        .find(|route| *route == matched)
        .unwrap_or("none")
}

fn known(method: &Method) -> &'static str {
    const METHODS: [&str; 5] = ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"];
    METHODS
        .into_iter()
        .find(|known| *known == method.as_str())
        .unwrap_or("other")
}
