//! What a stored value is.

use atrest_core::{Stored, Suite};
use pyo3::prelude::*;

/// What a stored value is, decided by cryptography.
#[pyclass(frozen, module = "atrest", get_all)]
pub(crate) struct Inspection {
    /// "null", "plaintext", "sealed" or "undecryptable".
    kind: &'static str,
    /// How it is sealed; None where it is not, or where that is cut off.
    suite: Option<&'static str>,
    /// The key that sealed it, or that it names; None for Fernet that does not open.
    key_id: Option<String>,
    /// Whether the keyring holds that key.
    key_known: bool,
}

impl Inspection {
    pub(crate) const NULL: Self = Self {
        kind: "null",
        suite: None,
        key_id: None,
        key_known: false,
    };

    pub(crate) fn of(stored: Stored) -> Self {
        match stored {
            Stored::Plaintext => Self {
                kind: "plaintext",
                ..Self::NULL
            },
            Stored::Sealed(sealed) => Self {
                kind: "sealed",
                suite: Some(sealed.suite.name()),
                key_id: Some(sealed.key.to_string()),
                key_known: true,
            },
            Stored::Undecryptable(it) => Self {
                kind: "undecryptable",
                suite: it.suite.map(Suite::name),
                key_id: it.key.map(|id| id.to_string()),
                key_known: it.key_known,
            },
        }
    }
}

#[pymethods]
impl Inspection {
    fn __repr__(&self) -> String {
        let mut words = vec![self.kind.to_owned()];
        words.extend(self.suite.map(str::to_owned));
        words.extend(self.key_id.clone());
        format!("<atrest.Inspection {}>", words.join(" "))
    }
}
