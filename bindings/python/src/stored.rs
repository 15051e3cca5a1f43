//! Values as Python gives and takes them: `str` in text columns, bytes in binary ones.

use atrest_core::Form;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::pybacked::{PyBackedBytes, PyBackedStr};
use pyo3::types::{PyBytes, PyMemoryView, PyString};

use crate::errors::{DecryptionError, EncryptionError};

/// A value where Python has it: nothing is copied but what is mutable or in pieces
/// (`bytearray`, `memoryview`).
pub(crate) enum Value {
    Text(PyBackedStr),
    Bytes(PyBackedBytes),
    /// Bytes that somebody has as text: a Fernet token.
    Ascii(PyBackedStr),
}

/// What a value is wanted for, which decides the exception for one that will not do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    ToSeal,
    ToOpen,
}

impl Value {
    /// `None` for `None`; `field` names the field in messages.
    pub(crate) fn of(
        any: &Bound<'_, PyAny>,
        wanted: Wanted,
        field: &str,
    ) -> PyResult<Option<Self>> {
        if any.is_none() {
            return Ok(None);
        }
        if let Ok(text) = any.cast::<PyString>() {
            // Python's own error would carry the value.
            let text = PyBackedStr::try_from(text.clone()).map_err(|_| surrogates(wanted, field));
            return text.map(|text| Some(Self::Text(text)));
        }
        if let Ok(bytes) = any.cast::<PyBytes>() {
            return Ok(Some(Self::Bytes(bytes.clone().into())));
        }
        let view = PyMemoryView::from(any).map_err(|_| wrong_type(any, field))?;
        let bytes = view.call_method0("tobytes")?.cast_into::<PyBytes>()?;
        Ok(Some(Self::Bytes(bytes.into())))
    }

    pub(crate) fn form(&self) -> Form {
        match self {
            Self::Text(_) => Form::Text,
            Self::Bytes(_) | Self::Ascii(_) => Form::Bytes,
        }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) | Self::Ascii(text) => text.as_bytes(),
            Self::Bytes(bytes) => bytes,
        }
    }
}

/// The same for Python; `None` for text that is not UTF-8.
pub(crate) fn to_python<'py>(
    py: Python<'py>,
    form: Form,
    bytes: &[u8],
) -> Option<Bound<'py, PyAny>> {
    Some(match form {
        Form::Text => PyString::new(py, str::from_utf8(bytes).ok()?).into_any(),
        Form::Bytes => PyBytes::new(py, bytes).into_any(),
    })
}

fn surrogates(wanted: Wanted, field: &str) -> PyErr {
    match wanted {
        Wanted::ToSeal => EncryptionError::new_err(format!(
            "{field}: the text has a lone surrogate, which UTF-8 cannot write; replace it, or seal the bytes that it stands for"
        )),
        Wanted::ToOpen => DecryptionError::new_err(format!(
            "{field}: the stored text has a lone surrogate, which no token has; look at what decodes it on the way from the database"
        )),
    }
}

fn wrong_type(any: &Bound<'_, PyAny>, field: &str) -> PyErr {
    let name = any.get_type().name().map(|name| name.to_string());
    PyTypeError::new_err(format!(
        "{field}: a value is str, bytes or None, not {}; turn it into one of them first",
        name.unwrap_or_default()
    ))
}
