//! One command's surroundings: the policy, the environment with its `.env` file, the
//! keys, and the database.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use atrest_core::{KeyId, Keyring};
use atrest_engine::observe::Stop;
use atrest_engine::policy::{ColumnPolicy, Policy};
use atrest_engine::target::Database;
use atrest_engine::{Engine, RunOptions};
use atrest_keys::{Environment, FileAccess, LoadedKeyring, load_keyring};

use crate::args::{Global, PaceArgs};
use crate::output::warn;
use crate::progress::Progress;
use crate::stop;

/// A policy with its environment and keys.
pub(crate) struct Session {
    /// The policy.
    pub(crate) policy: Policy,
    /// Its file.
    pub(crate) path: PathBuf,
    /// Its keys.
    pub(crate) keys: LoadedKeyring,
    environment: Environment,
}

/// A session that is connected.
pub(crate) struct Connected {
    /// Policy and keys.
    pub(crate) session: Session,
    /// The engine, watched.
    pub(crate) engine: Engine,
    /// Who watches.
    pub(crate) progress: Arc<Progress>,
}

impl Session {
    /// Reads the policy and its keys; prints what deserves a warning.
    pub(crate) fn load(global: &Global) -> anyhow::Result<Self> {
        let policy = Policy::load(&global.policy)?;
        // To pass them over would leave clear what the policy says is encrypted.
        if let Some(files) = policy.files.first() {
            bail!(
                "{}, line {}: this version of the atrest command does not encrypt the files of a policy yet, only columns; take [[files]] out of the policy, and encrypt single files with `atrest file seal`",
                policy.origin,
                files.line
            );
        }
        Self::load_with_files(global)
    }

    /// As [`Session::load`], for a verb that is about files.
    pub(crate) fn load_with_files(global: &Global) -> anyhow::Result<Self> {
        let path = global.policy.clone();
        let policy = Policy::load(&path)?;
        let access = access(&policy);
        let environment = environment(&policy, global.env_file.as_deref(), access)?;
        let keys = load_keyring(
            &policy.keys.primary,
            &policy.keys.previous,
            &environment,
            policy.directory(),
            access,
        )
        .with_context(|| {
            format!(
                "the keys of {} (line {}) cannot be used",
                policy.origin, policy.keys.line
            )
        })?;
        warn_of(&keys);
        if global.verbose {
            for (id, origin) in &keys.origins {
                eprintln!("key {id} from {origin}");
            }
        }
        Ok(Self {
            policy,
            path,
            keys,
            environment,
        })
    }

    /// Connects to the policy's database.
    pub(crate) async fn database(&self) -> anyhow::Result<Arc<dyn Database>> {
        let url = self
            .policy
            .database_url()?
            .resolve(&|name| self.environment.get(name).map(str::to_owned))?;
        let url = from_folder(&url, self.policy.directory());
        Ok(atrest_sql::connect(&url).await?)
    }

    /// The keys of another source, named on the command line: paths are as seen from
    /// the working folder.
    pub(crate) fn other_keys(&self, source: &str) -> anyhow::Result<Keyring> {
        let access = access(&self.policy);
        let keys = load_keyring(source, &[], &self.environment, Path::new(""), access)
            .with_context(|| format!("the key source {source} cannot be used"))?;
        warn_of(&keys);
        Ok(keys.keyring)
    }

    /// The columns to work on; none at all is an error with advice.
    pub(crate) fn columns(&self, global: &Global) -> anyhow::Result<Vec<&ColumnPolicy>> {
        if self.policy.columns.is_empty() {
            bail!(
                "{} names no columns; add a [[column]] with table and name, or let `atrest init` look for them",
                self.policy.origin
            );
        }
        Ok(self.policy.select(&global.only)?)
    }

    /// Connects, with progress and Ctrl-C.
    pub(crate) async fn connect(self, global: &Global) -> anyhow::Result<Connected> {
        let database = self.database().await?;
        if global.verbose {
            eprintln!("{} at {}", database.dialect(), database.location());
        }
        let progress = Arc::new(Progress::new(global.json));
        let stop: Stop = stop::on_signals();
        let engine = Engine::new(database, self.keyring().clone())
            .watched(Arc::clone(&progress) as Arc<_>, stop);
        Ok(Connected {
            session: self,
            engine,
            progress,
        })
    }

    /// The keys.
    pub(crate) fn keyring(&self) -> &Keyring {
        &self.keys.keyring
    }

    /// Where a key comes from.
    pub(crate) fn origin(&self, id: KeyId) -> String {
        self.keys
            .origins
            .iter()
            .find(|(key, _)| *key == id)
            .map_or_else(String::new, |(_, origin)| origin.clone())
    }
}

fn warn_of(keys: &LoadedKeyring) {
    for warning in &keys.warnings {
        warn(&warning.to_string());
    }
}

/// Who else may be able to read files of keys.
fn access(policy: &Policy) -> FileAccess {
    if policy.keys.allow_readable_files {
        FileAccess::AllowReadable
    } else {
        FileAccess::OwnerOnly
    }
}

impl Connected {
    /// [`Session::load`] and [`Session::connect`].
    pub(crate) async fn open(global: &Global) -> anyhow::Result<Self> {
        let session = Session::load(global)?;
        session.columns(global)?;
        session.connect(global).await
    }

    /// The columns to work on.
    pub(crate) fn columns(&self, global: &Global) -> anyhow::Result<Vec<&ColumnPolicy>> {
        self.session.columns(global)
    }
}

/// The engine's options by the arguments that every pass takes.
pub(crate) fn options(pace: &PaceArgs) -> RunOptions {
    RunOptions {
        batch_size: pace.batch_size.map(|n| n as usize),
        workers: pace.workers.map(usize::from),
        ..RunOptions::default()
    }
}

/// The process's variables and those of the `.env` file: the one of `--env-file`,
/// else of the policy, else `.env` beside the policy if there is one.
fn environment(
    policy: &Policy,
    named: Option<&Path>,
    access: FileAccess,
) -> anyhow::Result<Environment> {
    let process = || {
        Environment::new(std::env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        }))
    };
    if let Some(file) = named.map(Path::to_owned).or_else(|| policy.env_file()) {
        return Ok(process().with_env_file(file, access)?);
    }
    let beside = policy.directory().join(".env");
    if !beside.is_file() {
        return Ok(process());
    }
    // Nobody named this file: one that cannot be used is the application's affair.
    match process().with_env_file(&beside, access) {
        Ok(environment) => Ok(environment),
        Err(error) => {
            warn(&format!("{} was not used: {error}", beside.display()));
            Ok(process())
        }
    }
}

/// A `sqlite:` URL whose path is relative, made to start from `folder`; any other URL
/// as it is.
pub(crate) fn from_folder(url: &str, folder: &Path) -> String {
    let Some((scheme, rest)) = url.split_once(':') else {
        return url.to_owned();
    };
    let rest = rest.strip_prefix("//").unwrap_or(rest);
    let relative = !rest.starts_with('/') && !rest.starts_with(":memory:") && !rest.is_empty();
    if !scheme.eq_ignore_ascii_case("sqlite") || !relative || folder == Path::new(".") {
        return url.to_owned();
    }
    let folder = folder
        .display()
        .to_string()
        .replace('%', "%25")
        .replace('?', "%3F");
    format!("sqlite:{}/{rest}", folder.trim_end_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relative_sqlite_path_starts_from_the_policy() {
        for (url, folder, want) in [
            ("sqlite:app.db", "conf", "sqlite:conf/app.db"),
            (
                "sqlite://app.db?mode=rw",
                "/etc/a",
                "sqlite:/etc/a/app.db?mode=rw",
            ),
            ("sqlite:app.db", "100%?", "sqlite:100%25%3F/app.db"),
            ("sqlite:app.db", ".", "sqlite:app.db"),
            ("sqlite:///srv/app.db", "conf", "sqlite:///srv/app.db"),
            ("sqlite:/srv/app.db", "conf", "sqlite:/srv/app.db"),
            ("postgres://h/d", "conf", "postgres://h/d"),
        ] {
            assert_eq!(from_folder(url, Path::new(folder)), want);
        }
    }
}
