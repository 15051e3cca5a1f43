//! Other software's keys, for `adopt` and `exit`.

use std::path::Path;

use atrest::policy_keys::PolicyKeys;
use atrest_core::{ExternalFormat, ExternalKeys, ExternalSecrets};
use atrest_keys::secret_text;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use zeroize::Zeroizing;

use crate::errors::{self, KeySourceError};

/// What the other software was configured with: the sources of its secrets, as URIs.
pub(super) struct External {
    pub(super) format: ExternalFormat,
    pub(super) keys: Vec<String>,
    pub(super) salts: Vec<String>,
    pub(super) encryption_key: Option<String>,
}

impl External {
    /// As Python names it, if it does.
    pub(super) fn of(
        format: Option<&str>,
        keys: Option<Sources>,
        salts: Option<Sources>,
        encryption_key: Option<String>,
    ) -> PyResult<Option<Self>> {
        let (format, keys) = match (format, keys) {
            (Some(format), Some(keys)) => (format, keys),
            (None, None) if salts.is_none() && encryption_key.is_none() => return Ok(None),
            _ => {
                return Err(PyTypeError::new_err(
                    "other software is named by `format` and `keys` together (docs/adopt.md), with `salts` and `encryption_key` where it has them",
                ));
            }
        };
        let format = format.parse::<ExternalFormat>();
        Ok(Some(Self {
            format: format.map_err(|error| PyValueError::new_err(error.to_string()))?,
            keys: keys.into_vec(),
            salts: salts.map(Sources::into_vec).unwrap_or_default(),
            encryption_key,
        }))
    }

    /// Fernet under one key.
    pub(super) fn fernet(key: String) -> Self {
        Self {
            format: ExternalFormat::Fernet,
            keys: vec![key],
            salts: Vec::new(),
            encryption_key: None,
        }
    }

    /// The keys that its tokens are made with. Paths are as seen from the working folder.
    pub(super) fn keys(&self, policy_keys: &PolicyKeys<'_>) -> PyResult<ExternalKeys> {
        let settings = policy_keys.settings(Path::new(""));
        let text = |uri: &String| -> PyResult<Zeroizing<String>> {
            let found = secret_text(uri, policy_keys.environment, &settings);
            Ok(found.map_err(|error| errors::keys(&error))?.0)
        };
        let all = |uris: &[String]| uris.iter().map(text).collect::<PyResult<_>>();
        let secrets = ExternalSecrets {
            keys: all(&self.keys)?,
            salts: all(&self.salts)?,
            encryption_key: self.encryption_key.as_ref().map(text).transpose()?,
        };
        ExternalKeys::derive(self.format, &secrets).map_err(|error| {
            KeySourceError::new_err(format!(
                "the key of {} cannot be used: {error}",
                self.format
            ))
        })
    }
}

/// One source or several.
#[derive(FromPyObject)]
pub(super) enum Sources {
    #[pyo3(annotation = "str")]
    One(String),
    #[pyo3(annotation = "Sequence[str]")]
    Several(Vec<String>),
}

impl Sources {
    fn into_vec(self) -> Vec<String> {
        match self {
            Self::One(source) => vec![source],
            Self::Several(sources) => sources,
        }
    }
}
