use std::net::SocketAddr;

use metrics_exporter_prometheus::BuildError;

/// Why a server cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// No tokens.
    #[error(
        "no tokens are configured, so nobody could be let in; make one with `atrest serve \
         --generate-token read`, or allow everybody on this machine with --no-auth"
    )]
    NoTokens,
    /// No tokens, for other machines.
    #[error(
        "without tokens (--no-auth) the server listens on loopback only, and {0} is not; \
         configure tokens, or listen on 127.0.0.1"
    )]
    OpenBeyondLoopback(SocketAddr),
    /// No TLS, for other machines.
    #[error(
        "without TLS tokens and clear content could be read on the way, so the server listens on \
         loopback only, and {0} is not; give a certificate (--tls-cert, --tls-key), or allow it \
         with --allow-plain-http behind a proxy that speaks TLS"
    )]
    PlainBeyondLoopback(SocketAddr),
    /// The listener does not say where it listens.
    #[error("the listening socket cannot be used: {0}; listen elsewhere")]
    Listener(#[source] std::io::Error),
    /// Metrics cannot be set up.
    #[error("metrics cannot be set up: {0}; report this as an error of atrest")]
    Metrics(#[from] BuildError),
}
