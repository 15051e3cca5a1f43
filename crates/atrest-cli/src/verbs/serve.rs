//! `atrest serve`: one location of the policy over HTTP.

mod follow;
mod keys;
mod log;
mod names;
mod tls;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use atrest_engine::policy::{FilesPolicy, Policy, ServePolicy, TokenRole};
use atrest_media::bucket::Bucket;
use atrest_server::{Limits, Metrics, Role, Server, Switch, TokenHash, Tokens, generate_token};
use object_store::local::LocalFileSystem;
use tokio::net::TcpListener;
use zeroize::Zeroizing;

use keys::{InForce, Inner, Served, works};

use crate::Outcome;
use crate::args::{Global, ServeArgs};
use crate::output::line;
use crate::session::Session;
use crate::stop;

/// Runs the verb.
pub(crate) async fn run(args: ServeArgs, global: &Global) -> anyhow::Result<Outcome> {
    if let Some(role) = args.generate_token {
        return token(role);
    }
    // From the beginning: before it is listened to, it would end the process.
    let hangup = follow::hangup()?;
    let session = Session::load(global)?;
    let policy = &session.policy;
    let files = files(policy, args.location.as_deref())?;
    let folder = files.path(policy.directory());
    let metrics = Metrics::new()?;
    let on_disk = files.bucket().is_none();
    let inner = match files.bucket() {
        Some(_) => {
            let bucket = Bucket::of(files, session.aws())?;
            bucket.check().await?;
            Inner::Bucket(Box::new(bucket))
        }
        None => {
            let disk = LocalFileSystem::new_with_prefix(&folder)
                .with_context(|| {
                    format!(
                        "the location {} cannot be served; make the folder, or name another",
                        folder.display()
                    )
                })?
                // An upload that was acknowledged survives a power cut.
                .with_fsync(true);
            Inner::Disk(Arc::new(disk))
        }
    };
    let location = Served {
        global,
        args: &args,
        session: &session,
        files,
        inner,
        metrics: metrics.clone(),
    };
    let keys = location.keys(&session)?;
    let switch = Arc::new(Switch::new(location.store(&keys)));
    let in_force = Arc::new(InForce::new(keys));
    let (own, ready) = (Arc::clone(&in_force), Arc::clone(&in_force));
    let opens = Arc::clone(&switch);
    let (served, root) = (folder.clone(), folder.clone());
    let mut builder = Server::builder(Arc::clone(&switch) as _)
        .accepts(names::accepted(files)?)
        .before_put(move |name| names::make_room(on_disk.then_some(&*root), name))
        .servable(move |name| !on_disk || names::is_servable(&served, &own.now().own, name))
        .tokens(tokens(policy.serve.as_ref(), args.tokens.as_deref())?)
        .limits(limits(&args))
        .metrics(metrics)
        .ready_when(move || {
            let reads = !on_disk || folder.read_dir().is_ok();
            reads && opens.is_open() && works(&ready.now().keyring)
        });
    if on_disk {
        builder = builder.on_disk();
    }
    if args.no_auth {
        builder = builder.no_auth();
    }
    if args.allow_plain_http {
        builder = builder.plain_http();
    }
    if args.open_metrics {
        builder = builder.open_metrics();
    }
    let tls = tls::tls(&args, policy)?;
    let scheme = if tls.is_some() { "https" } else { "http" };
    if let Some(tls) = tls {
        builder = builder.tls(tls);
    }
    let server = builder.build()?;

    let listen = listen(&args, policy);
    server.may_listen(listen)?;
    let listener = TcpListener::bind(listen)
        .await
        .with_context(|| format!("cannot listen on {listen}; choose another with --listen"))?;
    log::start(global);
    let url = format!("{scheme}://{}", listener.local_addr()?);
    tracing::info!(url, location = files.location, "listening");
    let ended = tokio::select! {
        ended = server.serve(listener, stopped()) => ended?,
        never = location.follow(hangup, &in_force, &switch) => match never {},
    };
    Ok(Outcome::from_clean(ended.cut == 0))
}

/// Makes a token. It is shown this once; only its hash is kept.
fn token(role: Role) -> anyhow::Result<Outcome> {
    let token = Zeroizing::new(generate_token()?);
    let hash = TokenHash::of(role, &token).to_hex();
    line(&token);
    eprintln!("for [serve] of the policy: tokens = [{{ role = \"{role}\", sha256 = \"{hash}\" }}]");
    eprintln!("or for the environment:    ATREST_SERVE_TOKENS={role}:{hash}");
    Ok(Outcome::Clean)
}

/// The `[[files]]` to serve.
fn files<'p>(policy: &'p Policy, named: Option<&str>) -> anyhow::Result<&'p FilesPolicy> {
    let said = policy
        .serve
        .as_ref()
        .and_then(|serve| serve.location.as_deref());
    let origin = &policy.origin;
    match (named.or(said), policy.files.as_slice()) {
        (Some(location), all) => all.iter().find(|files| files.location == location).with_context(|| {
            format!("{origin} has no [[files]] with the location `{location}`; write it as it stands there")
        }),
        (None, [one]) => Ok(one),
        (None, []) => bail!("{origin} names no files; add [[files]] with the location to serve"),
        (None, _) => bail!(
            "{origin} has several [[files]]; name one with --location, or as `location` in [serve]"
        ),
    }
}

/// What atrest needs as it is, with the files of TLS.
fn own_files(session: &Session, args: &ServeArgs) -> anyhow::Result<Vec<PathBuf>> {
    let mut own = session.own_files()?;
    let said = tls::files(args, &session.policy);
    own.extend(said.into_iter().flat_map(<[PathBuf; 2]>::from));
    Ok(own)
}

/// Those of the policy and those of the environment.
fn tokens(serve: Option<&ServePolicy>, more: Option<&str>) -> anyhow::Result<Tokens> {
    let mut tokens = Vec::new();
    for token in serve.map_or(&[][..], |serve| &serve.tokens) {
        let role = match token.role {
            TokenRole::Read => Role::Read,
            TokenRole::Write => Role::Write,
        };
        tokens.push(TokenHash::from_hex(role, &token.sha256)?);
    }
    let more = Tokens::parse(more.unwrap_or_default())
        .context("the tokens of --tokens or ATREST_SERVE_TOKENS cannot be used")?;
    Ok(Tokens::new(tokens).and(more))
}

fn limits(args: &ServeArgs) -> Limits {
    let mut limits = Limits::default();
    limits.connections = args.connections as usize;
    limits.upload = args.max_upload;
    limits.grace = Duration::from_secs(args.grace);
    limits
}

fn listen(args: &ServeArgs, policy: &Policy) -> SocketAddr {
    let said = policy.serve.as_ref().map(|serve| serve.listen);
    args.listen.or(said).unwrap_or(ServePolicy::LISTEN)
}

/// Until a first signal; a second one ends the process.
async fn stopped() {
    stop::signal().await;
    tokio::spawn(async {
        stop::signal().await;
        std::process::exit(2);
    });
}
