//! `Fields`: a policy joined to its keys.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use atrest::Policy;
use atrest::policy_keys::{self, PolicyKeys};
use atrest_engine::policy::{ColumnPolicy, KeyringPlace, PrimaryKeys};
use atrest_keys::Environment;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use zeroize::Zeroizing;

use crate::environment::{Named, Variables};
use crate::errors::{self, PolicyError};
use crate::field::Field;
use crate::keyring::{Keyring, not_pickled};
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
    keyring: Py<Keyring>,
    people: Arc<People>,
    fields: HashMap<String, Py<Field>>,
}

impl Fields {
    fn new(py: Python<'_>, origin: Origin, variables: Variables) -> PyResult<Self> {
        let policy = origin.policy()?;
        let environment = variables.read(py)?;
        let named = variables.named_in(py, &sources(&policy))?;
        let url = database_url(&policy, &variables.pairs(py)?);
        // A source may ask a server, and a keyring may be in the database.
        let loaded = match &policy.keys.primary {
            PrimaryKeys::Keyring {
                place: KeyringPlace::Database,
                ..
            } => {
                let url = url.clone().map_err(PolicyError::new_err)?;
                runtime::wait(py, async || {
                    atrest::Fields::connect_policy(policy, environment, &url).await
                })?
            }
            _ => py.detach(|| atrest::Fields::from_policy(policy, environment)),
        };
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

    /// Whether the files or variables behind the keys differ from what was read: time to
    /// `reload`. Cheap enough for every few seconds; no key is read.
    fn changed(&self, py: Python<'_>) -> PyResult<bool> {
        let sources = sources(self.loaded.policy());
        Ok(self.loaded.changed() || self.variables.named_in(py, &sources)? != self.named)
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
