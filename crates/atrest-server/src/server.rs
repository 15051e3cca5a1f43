//! A server: where it listens, its routes.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use object_store::ObjectStore;
use tokio::net::TcpListener;

use crate::builder::ServerBuilder;
use crate::connections::{self, Ended};
use crate::error::ServeError;
use crate::host::host;
use crate::probes;
use crate::problem::Problem;
use crate::state::Shared;
use crate::tls::Tls;
use crate::watch::watch;
use crate::{clips, openapi};

/// A server that is ready to listen.
#[derive(Debug)]
pub struct Server {
    pub(crate) shared: Arc<Shared>,
    pub(crate) tls: Option<Tls>,
    pub(crate) plain_http: bool,
}

impl Server {
    /// Begins a server of the objects in `store`, which shows them in clear.
    pub fn builder(store: Arc<dyn ObjectStore>) -> ServerBuilder {
        ServerBuilder::new(store)
    }

    /// The routes alone, for a server of one's own.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/clips", get(clips::list))
            .route(
                "/clips/{*name}",
                get(clips::get).head(clips::head).put(clips::put).delete(clips::delete),
            )
            // The wildcard has one character at least.
            .route("/clips/", get(clips::get).head(clips::head).put(clips::put).delete(clips::delete))
            .route("/healthz", get(probes::healthz))
            .route("/readyz", get(probes::readyz))
            .route("/metrics", get(probes::metrics))
            .route("/openapi.json", get(openapi::openapi))
            .fallback(nothing)
            .method_not_allowed_fallback(no_method)
            .layer(from_fn_with_state(Arc::clone(&self.shared), host))
            .layer(from_fn_with_state(Arc::clone(&self.shared), watch))
            .with_state(Arc::clone(&self.shared))
    }

    /// Answers on `listener` until `shutdown` resolves, then lets what is under way
    /// finish for [`Limits::grace`](crate::Limits::grace).
    ///
    /// # Errors
    /// [`ServeError::OpenBeyondLoopback`], [`ServeError::PlainBeyondLoopback`],
    /// [`ServeError::Listener`]; nothing was answered then.
    pub async fn serve(
        self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()>,
    ) -> Result<Ended, ServeError> {
        self.may_listen(listener.local_addr().map_err(ServeError::Listener)?)?;
        Ok(connections::serve(self, listener, shutdown).await)
    }

    /// Whether it may listen there; [`Server::serve`] asks this too.
    ///
    /// # Errors
    /// [`ServeError::OpenBeyondLoopback`], [`ServeError::PlainBeyondLoopback`].
    pub fn may_listen(&self, address: SocketAddr) -> Result<(), ServeError> {
        if address.ip().is_loopback() {
            return Ok(());
        }
        if self.shared.tokens.is_none() {
            return Err(ServeError::OpenBeyondLoopback(address));
        }
        if self.tls.is_none() && !self.plain_http {
            return Err(ServeError::PlainBeyondLoopback(address));
        }
        Ok(())
    }
}

async fn nothing() -> Problem {
    let detail = "there is nothing here; /openapi.json says what there is";
    Problem::new(StatusCode::NOT_FOUND, detail)
}

async fn no_method() -> Problem {
    let detail = "this cannot be done here; /openapi.json says what can";
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail)
}
