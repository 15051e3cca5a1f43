//! Several texts, or one for itself.

use pyo3::prelude::*;

/// A sequence of `str`. One `str` stands for itself, and is not the sequence of its letters
/// that it is to Python.
#[derive(Default)]
pub(crate) struct Strings(pub(crate) Vec<String>);

impl<'py> FromPyObject<'_, 'py> for Strings {
    type Error = PyErr;

    fn extract(given: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        match given.extract() {
            Ok(one) => Ok(Self(vec![one])),
            Err(_) => Ok(Self(given.extract()?)),
        }
    }
}
