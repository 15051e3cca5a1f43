//! Where a policy is from: a file, or a text that the application made.

use std::path::{Path, PathBuf};

use atrest::Policy;
use atrest_engine::policy::PolicyError;
use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::errors;

/// A policy's place, to read it from as often as needed.
#[derive(Debug, Clone)]
pub(crate) enum Origin {
    File(PathBuf),
    Text { text: String, name: String },
}

impl Origin {
    /// A text, whose relative paths start from `directory`, else from the working folder.
    pub(crate) fn text(text: String, directory: Option<PathBuf>) -> Self {
        let name = "<policy>";
        let name = match directory {
            Some(directory) => directory.join(name).display().to_string(),
            None => name.to_owned(),
        };
        Self::Text { text, name }
    }

    /// A `str` of several lines is a text; anything else is a path.
    pub(crate) fn of(policy: &Bound<'_, PyAny>, directory: Option<PathBuf>) -> PyResult<Self> {
        if let Ok(text) = policy.cast::<PyString>()
            && let text = text.to_str()?
            && text.contains('\n')
        {
            return Ok(Self::text(text.to_owned(), directory));
        }
        Ok(Self::File(policy.extract()?))
    }

    /// The file.
    pub(crate) fn path(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            Self::Text { .. } => None,
        }
    }

    /// The policy, read and checked.
    pub(crate) fn policy(&self) -> PyResult<Policy> {
        let policy = match self {
            Self::File(path) => Policy::load(path),
            Self::Text { text, name } => Policy::parse(text, name),
        };
        policy.map_err(|error: PolicyError| errors::policy(&error))
    }
}
