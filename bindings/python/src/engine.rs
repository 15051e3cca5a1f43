//! `Engine`: the verbs over a policy's columns.

mod external;
mod verbs;
mod wait;

use std::path::PathBuf;

use atrest::policy_keys::environment;
use atrest_engine::restore::RestoreMode;
use atrest_engine::{Operation, RunOptions};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict};

use crate::environment::Variables;
use crate::errors;
use crate::origin::Origin;
use crate::strings::Strings;
use external::{External, Sources};
use verbs::{Backup, Job};
use wait::Watched;

/// Runs the verbs of the command `atrest` on a policy's columns.
///
/// Each verb connects, works and closes. Ctrl-C stops it after the page at hand, and
/// KeyboardInterrupt is raised; the same call goes on where it stopped.
#[pyclass(frozen, module = "atrest")]
pub(crate) struct Engine {
    origin: Origin,
    variables: Variables,
}

/// What every verb takes.
#[derive(Default)]
struct Options<'py> {
    only: Vec<String>,
    run: RunOptions,
    external: Option<External>,
    progress: Option<Bound<'py, PyAny>>,
}

impl<'py> Options<'py> {
    fn new(options: Option<&Bound<'py, PyDict>>) -> PyResult<Self> {
        let mut all = Self::default();
        for (name, value) in options.into_iter().flatten() {
            if value.is_none() {
                continue;
            }
            match name.extract::<String>()?.as_str() {
                "only" => all.only = some(&value)?,
                "batch_size" => all.run.batch_size = Some(positive(&value, "batch_size")?),
                "workers" => all.run.workers = Some(positive(&value, "workers")?),
                "progress" => all.progress = Some(value),
                other => {
                    return Err(PyTypeError::new_err(format!(
                        "`{other}` is no option; there are only, batch_size, workers, progress and what the verb itself takes"
                    )));
                }
            }
        }
        Ok(all)
    }
}

/// A list that came up empty is not every column.
fn some(value: &Bound<'_, PyAny>) -> PyResult<Vec<String>> {
    let Strings(only) = value.extract()?;
    if only.is_empty() {
        return Err(PyValueError::new_err(
            "only names no column; name some, or leave it out for all of the policy",
        ));
    }
    Ok(only)
}

fn positive(value: &Bound<'_, PyAny>, name: &str) -> PyResult<usize> {
    match value.extract::<usize>() {
        Ok(n) if n > 0 => Ok(n),
        _ => Err(PyValueError::new_err(format!("{name} is 1 or more"))),
    }
}

impl Engine {
    /// Runs a verb to its end and gives its JSON as a dict.
    fn run<'py>(
        &self,
        py: Python<'py>,
        options: Options<'py>,
        verb: impl AsyncFnOnce(Job) -> PyResult<serde_json::Value> + Send + 'static,
    ) -> PyResult<Bound<'py, PyAny>> {
        let policy = self.origin.policy()?;
        // As the process has them now, for the closure has no GIL.
        let process = self.variables.pairs(py)?;
        let process = || atrest_keys::Environment::new(process.iter().cloned());
        let found = environment(&policy, process, None).map_err(|error| errors::keys(&error))?;
        let mut notes: Vec<String> = found.warning.into_iter().collect();
        let watched = Watched::default();
        let job = Job {
            policy,
            path: self.origin.path().map(PathBuf::from),
            environment: found.environment,
            only: options.only,
            run: options.run,
            external: options.external,
            watched: watched.clone(),
        };
        let done = wait::until(py, &watched, options.progress.as_ref(), async move || {
            verb(job).await
        });
        notes.extend(watched.warnings());
        warn(py, &notes)?;
        py.import("json")?
            .call_method1("loads", (done?.to_string(),))
    }

    fn change<'py>(
        &self,
        py: Python<'py>,
        operation: Operation,
        settings: ChangeSettings<'py>,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.change_with(py, operation, settings, Options::new(options)?)
    }

    fn change_with<'py>(
        &self,
        py: Python<'py>,
        operation: Operation,
        settings: ChangeSettings<'py>,
        mut options: Options<'py>,
    ) -> PyResult<Bound<'py, PyAny>> {
        options.run.apply_schema = settings.apply_schema;
        options.run.accept_lookalikes = settings.accept_lookalikes;
        options.run.max_rate = settings.max_rate;
        let backup = match settings.backup {
            None => Backup::Dated,
            Some(no) if no.is_instance_of::<PyBool>() && !no.is_truthy()? => Backup::None,
            Some(path) => Backup::File(path.extract()?),
        };
        let dry_run = settings.dry_run;
        self.run(py, options, async move |job| match dry_run {
            true => job.plan(operation).await,
            false => job.change(operation, backup).await,
        })
    }
}

/// What the verbs that change values take.
#[derive(Default)]
struct ChangeSettings<'py> {
    backup: Option<Bound<'py, PyAny>>,
    apply_schema: bool,
    accept_lookalikes: bool,
    max_rate: Option<u32>,
    dry_run: bool,
}

#[pymethods]
impl Engine {
    #[new]
    #[pyo3(signature = (policy, *, directory = None, environment = None))]
    fn python_new(
        policy: &Bound<'_, PyAny>,
        directory: Option<PathBuf>,
        environment: Option<Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let origin = Origin::of(policy, directory)?;
        origin.policy()?;
        Ok(Self {
            origin,
            variables: Variables::new(environment),
        })
    }

    /// What an operation would do. Nothing is changed. "adopt" needs `format` and `keys` as
    /// `adopt` takes them, "exit" `to_key`.
    #[pyo3(signature = (operation = "encrypt", *, format = None, keys = None, salts = None, encryption_key = None, to_key = None, **options))]
    #[expect(clippy::too_many_arguments, reason = "all but one by name, in Python")]
    fn plan<'py>(
        &self,
        py: Python<'py>,
        operation: &str,
        format: Option<&str>,
        keys: Option<Sources>,
        salts: Option<Sources>,
        encryption_key: Option<String>,
        to_key: Option<String>,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let external = External::of(format, keys, salts, encryption_key)?;
        let (operation, external) = match (operation, external, to_key) {
            ("encrypt", None, None) => (Operation::Encrypt, None),
            ("rotate", None, None) => (Operation::Rotate, None),
            ("decrypt", None, None) => (Operation::Decrypt, None),
            ("adopt", Some(external), None) => (Operation::Adopt, Some(external)),
            ("exit", None, Some(key)) => (Operation::Exit, Some(External::fernet(key))),
            ("encrypt" | "rotate" | "decrypt" | "adopt" | "exit", ..) => {
                return Err(PyTypeError::new_err(
                    "\"adopt\" is planned with `format` and `keys`, \"exit\" with `to_key`, and the other operations with none of them",
                ));
            }
            (other, ..) => {
                return Err(PyValueError::new_err(format!(
                    "`{other}` cannot be planned; write \"encrypt\", \"rotate\", \"decrypt\", \"adopt\" or \"exit\""
                )));
            }
        };
        let mut options = Options::new(options)?;
        options.external = external;
        self.run(py, options, async move |job| job.plan(operation).await)
    }

    /// Encrypts every clear value in place, while the application runs.
    #[pyo3(signature = (*, backup = None, apply_schema = false, accept_lookalikes = false, max_rate = None, **options))]
    fn encrypt<'py>(
        &self,
        py: Python<'py>,
        backup: Option<Bound<'py, PyAny>>,
        apply_schema: bool,
        accept_lookalikes: bool,
        max_rate: Option<u32>,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let settings = ChangeSettings {
            backup,
            apply_schema,
            accept_lookalikes,
            max_rate,
            ..ChangeSettings::default()
        };
        self.change(py, Operation::Encrypt, settings, options)
    }

    /// Encrypts anew, under the primary key and the policy's suite, what stands under
    /// others.
    #[pyo3(signature = (*, backup = None, apply_schema = false, accept_lookalikes = false, max_rate = None, **options))]
    fn rotate<'py>(
        &self,
        py: Python<'py>,
        backup: Option<Bound<'py, PyAny>>,
        apply_schema: bool,
        accept_lookalikes: bool,
        max_rate: Option<u32>,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let settings = ChangeSettings {
            backup,
            apply_schema,
            accept_lookalikes,
            max_rate,
            ..ChangeSettings::default()
        };
        self.change(py, Operation::Rotate, settings, options)
    }

    /// Turns every encrypted value back into a clear one: the way out.
    #[pyo3(signature = (*, backup = None, apply_schema = false, accept_lookalikes = false, max_rate = None, **options))]
    fn decrypt<'py>(
        &self,
        py: Python<'py>,
        backup: Option<Bound<'py, PyAny>>,
        apply_schema: bool,
        accept_lookalikes: bool,
        max_rate: Option<u32>,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let settings = ChangeSettings {
            backup,
            apply_schema,
            accept_lookalikes,
            max_rate,
            ..ChangeSettings::default()
        };
        self.change(py, Operation::Decrypt, settings, options)
    }

    /// Takes over in place what other software encrypted: `format` is its name
    /// (docs/adopt.md), `keys`, `salts` and `encryption_key` are the sources of its secrets
    /// ("env:OLD_KEY"). With `dry_run` nothing is changed.
    #[pyo3(signature = (format, keys, *, salts = None, encryption_key = None, dry_run = false, backup = None, apply_schema = false, max_rate = None, **options))]
    #[expect(clippy::too_many_arguments, reason = "all but two by name, in Python")]
    fn adopt<'py>(
        &self,
        py: Python<'py>,
        format: &str,
        keys: Sources,
        salts: Option<Sources>,
        encryption_key: Option<String>,
        dry_run: bool,
        backup: Option<Bound<'py, PyAny>>,
        apply_schema: bool,
        max_rate: Option<u32>,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let external = External::of(Some(format), Some(keys), salts, encryption_key)?;
        let settings = ChangeSettings {
            backup,
            apply_schema,
            max_rate,
            dry_run,
            ..ChangeSettings::default()
        };
        let mut options = Options::new(options)?;
        options.external = external;
        self.change_with(py, Operation::Adopt, settings, options)
    }

    /// Turns every encrypted value into a standard Fernet token under the key of the source
    /// `to_key`: the way to other software. With `dry_run` nothing is changed.
    #[pyo3(signature = (to_key, *, dry_run = false, backup = None, apply_schema = false, max_rate = None, **options))]
    #[expect(clippy::too_many_arguments, reason = "all but one by name, in Python")]
    fn exit<'py>(
        &self,
        py: Python<'py>,
        to_key: String,
        dry_run: bool,
        backup: Option<Bound<'py, PyAny>>,
        apply_schema: bool,
        max_rate: Option<u32>,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let settings = ChangeSettings {
            backup,
            apply_schema,
            max_rate,
            dry_run,
            ..ChangeSettings::default()
        };
        let mut options = Options::new(options)?;
        options.external = Some(External::fernet(to_key));
        self.change_with(py, Operation::Exit, settings, options)
    }

    /// Opens every value and counts; with `against`, compares each row with a backup. One
    /// of `adopt` needs the other software's `format` and `keys`, as `adopt` takes them.
    #[pyo3(signature = (*, against = None, format = None, keys = None, salts = None, encryption_key = None, **options))]
    #[expect(clippy::too_many_arguments, reason = "all by name, in Python")]
    fn verify<'py>(
        &self,
        py: Python<'py>,
        against: Option<PathBuf>,
        format: Option<&str>,
        keys: Option<Sources>,
        salts: Option<Sources>,
        encryption_key: Option<String>,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let mut options = Options::new(options)?;
        options.external = External::of(format, keys, salts, encryption_key)?;
        if options.external.is_some() && against.is_none() {
            return Err(PyTypeError::new_err(
                "`format` and `keys` are for a backup of `adopt`: name it with `against`",
            ));
        }
        self.run(py, options, async move |job| match against {
            None => job.verify().await,
            Some(backup) => job.restore(&backup, RestoreMode::Compare).await,
        })
    }

    /// Puts the values of a backup back where nobody changed them since; with `force`
    /// those, too. One of `adopt` needs the other software's `format` and `keys`, as `adopt`
    /// takes them.
    #[pyo3(signature = (backup, *, force = false, apply_schema = false, format = None, keys = None, salts = None, encryption_key = None, **options))]
    #[expect(clippy::too_many_arguments, reason = "all but one by name, in Python")]
    fn restore<'py>(
        &self,
        py: Python<'py>,
        backup: PathBuf,
        force: bool,
        apply_schema: bool,
        format: Option<&str>,
        keys: Option<Sources>,
        salts: Option<Sources>,
        encryption_key: Option<String>,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let mut options = Options::new(options)?;
        options.external = External::of(format, keys, salts, encryption_key)?;
        options.run.apply_schema = apply_schema;
        let mode = if force {
            RestoreMode::Force
        } else {
            RestoreMode::Restore
        };
        self.run(py, options, async move |job| {
            job.restore(&backup, mode).await
        })
    }

    /// How things stand: columns, interrupted runs, keys that can retire.
    #[pyo3(signature = (**options))]
    fn status<'py>(
        &self,
        py: Python<'py>,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.run(py, Options::new(options)?, async |job| job.status().await)
    }

    /// What one row of a column ("table.column") holds; its clear value only with
    /// `reveal`. `key` is the row's primary key.
    #[pyo3(signature = (column, *key, reveal = false))]
    fn inspect<'py>(
        &self,
        py: Python<'py>,
        column: String,
        key: Vec<Bound<'py, PyAny>>,
        reveal: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        let key: Vec<String> = key
            .iter()
            .map(|part| part.str().map(|text| text.to_string()))
            .collect::<PyResult<_>>()?;
        let options = Options {
            only: vec![column],
            ..Options::default()
        };
        self.run(py, options, async move |job| {
            job.inspect(&key, reveal).await
        })
    }

    fn __repr__(&self) -> String {
        match &self.origin {
            Origin::File(path) => format!("<atrest.Engine {}>", path.display()),
            Origin::Text { name, .. } => format!("<atrest.Engine {name}>"),
        }
    }
}

/// Warnings go to the application's log.
pub(crate) fn warn(py: Python<'_>, notes: &[String]) -> PyResult<()> {
    if notes.is_empty() {
        return Ok(());
    }
    let logger = py
        .import("logging")?
        .call_method1("getLogger", ("atrest",))?;
    for note in notes {
        logger.call_method1("warning", ("%s", note))?;
    }
    Ok(())
}
