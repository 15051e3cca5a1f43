//! `atrest adopt` and `atrest exit`: columns from other software, and back to it.

use std::path::Path;

use anyhow::Context as _;
use atrest_core::{ExternalFormat, ExternalKeys, ExternalSecrets};
use atrest_engine::Operation;
use atrest_keys::secret_text;
use zeroize::Zeroizing;

use crate::Outcome;
use crate::args::{AdoptArgs, ExitArgs, ExternalArgs, Global, MaybeExternalArgs};
use crate::session::{Connected, Session};

/// Runs `atrest adopt`.
pub(crate) async fn adopt(args: &AdoptArgs, global: &Global) -> anyhow::Result<Outcome> {
    let session = Session::load(global)?;
    let keys = keys(&session, &args.external)?;
    super::change::run_external(Operation::Adopt, &args.change, (session, keys), global).await
}

/// Runs `atrest exit`.
pub(crate) async fn exit(args: &ExitArgs, global: &Global) -> anyhow::Result<Outcome> {
    let session = Session::load(global)?;
    let key = &args.to_key;
    let secrets = ExternalSecrets {
        keys: vec![text(&session, key)?],
        ..ExternalSecrets::default()
    };
    let keys = ExternalKeys::derive(ExternalFormat::Fernet, &secrets)
        .with_context(|| format!("{key} cannot be used"))?;
    super::change::run_external(Operation::Exit, &args.change, (session, keys), global).await
}

/// The other software's keys.
pub(crate) fn keys(session: &Session, args: &ExternalArgs) -> anyhow::Result<ExternalKeys> {
    let all = |sources: &[String]| -> anyhow::Result<Vec<_>> {
        sources.iter().map(|uri| text(session, uri)).collect()
    };
    let secrets = ExternalSecrets {
        keys: all(&args.keys)?,
        salts: all(&args.salts)?,
        encryption_key: args
            .encryption_key
            .as_ref()
            .map(|uri| text(session, uri))
            .transpose()?,
    };
    ExternalKeys::derive(args.format, &secrets)
        .with_context(|| format!("the key of {} cannot be used", args.format))
}

/// With the keys of other software, if any are named.
pub(crate) fn with(connected: Connected, args: &MaybeExternalArgs) -> anyhow::Result<Connected> {
    Ok(match args.given() {
        Some(given) => {
            let keys = keys(&connected.session, &given)?;
            connected.with_external(keys)
        }
        None => connected,
    })
}

/// Of a source that is named on the command line: paths are as seen from the working
/// folder.
fn text(session: &Session, uri: &str) -> anyhow::Result<Zeroizing<String>> {
    let settings = session.policy_keys().settings(Path::new(""));
    let (text, _) = secret_text(uri, session.policy_keys().environment, &settings)
        .with_context(|| format!("the key source {uri} cannot be used"))?;
    Ok(text)
}
