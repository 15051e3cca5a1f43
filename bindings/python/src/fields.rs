//! `Fields`: a policy joined to its keys.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use atrest::policy_keys::{self, PolicyKeys};
use atrest::{FieldError, Policy};
use atrest_engine::policy::ColumnPolicy;
use atrest_keys::Environment;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use zeroize::Zeroizing;

use crate::engine::warn;
use crate::environment::{Named, Variables};
use crate::errors::{self, PolicyError};
use crate::field::Field;
use crate::keyring::{Keyring, not_pickled};
use crate::look::Looks;
use crate::origin::Origin;
use crate::runtime;
use crate::subjects::People;

/// The fields of a policy. Make one when the application starts.
#[pyclass(frozen, module = "atrest", mapping)]
pub(crate) struct Fields {
    loaded: atrest::Fields,
    origin: Origin,
    variables: Variables,
    named: Named,
    looks: Looks,
    keyring: Py<Keyring>,
    people: Arc<People>,
    fields: HashMap<String, Py<Field>>,
}

impl Fields {
    fn new(py: Python<'_>, origin: Origin, variables: Variables) -> PyResult<Self> {
        let policy = origin.policy()?;
        let named = variables.named_in(py, &sources(&policy))?;
        let url = database_url(&policy, &variables.pairs(py)?);
        let looks = Looks::new(&policy);
        let loaded = load(py, policy, &variables, &url)?;
        let loaded = loaded.map_err(|error| errors::field(&error))?;
        let people = Arc::new(People::new(&loaded, url));
        let warnings = loaded.warnings().iter().map(ToString::to_string).collect();
        let keyring = Py::new(py, Keyring::new(loaded.keyring().clone(), warnings))?;
        let field = |column: &ColumnPolicy| {
            let field = Field::of(keyring.get(), column, &people);
            Ok((column.id(), Py::new(py, field)?))
        };
        let fields = loaded.policy().columns.iter().map(field);
        let fields = fields.collect::<PyResult<_>>()?;
        Ok(Self {
            loaded,
            origin,
            variables,
            named,
            looks,
            keyring,
            people,
            fields,
        })
    }
}

#[pymethods]
impl Fields {
    /// Reads a policy file and the keys that it names.
    #[staticmethod]
    #[pyo3(signature = (path, *, environment = None))]
    fn load(
        py: Python<'_>,
        path: PathBuf,
        environment: Option<Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        Self::new(py, Origin::File(path), Variables::new(environment))
    }

    /// The same of a policy's text. Paths in it are as seen from `directory`, else from
    /// the working folder.
    #[staticmethod]
    #[pyo3(signature = (policy, *, directory = None, environment = None))]
    fn parse(
        py: Python<'_>,
        policy: String,
        directory: Option<PathBuf>,
        environment: Option<Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let origin = Origin::text(policy, directory);
        Self::new(py, origin, Variables::new(environment))
    }

    fn __getitem__(&self, py: Python<'_>, column: &str) -> PyResult<Py<Field>> {
        if let Some(field) = self.fields.get(column) {
            return Ok(field.clone_ref(py));
        }
        // It says which name is near.
        match self.loaded.policy().require(column) {
            Err(error) => Err(errors::policy(&error)),
            Ok(column) => {
                let field = Field::of(self.keyring.get(), column, &self.people);
                Py::new(py, field)
            }
        }
    }

    fn __contains__(&self, column: &str) -> bool {
        self.fields.contains_key(column)
    }

    /// The ids of all columns, in the policy's order.
    #[getter]
    fn columns(&self) -> Vec<String> {
        let columns = &self.loaded.policy().columns;
        columns.iter().map(ColumnPolicy::id).collect()
    }

    /// The keys.
    #[getter]
    fn keyring(&self, py: Python<'_>) -> Py<Keyring> {
        self.keyring.clone_ref(py)
    }

    /// What deserves a word about the keys, for the application's log.
    #[getter]
    fn warnings(&self) -> Vec<String> {
        let warnings = self.loaded.warnings().iter();
        warnings.map(ToString::to_string).collect()
    }

    /// Whether what is behind the keys differs from what was read: time to `reload`. Cheap
    /// enough for every few seconds: files and variables are looked at, and servers and
    /// databases of keys asked once in the policy's `cache`.
    fn changed(&self, py: Python<'_>) -> PyResult<bool> {
        let policy = self.loaded.policy();
        if self.loaded.changed() || self.variables.named_in(py, &sources(policy))? != self.named {
            return Ok(true);
        }
        if !self.loaded.were_asked_for() || !self.looks.begin(py)? {
            return Ok(false);
        }
        let url = database_url(policy, &self.variables.pairs(py)?);
        match load(py, policy.clone(), &self.variables, &url)? {
            Ok(now) => {
                self.looks.given();
                Ok(!now.have_the_keys_of(&self.loaded))
            }
            Err(error) => {
                warn(py, &[self.looks.not_given(py, &error)?])?;
                Ok(false)
            }
        }
    }

    /// The same policy and its keys, read anew. This one stays as it is, in force for who
    /// has it.
    fn reload(&self, py: Python<'_>) -> PyResult<Self> {
        Self::new(py, self.origin.clone(), self.variables.clone_ref(py))
    }

    fn __repr__(&self) -> String {
        format!("<atrest.Fields {}>", self.columns().join(" "))
    }

    fn __reduce_ex__<'py>(&self, _protocol: u8) -> PyResult<Bound<'py, PyTuple>> {
        Err(not_pickled("Fields"))
    }
}

/// A policy joined to its keys, with the GIL released: a source may ask a server, and a
/// keyring may be in the database.
fn load(
    py: Python<'_>,
    policy: Policy,
    variables: &Variables,
    url: &Result<Zeroizing<String>, String>,
) -> PyResult<Result<atrest::Fields, FieldError>> {
    let environment = variables.read(py)?;
    if !policy.keys.in_database() {
        return Ok(py.detach(|| atrest::Fields::from_policy(policy, environment)));
    }
    let url = url.as_ref();
    let url = url.map_err(|why| PolicyError::new_err(why.clone()))?;
    runtime::wait(py, async || {
        atrest::Fields::connect_policy(policy, environment, url).await
    })
}

/// Where the policy's database is, or why nobody knows.
fn database_url(
    policy: &Policy,
    process: &[(String, String)],
) -> Result<Zeroizing<String>, String> {
    let process = || Environment::new(process.iter().cloned());
    let found = policy_keys::environment(policy, process, None).map_err(|e| e.to_string())?;
    let policy_keys = PolicyKeys {
        policy,
        environment: &found.environment,
        accept_older: false,
    };
    policy_keys.database_url().map_err(|e| e.to_string())
}

/// The URIs of all key sources.
fn sources(policy: &Policy) -> Vec<String> {
    let mut sources = vec![policy.keys.root_source().to_owned()];
    sources.extend(policy.keys.previous.iter().cloned());
    sources
}
