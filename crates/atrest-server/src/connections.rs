//! Connections: accepted, encrypted, served, and let go at the end.

use std::convert::Infallible;
use std::future::pending;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::limits::Limits;
use crate::server::Server;
use crate::stall::Stall;
use crate::taking::Activity;
use crate::watch::Peer;

/// How a server ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// Connections that were cut because they did not end in time.
    pub cut: usize,
}

pub(crate) async fn serve(
    server: Server,
    listener: TcpListener,
    shutdown: impl Future<Output = ()>,
) -> Ended {
    let limits = server.shared.limits.clone();
    let router = server.router();
    let places = Arc::new(Semaphore::new(limits.connections));
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        // A place first: who finds none waits in the listener's queue.
        let accepted = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (listener.accept().await, place)
        };
        let (stream, peer, place) = tokio::select! {
            () = &mut shutdown => break,
            Some(_) = connections.join_next() => continue,
            (accepted, place) = accepted => match accepted {
                Ok((stream, peer)) => (stream, peer, place),
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    // Out of descriptors: others must end first.
                    sleep(Duration::from_millis(50)).await;
                    continue;
                }
            },
        };
        let (router, watcher, limits) = (router.clone(), graceful.watcher(), limits.clone());
        let (tls, metrics) = (server.tls.clone(), server.shared.metrics.clone());
        connections.spawn(async move {
            let _place = place;
            metrics.connections(1.0);
            let _open = OnDrop(move || metrics.connections(-1.0));
            // A part of an answer is not to wait for the next part.
            let _ = stream.set_nodelay(true);
            let stream = Stall::new(stream, limits.stall);
            match tls {
                None => speak(stream, false, peer, router, watcher, &limits).await,
                Some(tls) => match timeout(limits.head, tls.0.accept(stream)).await {
                    Ok(Ok(stream)) => {
                        let two = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                        speak(stream, two, peer, router, watcher, &limits).await;
                    }
                    Ok(Err(error)) => tracing::debug!(%peer, %error, "no TLS came about"),
                    Err(_) => tracing::debug!(%peer, "no TLS came about in time"),
                },
            }
        });
    }
    drop(listener);
    end(&server, graceful, connections, limits.grace).await
}

/// Lets connections end by themselves for `grace`, and cuts what is left; then waits
/// as long again for changes that were begun.
async fn end(
    server: &Server,
    graceful: GracefulShutdown,
    mut connections: JoinSet<()>,
    grace: Duration,
) -> Ended {
    tracing::info!(
        connections = connections.len(),
        "stopping: what is under way finishes"
    );
    let ended = async {
        graceful.shutdown().await;
        while connections.join_next().await.is_some() {}
    };
    let in_time = timeout(grace, ended).await.is_ok();
    while connections.try_join_next().is_some() {}
    let cut = connections.len();
    connections.shutdown().await;
    if !in_time {
        tracing::warn!(cut, "connections were cut: they did not end in time");
    }
    server.shared.tasks.close();
    if timeout(grace, server.shared.tasks.wait()).await.is_err() {
        tracing::warn!("changes that were begun did not end in time");
    }
    Ended { cut }
}

/// Speaks HTTP until the connection ends.
async fn speak(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    two: bool,
    peer: SocketAddr,
    router: Router,
    watcher: Watcher,
    limits: &Limits,
) {
    let router = TowerToHyperService::new(router);
    let activity = Activity::new(limits.stall);
    let streams = Arc::clone(&activity);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(Peer(peer));
        let stream = streams.begin();
        let answer = router.call(request);
        async move {
            let answer = answer.await?;
            Ok::<_, Infallible>(answer.map(|body| stream.answer(body)))
        }
    });
    let builder = builder(two, limits);
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    // HTTP/1.1 has limits of its own for all this.
    let idle = async {
        match two {
            true => activity.idle().await,
            false => pending().await,
        }
    };
    tokio::select! {
        ended = watcher.watch(connection) => if let Err(error) = ended {
            tracing::debug!(%peer, error, "a connection broke");
        },
        () = idle => tracing::debug!(%peer, "a connection was closed: nothing was under way"),
    }
}

/// HTTP/2 where TLS agreed on it, else HTTP/1.1: with neither guessed from the first
/// bytes, a client that sends none meets the limit for heads.
fn builder(two: bool, limits: &Limits) -> Builder<TokioExecutor> {
    let builder = Builder::new(TokioExecutor::new());
    if two {
        let mut builder = builder.http2_only();
        builder
            .http2()
            .timer(TokioTimer::new())
            .keep_alive_interval(limits.head)
            .keep_alive_timeout(limits.head)
            .max_concurrent_streams(64);
        return builder;
    }
    let mut builder = builder.http1_only();
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head);
    builder
}

struct OnDrop<F: Fn()>(F);

impl<F: Fn()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}
