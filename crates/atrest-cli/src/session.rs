//! One command's surroundings: the policy, the environment with its `.env` file, the
//! keys, and the database.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use atrest::policy_keys::{Access, PolicyKeys, PolicySubjects, environment};
use atrest_core::{ExternalKeys, KeyId, Keyring, SecretMemory};
use atrest_engine::observe::Stop;
use atrest_engine::policy::{ColumnPolicy, FilesPolicy, Policy, Selection};
use atrest_engine::subjects::Subjects;
use atrest_engine::target::Database;
use atrest_engine::{Engine, RunOptions};
use atrest_keys::keyring::OpenKeyring;
use atrest_keys::{Environment, LoadedKeyring, load_keyring};
use atrest_media::folder::Folder;

use crate::args::{Global, IdArgs, PaceArgs};
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
    /// The `.env` file that was read.
    env_file: Option<PathBuf>,
    accept_older: bool,
}

/// A policy with its environment, before any key was read.
pub(crate) struct Unopened {
    /// The policy.
    pub(crate) policy: Policy,
    /// Its file.
    pub(crate) path: PathBuf,
    environment: Environment,
    env_file: Option<PathBuf>,
    accept_older: bool,
}

impl Unopened {
    /// Reads the policy and the `.env` file.
    pub(crate) fn read(global: &Global) -> anyhow::Result<Self> {
        let policy = Policy::load(&global.policy)?;
        Self::with(policy, &global.policy, global)
    }

    /// A policy that is in no file.
    pub(crate) fn with(policy: Policy, path: &Path, global: &Global) -> anyhow::Result<Self> {
        let (unopened, warnings) = Self::quietly(policy, path, global)?;
        for warning in warnings {
            warn(&warning);
        }
        Ok(unopened)
    }

    /// The same; gives what deserves a warning.
    fn quietly(
        policy: Policy,
        path: &Path,
        global: &Global,
    ) -> anyhow::Result<(Self, Vec<String>)> {
        let found = environment(&policy, process, global.env_file.as_deref())?;
        let unopened = Self {
            policy,
            path: path.to_owned(),
            environment: found.environment,
            env_file: found.env_file,
            accept_older: global.accept_older_keyring,
        };
        Ok((unopened, found.warning.into_iter().collect()))
    }

    /// What its `[keys]` name.
    pub(crate) fn keys(&self) -> PolicyKeys<'_> {
        PolicyKeys {
            policy: &self.policy,
            environment: &self.environment,
            accept_older: self.accept_older,
        }
    }

    /// With keys.
    pub(crate) fn open(self, keys: LoadedKeyring) -> Session {
        warn_of(&keys);
        self.session(keys)
    }

    fn session(self, keys: LoadedKeyring) -> Session {
        Session {
            policy: self.policy,
            path: self.path,
            keys,
            environment: self.environment,
            env_file: self.env_file,
            accept_older: self.accept_older,
        }
    }
}

/// A session at work: with the database, if there are columns to work on.
pub(crate) struct Connected {
    /// Policy and keys.
    pub(crate) session: Session,
    /// Who watches.
    pub(crate) progress: Arc<Progress>,
    /// What Ctrl-C asks for.
    pub(crate) stop: Stop,
    engine: Option<Engine>,
    /// Of columns and files that have them.
    pub(crate) subjects: Option<Arc<Subjects>>,
    database: Option<Arc<dyn Database>>,
}

impl Session {
    /// Reads the policy and its keys; prints what deserves a warning.
    pub(crate) fn load(global: &Global) -> anyhow::Result<Self> {
        let unopened = Unopened::read(global)?;
        let keys = unopened.keys().load()?;
        if global.verbose {
            for (id, origin) in &keys.origins {
                eprintln!("key {id} from {origin}");
            }
            eprintln!("{}", key_memory());
        }
        Ok(unopened.open(keys))
    }

    /// The same once more, in a process that runs; gives what deserves a warning.
    pub(crate) fn read_again(global: &Global) -> anyhow::Result<(Self, Vec<String>)> {
        let policy = Policy::load(&global.policy)?;
        let (unopened, mut warnings) = Unopened::quietly(policy, &global.policy, global)?;
        let keys = unopened.keys().load()?;
        warnings.extend(keys.warnings.iter().map(ToString::to_string));
        Ok((unopened.session(keys), warnings))
    }

    /// What the policy's `[keys]` name.
    pub(crate) fn policy_keys(&self) -> PolicyKeys<'_> {
        PolicyKeys {
            policy: &self.policy,
            environment: &self.environment,
            accept_older: self.accept_older,
        }
    }

    /// The keyring, which there must be.
    pub(crate) fn opened(&self) -> anyhow::Result<&OpenKeyring> {
        let opened = self.keys.opened.as_deref();
        Ok(opened.ok_or_else(|| self.policy_keys().no_keyring())?)
    }

    /// Connects to the policy's database.
    pub(crate) async fn database(&self) -> anyhow::Result<Arc<dyn Database>> {
        Ok(self.policy_keys().connect().await?)
    }

    /// Where buckets are and what opens them: the variables of AWS's own tools.
    pub(crate) fn aws(&self) -> Vec<(String, String)> {
        let own = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        self.environment.starting_with("AWS_").map(own).collect()
    }

    /// The files that atrest itself needs as they are.
    pub(crate) fn own_files(&self) -> anyhow::Result<Vec<PathBuf>> {
        let mut files = vec![self.path.clone()];
        files.extend(self.env_file.clone());
        files.extend(self.keys.files.iter().cloned());
        let tls = self
            .policy
            .serve
            .iter()
            .filter_map(|serve| serve.tls.as_ref());
        for (certificate, key) in tls {
            files.extend([certificate, key].map(|file| self.policy.directory().join(file)));
        }
        if self.policy.database.is_some() {
            files.extend(atrest_sql::local_files(
                &self.policy_keys().database_url()?,
            )?);
        }
        Ok(files)
    }

    /// The keys of another source, named on the command line: paths are as seen from
    /// the working folder.
    pub(crate) fn other_keys(&self, source: &str) -> anyhow::Result<LoadedKeyring> {
        let settings = self.policy_keys().settings(Path::new(""));
        let keys = load_keyring(source, &[], &self.environment, &settings)
            .with_context(|| format!("the key source {source} cannot be used"))?;
        warn_of(&keys);
        Ok(keys)
    }

    /// What the encrypted file at `path` is bound to: `--id`, else what the location
    /// that it lies in says, else nothing.
    pub(crate) fn logical_id(&self, id: &IdArgs, path: Option<&Path>) -> anyhow::Result<Vec<u8>> {
        match (&id.name, path) {
            (Some(name), _) => Ok(name.as_bytes().to_owned()),
            (None, Some(path)) => self.id_of(path),
            (None, None) => Ok(Vec::new()),
        }
    }

    /// What the location that `path` lies in binds its files to; nothing elsewhere.
    pub(crate) fn id_of(&self, path: &Path) -> anyhow::Result<Vec<u8>> {
        for files in self.policy.files.iter().filter(|f| f.bucket().is_none()) {
            let folder = Folder::of(files, self.policy.directory())?;
            let id = folder.logical_id(path).with_context(|| {
                format!(
                    "cannot tell whether {} lies in {}",
                    path.display(),
                    files.location
                )
            })?;
            if let Some(id) = id {
                return Ok(id);
            }
        }
        Ok(Vec::new())
    }

    /// What to work on; nothing at all is an error with advice.
    fn selection(&self, global: &Global) -> anyhow::Result<Selection<'_>> {
        if self.policy.columns.is_empty() && self.policy.files.is_empty() {
            bail!(
                "{} names no columns and no files; add a [[column]] with table and name or a [[files]] with location, or let `atrest init` look for columns",
                self.policy.origin
            );
        }
        Ok(self.policy.select(&global.only)?)
    }

    /// Connects if there are columns to work on, or files of subjects, with progress and
    /// Ctrl-C.
    pub(crate) async fn connect(self, global: &Global) -> anyhow::Result<Connected> {
        self.connected(Reach::Change, global).await
    }

    /// The same, to look at what is there: no key is made and nothing is written.
    pub(crate) async fn connect_to_look(self, global: &Global) -> anyhow::Result<Connected> {
        self.connected(Reach::Look, global).await
    }

    /// The same, to read what is there with whatever keyring it is: no key is made and
    /// nothing is written.
    pub(crate) async fn connect_to_read(self, global: &Global) -> anyhow::Result<Connected> {
        self.connected(Reach::LookWithAny, global).await
    }

    async fn connected(self, reach: Reach, global: &Global) -> anyhow::Result<Connected> {
        let progress = Arc::new(Progress::new(global.json));
        let stop: Stop = stop::on_signals();
        let selection = self.selection(global)?;
        let columns = !selection.columns.is_empty();
        // Whatever is selected: what the keyring's keys wrap is no part of the selection.
        let with_subjects = self.policy.has_subjects();
        let (mut engine, mut connected, mut subjects) = (None, None, None);
        if columns || with_subjects {
            let database = self.database().await?;
            if global.verbose {
                eprintln!("{} at {}", database.dialect(), database.location());
            }
            if with_subjects {
                subjects = match reach {
                    Reach::Change => self.subjects(&database, Access::Change).await?,
                    Reach::Look => self.subjects(&database, Access::Look).await?,
                    Reach::LookWithAny => self.subjects_to_read(&database).await?,
                };
            }
            connected = Some(database);
        }
        if let (true, Some(database)) = (columns, &connected) {
            let watcher = Arc::clone(&progress) as Arc<_>;
            let new = Engine::new(Arc::clone(database), self.keyring().clone());
            let new = new.watched(watcher, stop.clone());
            engine = Some(match &subjects {
                Some(subjects) => new.with_subjects(Arc::clone(subjects)),
                None => new,
            });
        }
        Ok(Connected {
            session: self,
            progress,
            stop,
            engine,
            subjects,
            database: connected,
        })
    }

    /// The keys of subjects, where the policy names any.
    pub(crate) async fn subjects(
        &self,
        database: &Arc<dyn Database>,
        access: Access,
    ) -> anyhow::Result<Option<Arc<Subjects>>> {
        let keys = self.policy_keys();
        let found = keys.subjects(&self.keys, database, access).await?;
        Ok(found.map(told))
    }

    /// The same, where no key is made and nothing is written.
    async fn subjects_to_read(
        &self,
        database: &Arc<dyn Database>,
    ) -> anyhow::Result<Option<Arc<Subjects>>> {
        let keys = self.policy_keys();
        Ok(keys.subjects_to_read(&self.keys, database).await?.map(told))
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

/// What a connection is for.
#[derive(Clone, Copy)]
enum Reach {
    Change,
    Look,
    /// To look, with an older keyring, too.
    LookWithAny,
}

/// The keys of subjects, and the warning said.
fn told(found: PolicySubjects) -> Arc<Subjects> {
    if let Some(warning) = &found.warning {
        warn(warning);
    }
    found.keys
}

fn warn_of(keys: &LoadedKeyring) {
    for warning in &keys.warnings {
        warn(&warning.to_string());
    }
}

/// How the memory that keys are in is protected, for who asks (`-v`).
fn key_memory() -> String {
    let memory = SecretMemory::now();
    let all = |some, yes: &'static str, no: &'static str| {
        if some == memory.bytes { yes } else { no }
    };
    format!(
        "keys are in memory that {} and is {}",
        all(
            memory.locked,
            "is never swapped out",
            "may be swapped out (raise `ulimit -l`)"
        ),
        all(memory.undumped, "in no core dump", "in core dumps"),
    )
}

/// The process's own variables.
fn process() -> Environment {
    Environment::new(
        std::env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        }),
    )
}

impl Connected {
    /// [`Session::load`] and [`Session::connect`].
    pub(crate) async fn open(global: &Global) -> anyhow::Result<Self> {
        Session::load(global)?.connect(global).await
    }

    /// The same, to look at what is there: no key is made and nothing is written.
    pub(crate) async fn look(global: &Global) -> anyhow::Result<Self> {
        Session::load(global)?.connect_to_look(global).await
    }

    /// What to work on;.
    pub(crate) fn columns(&self, global: &Global) -> anyhow::Result<Vec<&ColumnPolicy>> {
        Ok(self.session.selection(global)?.columns)
    }

    /// The folders to work on.
    pub(crate) fn files(&self, global: &Global) -> anyhow::Result<Vec<&FilesPolicy>> {
        Ok(self.session.selection(global)?.files)
    }

    /// With the keys of other software.
    pub(crate) fn with_external(mut self, keys: ExternalKeys) -> Self {
        self.engine = self.engine.map(|engine| engine.with_external(keys));
        self
    }

    /// The engine of the database; none where no column is to be worked on.
    ///
    /// # Errors
    /// Says that there is no column.
    pub(crate) fn engine(&self) -> anyhow::Result<&Engine> {
        self.engine.as_ref().with_context(|| {
            format!(
                "no column of {} is to be worked on, and this is about columns; add a [[column]] with table and name, or look at --only",
                self.session.policy.origin
            )
        })
    }

    /// Closes the connections to the database, if there are any.
    pub(crate) async fn close(&self) {
        if let Some(database) = &self.database {
            database.close().await;
        }
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
