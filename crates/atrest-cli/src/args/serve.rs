//! `atrest serve`.

use std::net::SocketAddr;
use std::path::PathBuf;

use atrest_server::Role;
use clap::Args;

use crate::env_vars;

/// `atrest serve`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  atrest serve --generate-token write     make a token; its hash goes into the policy
  atrest serve                            what [serve] of the policy says
  atrest serve --no-auth                  for everybody on this machine, to try it out
  atrest serve --listen 0.0.0.0:443 --tls-cert cert.pem --tls-key key.pem

  curl -T clip.mp4 -H \"Authorization: Bearer $TOKEN\" http://127.0.0.1:8080/clips/gate/clip.mp4
  curl -r 0-99     -H \"Authorization: Bearer $TOKEN\" http://127.0.0.1:8080/clips/gate/clip.mp4

Serves all files below one [[files]] location; what is uploaded is encrypted before it is
written. The log goes to standard error, with --json as JSON. SIGTERM or Ctrl-C: what is under
way finishes (--grace); a second one ends it at once. See docs/serve.md.")]
pub(crate) struct ServeArgs {
    /// Where to listen [default: the policy's `listen`, else 127.0.0.1:8080].
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) listen: Option<SocketAddr>,
    /// Which [[files]] to serve, by its location [default: the policy's, or the only one].
    #[arg(long)]
    pub(crate) location: Option<String>,
    /// A PEM file with the certificate, and those that vouch for it: TLS is spoken.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// A PEM file with the certificate's private key.
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
    /// Tokens beside the policy's, by their hashes: role:sha256, separated by commas.
    #[arg(long, value_name = "TOKENS", env = env_vars::SERVE_TOKENS, hide_env_values = true)]
    pub(crate) tokens: Option<String>,
    /// Ask for no token: everybody may do everything. On loopback only.
    #[arg(long)]
    pub(crate) no_auth: bool,
    /// Listen beyond loopback without TLS: behind a proxy that speaks it.
    #[arg(long)]
    pub(crate) allow_plain_http: bool,
    /// Ask for no token on /metrics.
    #[arg(long)]
    pub(crate) open_metrics: bool,
    /// The longest upload in bytes [default: any].
    #[arg(long, value_name = "BYTES")]
    pub(crate) max_upload: Option<u64>,
    /// Connections at a time; further ones wait.
    #[arg(long, value_name = "N", default_value = "1024", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) connections: u32,
    /// How long what is under way may go on when the server is told to stop.
    #[arg(long, value_name = "SECONDS", default_value = "30")]
    pub(crate) grace: u64,
    /// Serve nothing: make a token with this role (read or write), print it on standard
    /// output, and on standard error its line for the policy.
    #[arg(long, value_name = "ROLE", exclusive = true)]
    pub(crate) generate_token: Option<Role>,
}
