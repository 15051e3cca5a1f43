//! The one place where the crates' errors become Python's exceptions.

use atrest::{FieldError, OpenError};
use atrest_keys::KeySourceError as KeyError;
use pyo3::import_exception;
use pyo3::prelude::*;

import_exception!(atrest.errors, AtrestError);
import_exception!(atrest.errors, DatabaseError);
import_exception!(atrest.errors, DecryptionError);
import_exception!(atrest.errors, EncryptionError);
import_exception!(atrest.errors, InvalidToken);
import_exception!(atrest.errors, KeyNotFound);
import_exception!(atrest.errors, KeySourceError);
import_exception!(atrest.errors, PolicyError);
import_exception!(atrest.errors, ValueForgotten);

/// The exception for an error about a field.
pub(crate) fn field(error: &FieldError) -> PyErr {
    let text = error.to_string();
    match error {
        FieldError::Policy(_)
        | FieldError::NeedsRow { .. }
        | FieldError::NotBoundToRows { .. }
        | FieldError::NeedsSubject { .. }
        | FieldError::NoSubject { .. } => PolicyError::new_err(text),
        FieldError::Keys(_)
        | FieldError::KeyringInDatabase
        | FieldError::NoSubjectKeys { .. }
        | FieldError::OldKeyring { .. } => KeySourceError::new_err(text),
        FieldError::Forgotten { .. } => ValueForgotten::new_err(text),
        FieldError::Subjects(_) | FieldError::Database(_) => DatabaseError::new_err(text),
        FieldError::Seal { .. }
        | FieldError::NeedsKey { .. }
        | FieldError::Json { .. }
        | FieldError::Clock => EncryptionError::new_err(text),
        FieldError::Open {
            source: OpenError::UnknownKey { id },
            ..
        } => KeyNotFound::new_err((text, id.to_string())),
        FieldError::Open { .. } | FieldError::NotText { .. } => DecryptionError::new_err(text),
    }
}

/// The exception for an error about keys.
pub(crate) fn keys(error: &KeyError) -> PyErr {
    KeySourceError::new_err(error.to_string())
}
