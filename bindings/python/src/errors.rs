//! The one place where the crates' errors become Python's exceptions.

use std::error::Error;
use std::io;

use atrest::policy_keys::PolicyKeysError;
use atrest::{FieldError, OpenError, PolicyError as PolicyProblem};
use atrest_core::object::ObjectError;
use atrest_engine::EngineError as RunError;
use atrest_keys::KeySourceError as KeyError;
use atrest_media::MediaError;
use pyo3::import_exception;
use pyo3::prelude::*;

import_exception!(atrest.errors, DatabaseError);
import_exception!(atrest.errors, DecryptionError);
import_exception!(atrest.errors, EncryptionError);
import_exception!(atrest.errors, EngineError);
import_exception!(atrest.errors, Interrupted);
import_exception!(atrest.errors, InvalidToken);
import_exception!(atrest.errors, KeyNotFound);
import_exception!(atrest.errors, KeySourceError);
import_exception!(atrest.errors, PolicyError);
import_exception!(atrest.errors, ValueForgotten);

/// The exception for an error about a field.
pub(crate) fn field(error: &FieldError) -> PyErr {
    let text = in_python(error.to_string());
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

/// The exception for an error about a policy.
pub(crate) fn policy(error: &PolicyProblem) -> PyErr {
    PolicyError::new_err(error.to_string())
}

/// The exception for an error about a policy's keys and database.
pub(crate) fn policy_keys(error: &PolicyKeysError) -> PyErr {
    let text = in_python(sentence(error));
    match error {
        PolicyKeysError::Policy(_) => PolicyError::new_err(text),
        PolicyKeysError::Subjects(_) => EngineError::new_err(text),
        PolicyKeysError::Database(_) => DatabaseError::new_err(text),
        _ => KeySourceError::new_err(text),
    }
}

/// The exception for a run that ended; `done` names the columns that are done.
pub(crate) fn run(error: &RunError, done: &[&str]) -> PyErr {
    let mut text = in_python(sentence(error));
    if !done.is_empty() {
        text = format!("{} done before; then: {text}", done.join(", "));
    }
    match error {
        RunError::Interrupted => Interrupted::new_err(text),
        RunError::Target(_) => DatabaseError::new_err(text),
        _ => EngineError::new_err(text),
    }
}

/// The exception for an object that cannot be sealed or opened.
pub(crate) fn object(error: &ObjectError, sealing: bool) -> PyErr {
    let text = error.to_string();
    match error {
        ObjectError::UnknownKey(id) => KeyNotFound::new_err((text, id.to_string())),
        ObjectError::Random(_) => EncryptionError::new_err(text),
        _ if sealing => EncryptionError::new_err(text),
        _ => DecryptionError::new_err(text),
    }
}

/// The same for a file of an object: the system's errors are `OSError`, those of a file
/// of Python's its own.
pub(crate) fn media(error: MediaError) -> PyErr {
    io(error.into())
}

/// The same for one that was begun.
pub(crate) fn io(error: io::Error) -> PyErr {
    let object = error.get_ref().and_then(|inner| inner.downcast_ref());
    match object {
        Some(inner) => self::object(inner, false),
        None => error.into(),
    }
}

/// What Python has under another name than the command or the Rust crate.
const WORDS: &[(&str, &str)] = &[
    (
        "run again with --apply-schema to let atrest do it",
        "pass apply_schema=True to let atrest do it",
    ),
    ("run with --apply-schema", "pass apply_schema=True"),
    ("without --apply-schema", "without apply_schema"),
    (
        "run again with --accept-lookalikes",
        "pass accept_lookalikes=True",
    ),
    ("add --accept-lookalikes", "pass accept_lookalikes=True"),
    ("with --backup FILE", "with backup=\"FILE\""),
    ("run the same command again", "make the same call again"),
    ("`atrest encrypt`", "`Engine.encrypt`"),
    ("`atrest rotate`", "`Engine.rotate`"),
    ("(atrest rotate brings", "(Engine.rotate brings"),
    (
        "say whose the row is with `of`, by keys from `Fields::subjects`, or that it is nobody's (NULL) with `of_nobody`",
        "say whose the row is with `of(subject)`, or that it is nobody's (NULL) with `of(None)`",
    ),
    (
        "read it with `open_bytes` or `read_bytes`",
        "other software sealed bytes there, which `Engine.inspect` with reveal=True shows",
    ),
    (
        "ask for its keys with `keys_to_seal`",
        "make it one with `of(subject, seal=True)`",
    ),
];

/// The advice of a message as Python's.
pub(crate) fn in_python(text: String) -> String {
    let replace = |text: String, (theirs, ours): &(&str, &str)| text.replace(theirs, ours);
    WORDS.iter().fold(text, replace)
}

/// What happened, and each cause that is not in that sentence already.
fn sentence(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = error.source();
    }
    text
}
