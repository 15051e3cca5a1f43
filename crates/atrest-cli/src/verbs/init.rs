//! `atrest init`: looks through a database for sensitive columns, and writes a
//! commented policy and a new key, or a keyring with it as its root. It changes nothing in the database and
//! overwrites no file.

mod choose;
mod files;
mod policy_text;
mod show;
mod survey;
mod url;

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, bail};
use atrest::policy_keys::PolicyKeys;
use atrest_core::Key;
use atrest_engine::policy::Policy;
use atrest_keys::keyring::KeyringFile;
use atrest_keys::{Environment, FileAccess};

use crate::Outcome;
use crate::args::{Global, InitArgs};
use crate::env_vars;
use crate::output::warn;
use survey::Candidate;

/// Looks, asks (unless `--yes`), writes.
///
/// # Errors
/// When a file is there already, nobody can be asked, the database cannot be
/// reached, or a file cannot be written. Nothing is left half done.
pub(crate) async fn run(args: InitArgs, global: &Global) -> anyhow::Result<Outcome> {
    let begin = Instant::now();
    let place = Place::new(&args, global)?;
    let terminal = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
    if !args.yes && (!terminal || global.json) {
        bail!(
            "nobody can be asked which columns to take, since this is not a terminal; \
             run `atrest init --yes` to take every column of good confidence, then review {}",
            place.policy.display()
        );
    }
    let environment = environment(global, &place.folder)?;
    let source = match &args.url {
        Some(typed) if std::env::var(env_vars::DATABASE_URL).as_ref() != Ok(typed) => {
            url::Source::Typed(typed.clone())
        }
        Some(_) => url::Source::Variable,
        None if environment.get(env_vars::DATABASE_URL).is_some() => url::Source::Variable,
        None if terminal && !args.yes => url::Source::Typed(choose::url()?),
        None => bail!(
            "no database is named; give one with --url (postgresql://, mysql://, mariadb:// or \
             sqlite:) or set DATABASE_URL, then run the same command again"
        ),
    };
    let url = url::Resolved::new(&source, &environment, &place.folder)?;

    let database = atrest_sql::connect(&url.connect).await?;
    if !global.json {
        eprintln!("Looking through {} …", database.location());
    }
    let found = survey::survey(&*database, args.suite).await;
    database.close().await;
    let survey = found?;

    if !global.json {
        show::findings(&survey);
    }
    let taken = if args.yes {
        survey
            .candidates
            .iter()
            .map(Candidate::recommended)
            .collect()
    } else {
        choose::columns(&survey.candidates)?
    };

    let key = Key::generate().context("cannot make a key")?;
    let text = policy_text::write(&policy_text::Draft {
        key_source: &place.key_source()?,
        keyring: place.keyring.as_ref().map(|_| KeyringFile::NAME),
        env_file: place.env_file.as_deref(),
        url: &url,
        suite: args.suite,
        candidates: &survey.candidates,
        taken: &taken,
    });
    // What is written is read first, by the reader of every other verb.
    let policy = Policy::parse(&text, &place.policy.display().to_string())
        .context("the policy that init wrote cannot be read back; nothing was written")?;
    files::key(&place.key, &key)?;
    let mut key_id = key.id();
    let made = async {
        if place.keyring.is_some() {
            let keys = PolicyKeys {
                policy: &policy,
                environment: &environment,
                accept_older: false,
            };
            key_id = super::key::init::make(&keys).await?.data().primary().id();
        }
        files::policy(&place.policy, &text)
    };
    if let Err(error) = made.await {
        // The keys have sealed nothing yet.
        place.take_back();
        return Err(error);
    }

    let written = show::Written {
        place: &place,
        key_id: key_id.to_string(),
        url: &url,
        survey: &survey,
        taken: &taken,
    };
    if global.json {
        written.json(begin.elapsed().as_secs_f64())?;
    } else {
        written.text();
    }
    Ok(Outcome::Clean)
}

/// Where the new files go.
struct Place {
    policy: PathBuf,
    /// The policy's folder.
    folder: PathBuf,
    key: PathBuf,
    /// Where the keyring goes, if there is to be one.
    keyring: Option<PathBuf>,
    /// `--env-file`, absolute.
    env_file: Option<PathBuf>,
}

impl Place {
    fn new(args: &InitArgs, global: &Global) -> anyhow::Result<Self> {
        let policy = global.policy.clone();
        let folder = match policy.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
            _ => PathBuf::from("."),
        };
        let key = match &args.key_file {
            Some(path) => path.clone(),
            None if folder == Path::new(".") => PathBuf::from("atrest.key"),
            None => folder.join("atrest.key"),
        };
        let keyring = match folder == Path::new(".") {
            true => PathBuf::from(KeyringFile::NAME),
            false => folder.join(KeyringFile::NAME),
        };
        let keyring = args.keyring.then_some(keyring);
        if let Some(keyring) = &keyring
            && let Some(there) = KeyringFile::new(keyring).files()?.first()
        {
            bail!(
                "{} is there already, and init overwrites nothing; move it away, or leave --keyring out",
                there.display()
            );
        }
        for (path, what) in [(&policy, "policy"), (&key, "key file")] {
            // A dangling link is something, too.
            if path.symlink_metadata().is_ok() {
                bail!(
                    "{} is there already, and init overwrites nothing; move that {what} away, or \
                     choose another file with {}",
                    path.display(),
                    if what == "policy" {
                        "--policy"
                    } else {
                        "--key-file"
                    }
                );
            }
        }
        let env_file = match &global.env_file {
            Some(path) => Some(std::path::absolute(path).context("the path of --env-file")?),
            None => None,
        };
        Ok(Self {
            policy,
            folder,
            key,
            keyring,
            env_file,
        })
    }

    /// Removes what was written, as far as it was; what failed is what counts.
    fn take_back(&self) {
        let keyring = self.keyring.as_ref();
        let files = keyring.and_then(|path| KeyringFile::new(path).files().ok());
        for file in files.into_iter().flatten().chain([self.key.clone()]) {
            let _first_error_counts = std::fs::remove_file(file);
        }
    }

    /// `file:PATH` as the policy writes it: relative to its own folder when the
    /// key lies in it.
    fn key_source(&self) -> anyhow::Result<String> {
        let key = std::path::absolute(&self.key).context("the key file's path")?;
        let folder = std::path::absolute(&self.folder).context("the policy's folder")?;
        let written = match (key.parent(), key.file_name()) {
            (Some(parent), Some(name)) if same_folder(parent, &folder) => Path::new(name),
            _ => &key,
        };
        let Some(written) = written.to_str() else {
            bail!(
                "the key file's path {} is not Unicode, and a policy is; choose another with \
                 --key-file",
                key.display()
            );
        };
        Ok(format!("file:{written}"))
    }
}

/// Whether two paths lead to one folder.
fn same_folder(a: &Path, b: &Path) -> bool {
    match (a.canonicalize(), b.canonicalize()) {
        (Ok(a), Ok(b)) => a == b,
        _ => a == b,
    }
}

/// The process's variables, and those of the `.env` file that later commands
/// will read: `--env-file`, else `.env` beside the policy.
fn environment(global: &Global, folder: &Path) -> anyhow::Result<Environment> {
    let process = || {
        Environment::new(std::env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        }))
    };
    let beside = folder.join(".env");
    if let Some(file) = &global.env_file {
        return Ok(process().with_env_file(file, FileAccess::OwnerOnly)?);
    }
    if !beside.is_file() {
        return Ok(process());
    }
    // Nobody named this file: one that cannot be used is the application's affair.
    Ok(process()
        .with_env_file(&beside, FileAccess::OwnerOnly)
        .unwrap_or_else(|error| {
            warn(&format!("{} was not used: {error}", beside.display()));
            process()
        }))
}
