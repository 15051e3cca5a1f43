//! The variables that key sources may read: a mapping of Python's.

use std::collections::BTreeMap;

use atrest_keys::Environment;
use pyo3::prelude::*;
use pyo3::types::PyString;
use zeroize::Zeroizing;

/// Where variables are: a mapping that was given, or `os.environ`.
pub(crate) struct Variables(Option<Py<PyAny>>);

impl Variables {
    pub(crate) fn new(mapping: Option<Bound<'_, PyAny>>) -> Self {
        Self(mapping.map(Bound::unbind))
    }

    pub(crate) fn clone_ref(&self, py: Python<'_>) -> Self {
        Self(self.0.as_ref().map(|mapping| mapping.clone_ref(py)))
    }

    /// As they are now, less what is not Unicode.
    pub(crate) fn read(&self, py: Python<'_>) -> PyResult<Environment> {
        Ok(Environment::new(self.pairs(py)?))
    }

    /// Those that `sources` (URIs) name, to see later whether they changed.
    pub(crate) fn named_in(&self, py: Python<'_>, sources: &[String]) -> PyResult<Named> {
        let pairs = self.pairs(py)?.into_iter();
        let named = pairs
            .map(|(name, value)| (name, Zeroizing::new(value)))
            .filter(|(name, _)| !name.is_empty() && sources.iter().any(|it| it.contains(name)));
        Ok(Named(named.collect()))
    }

    pub(crate) fn pairs(&self, py: Python<'_>) -> PyResult<Vec<(String, String)>> {
        let mapping = match &self.0 {
            Some(mapping) => mapping.bind(py).clone(),
            None => py.import("os")?.getattr("environ")?,
        };
        let mut pairs = Vec::new();
        for item in mapping.call_method0("items")?.try_iter()? {
            let (name, value): (Bound<'_, PyAny>, Bound<'_, PyAny>) = item?.extract()?;
            if let (Some(name), Some(value)) = (text(&name)?, text(&value)?) {
                pairs.push((name, value));
            }
        }
        Ok(pairs)
    }
}

/// Some variables as they were. Wiped when dropped; not shown.
#[derive(PartialEq, Eq)]
pub(crate) struct Named(BTreeMap<String, Zeroizing<String>>);

fn text(value: &Bound<'_, PyAny>) -> PyResult<Option<String>> {
    Ok(value.cast::<PyString>()?.to_str().ok().map(str::to_owned))
}
