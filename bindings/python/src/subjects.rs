//! The keys of the people that rows belong to, as a policy's database keeps them: asked for
//! with the GIL released.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use atrest::{FieldError, FieldSubjects, SubjectError, SubjectKeys};
use atrest_core::{OpenError, Suite};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyInt, PyString};
use zeroize::Zeroizing;

use crate::errors::{self, PolicyError};
use crate::field::integer_text;
use crate::fork::Process;
use crate::runtime;

/// A policy's subjects. Nothing is asked before the first is named.
pub(crate) struct People {
    fields: atrest::Fields,
    /// Of the policy's database, or why there is none.
    url: Result<Zeroizing<String>, String>,
    /// Of one process: connections do not survive a fork.
    connected: Mutex<Option<(Process, FieldSubjects)>>,
}

impl People {
    pub(crate) fn new(fields: &atrest::Fields, url: Result<Zeroizing<String>, String>) -> Self {
        Self {
            fields: fields.clone(),
            url,
            connected: Mutex::new(None),
        }
    }

    /// The keys of each, in one request; with `make`, each has one to seal with.
    pub(crate) fn keys(
        &self,
        py: Python<'_>,
        subjects: &[String],
        make: bool,
    ) -> PyResult<HashMap<String, SubjectKeys>> {
        let url = self.url.as_ref();
        let url = url.map_err(|why| PolicyError::new_err(why.clone()))?;
        let asked = runtime::wait(py, async || {
            let people = self.connected(url).await?;
            match make {
                true => people.keys_to_seal(subjects).await,
                false => people.keys(subjects).await,
            }
        })?;
        asked.map_err(|error| errors::field(&error))
    }

    async fn connected(&self, url: &str) -> Result<FieldSubjects, FieldError> {
        // Nobody waits for the lock, which another thread may have held at a fork.
        let kept = || self.connected.try_lock().ok();
        if let Some((process, people)) = kept().as_deref().and_then(Option::as_ref)
            && *process == Process::this()
        {
            return Ok(people.clone());
        }
        let people = self.fields.subjects(url).await?;
        if let Some(mut kept) = kept() {
            let before = kept.replace((Process::this(), people.clone()));
            // A parent's connections are the parent's: closing them would end its sessions.
            std::mem::forget(before.filter(|(process, _)| *process != Process::this()));
        }
        Ok(people)
    }
}

impl Drop for People {
    /// As where they are replaced: in a child of a fork they are the parent's.
    fn drop(&mut self) {
        if let Ok(connected) = self.connected.get_mut()
            && connected
                .as_ref()
                .is_some_and(|(process, _)| *process != Process::this())
        {
            std::mem::forget(connected.take());
        }
    }
}

/// Whose values a field seals and opens.
#[derive(Clone)]
pub(crate) enum Whose {
    /// The column has no subject.
    Everybodys,
    /// It has, and which one was not said.
    Unknown(Arc<People>),
    /// Of rows whose subject is NULL.
    Nobodys,
    Subject(SubjectKeys),
}

impl Whose {
    /// Nothing is sealed for who has no key.
    pub(crate) fn may_seal(&self, field: &str) -> Result<(), FieldError> {
        let Self::Subject(keys) = self else {
            return Ok(());
        };
        let (field, tag) = (field.to_owned(), keys.tag().to_owned());
        keys.sealing().map(drop).map_err(|error| match error {
            SubjectError::Forgetting { .. } => FieldError::Forgotten { field, tag },
            _ => FieldError::NeedsKey { field, tag },
        })
    }

    /// Why a value did not open: its key may be destroyed.
    pub(crate) fn not_opened(&self, field: String, suite: Suite, source: OpenError) -> FieldError {
        if let Self::Subject(keys) = self {
            let gone = match source {
                OpenError::UnknownKey { id } => keys.erasure_of(id).is_some(),
                // Fernet's tokens name no key.
                OpenError::Failed => suite == Suite::Fernet && keys.erasure().is_some(),
                _ => false,
            };
            if gone {
                let tag = keys.tag().to_owned();
                return FieldError::Forgotten { field, tag };
            }
        }
        FieldError::Open { field, source }
    }
}

/// A subject in canonical text, or as the integer that it is; `None` is NULL.
pub(crate) fn name(subject: &Bound<'_, PyAny>) -> PyResult<Option<String>> {
    if subject.is_none() {
        return Ok(None);
    }
    if let Ok(text) = subject.cast::<PyString>() {
        return Ok(Some(text.to_str()?.to_owned()));
    }
    if subject.is_instance_of::<PyInt>() && !subject.is_instance_of::<PyBool>() {
        return integer_text(subject).map(Some);
    }
    Err(PyTypeError::new_err(
        "a subject is given in canonical text: str (or int), and None where its column is NULL",
    ))
}
