//! `Keyring`, and keys as text.

use std::path::PathBuf;

use atrest_core::{Key, Keyring as CoreKeyring};
use atrest_keys::{FileAccess, LoadedKeyring, Settings, load_keyring};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::pybacked::{PyBackedBytes, PyBackedStr};
use pyo3::types::{PyBytes, PyString, PyTuple};

use crate::environment::Variables;
use crate::errors::{self, EncryptionError, KeySourceError};
use crate::strings::Strings;

/// A new key: 44 characters of base64url, as `Fernet.generate_key()` prints them.
#[pyfunction]
pub(crate) fn generate_key() -> PyResult<String> {
    let key = Key::generate().map_err(|error| EncryptionError::new_err(error.to_string()))?;
    Ok(key.to_base64url().as_str().to_owned())
}

/// A key's public name: 8 hex digits.
#[pyfunction]
pub(crate) fn key_id(key: KeyText) -> PyResult<String> {
    Ok(key.parse("the key")?.id().to_string())
}

/// A key as people write it: base64url, base64 or hex, as `str` or ASCII `bytes`.
pub(crate) enum KeyText {
    Text(PyBackedStr),
    Bytes(PyBackedBytes),
}

impl<'py> FromPyObject<'_, 'py> for KeyText {
    type Error = PyErr;

    fn extract(given: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(text) = given.extract() {
            return Ok(Self::Text(text));
        }
        if let Ok(bytes) = given.extract() {
            return Ok(Self::Bytes(bytes));
        }
        if given.is_instance_of::<PyString>() {
            // Not UTF-8, as the parser says of bytes that are not.
            let bytes = PyBytes::new(given.py(), &[0xff]);
            return Ok(Self::Bytes(bytes.into()));
        }
        Err(PyTypeError::new_err(format!(
            "a key is str or bytes, as generate_key() makes it, and not {}: None is what a variable that is not set \
             gives, and of several keys each stands for itself, as in Keyring(first, *others)",
            given.get_type().name()?
        )))
    }
}

impl KeyText {
    /// The key; `origin` names it in messages.
    pub(crate) fn parse(&self, origin: &str) -> PyResult<Key> {
        // What is not UTF-8 is malformed like the rest, and said so by the parser.
        let text = match self {
            Self::Text(text) => text,
            Self::Bytes(bytes) => str::from_utf8(bytes).unwrap_or("\u{fffd}"),
        };
        Key::parse(text).map_err(|error| KeySourceError::new_err(format!("{origin}: {error}")))
    }
}

/// Keys in force: the first seals, all of them open.
///
/// Immutable, and safe between threads and in children of a fork. It is shown by the ids
/// of its keys and cannot be pickled.
#[pyclass(frozen, module = "atrest")]
pub(crate) struct Keyring {
    pub(crate) core: CoreKeyring,
    warnings: Vec<String>,
}

impl Keyring {
    pub(crate) fn new(core: CoreKeyring, warnings: Vec<String>) -> Self {
        core.prepare();
        Self { core, warnings }
    }

    /// The keyring that sources gave.
    pub(crate) fn loaded(keys: &LoadedKeyring) -> Self {
        let warnings = keys.warnings.iter().map(ToString::to_string).collect();
        Self::new(keys.keyring.clone(), warnings)
    }
}

#[pymethods]
impl Keyring {
    /// The keys themselves, as `generate_key` makes them.
    #[new]
    #[pyo3(signature = (primary, *previous))]
    fn python_new(primary: KeyText, previous: Vec<KeyText>) -> PyResult<Self> {
        let primary = primary.parse("the primary key")?;
        let parse = |(n, key): (usize, &KeyText)| key.parse(&format!("previous key {}", n + 1));
        let previous = previous.iter().enumerate().map(parse);
        let core = CoreKeyring::new(primary, previous.collect::<PyResult<_>>()?)
            .map_err(|error| KeySourceError::new_err(error.to_string()))?;
        Ok(Self::new(core, Vec::new()))
    }

    /// The keys of sources, written as URIs: "env:NAME", "file:PATH" and the others of
    /// docs/keys.md. Paths are as seen from `directory`, else from the working folder.
    #[staticmethod]
    #[pyo3(signature = (primary, previous = Strings::default(), *, environment = None, directory = None, allow_readable_files = false))]
    fn from_source(
        py: Python<'_>,
        primary: String,
        previous: Strings,
        environment: Option<Bound<'_, PyAny>>,
        directory: Option<PathBuf>,
        allow_readable_files: bool,
    ) -> PyResult<Self> {
        let environment = Variables::new(environment).read(py)?;
        let access = if allow_readable_files {
            FileAccess::AllowReadable
        } else {
            FileAccess::OwnerOnly
        };
        let settings = Settings::new(directory.unwrap_or_default()).with_access(access);
        // A source may ask a server.
        let loaded = py.detach(|| load_keyring(&primary, &previous.0, &environment, &settings));
        Ok(Self::loaded(&loaded.map_err(|error| errors::keys(&error))?))
    }

    /// The id of the key that seals.
    #[getter]
    fn primary_id(&self) -> String {
        self.core.primary().id().to_string()
    }

    /// The ids of all keys, the primary's first.
    #[getter]
    fn ids(&self) -> Vec<String> {
        self.core.keys().map(|key| key.id().to_string()).collect()
    }

    /// What deserves a word about the keys, for the application's log.
    #[getter]
    fn warnings(&self) -> Vec<String> {
        self.warnings.clone()
    }

    fn __repr__(&self) -> String {
        format!("<atrest.Keyring {}>", self.ids().join(" "))
    }

    fn __copy__(this: Py<Self>) -> Py<Self> {
        this
    }

    fn __deepcopy__(this: Py<Self>, _memo: &Bound<'_, PyAny>) -> Py<Self> {
        this
    }

    fn __reduce_ex__<'py>(&self, _protocol: u8) -> PyResult<Bound<'py, PyTuple>> {
        Err(not_pickled("Keyring"))
    }
}

/// Why nothing that holds keys is pickled.
pub(crate) fn not_pickled(what: &str) -> PyErr {
    PyTypeError::new_err(format!(
        "{what} is not pickled: its keys would lie in the pickle in clear; load them again \
         where they are needed"
    ))
}
