//! The variables that sources may read: given by the face, wiped when dropped.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;
use std::path::Path;

use zeroize::Zeroizing;

use crate::{FileAccess, KeySourceError, access, env_file};

/// Variables by name, from the process's environment and perhaps a `.env` file.
///
/// ```
/// use atrest_keys::Environment;
/// // A face gives `std::env::vars()`, or `vars_os()` less what is not Unicode.
/// let env = Environment::new([("KEY".to_owned(), "secret".to_owned())]);
/// assert_eq!(env.get("KEY"), Some("secret"));
/// assert!(!format!("{env:?}").contains("secret"));
/// ```
#[derive(Default)]
pub struct Environment {
    variables: BTreeMap<String, Variable>,
}

struct Variable {
    value: Zeroizing<String>,
    /// The `.env` file that it came from.
    file: Option<String>,
}

impl Environment {
    /// These variables; of two with one name the later counts.
    pub fn new(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        let variables = variables
            .into_iter()
            .map(|(name, value)| {
                (
                    name,
                    Variable {
                        value: Zeroizing::new(value),
                        file: None,
                    },
                )
            })
            .collect();
        Self { variables }
    }

    /// Adds what a `.env` file sets and the environment does not.
    ///
    /// The notation is dotenvy's: `NAME=value`, `#` comments, quotes, and outside
    /// of single quotes `$NAME` for another variable. Put a password that holds `$`, a
    /// space or a quote in single quotes.
    ///
    /// # Errors
    /// When the file cannot be read, others could read it (see [`FileAccess`]), a
    /// line is not of that notation, or it gives one variable two values.
    pub fn with_env_file(
        mut self,
        path: impl AsRef<Path>,
        access: FileAccess,
    ) -> Result<Self, KeySourceError> {
        let path = path.as_ref();
        let text = access::read(path, access)?;
        let mut set: BTreeMap<String, Zeroizing<String>> = BTreeMap::new();
        let variables =
            env_file::parse(&text).map_err(|error| env_file_error(path, &text, error))?;
        for (name, value) in variables {
            match set.entry(name) {
                Entry::Occupied(before) if *before.get() != value => {
                    return Err(KeySourceError::SetTwice {
                        path: path.to_owned(),
                        name: before.key().clone(),
                    });
                }
                Entry::Occupied(_) => {}
                Entry::Vacant(entry) => {
                    entry.insert(value);
                }
            }
        }
        let file = path.display().to_string();
        for (name, value) in set {
            self.variables.entry(name).or_insert_with(|| Variable {
                value,
                file: Some(file.clone()),
            });
        }
        Ok(self)
    }

    /// A variable's value.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables
            .get(name)
            .map(|variable| variable.value.as_str())
    }

    /// The variables whose names begin so, with their values.
    pub fn starting_with<'a>(&'a self, start: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.variables
            .iter()
            .filter(move |(name, _)| name.starts_with(start))
            .map(|(name, variable)| (name.as_str(), variable.value.as_str()))
    }

    /// The variable's name for messages, with the file that it came from.
    #[must_use]
    pub fn describe(&self, name: &str) -> String {
        match self
            .variables
            .get(name)
            .and_then(|variable| variable.file.as_deref())
        {
            Some(file) => format!("{name} (in {file})"),
            None => name.to_owned(),
        }
    }
}

/// The error without the line's text, which dotenvy's own would show.
fn env_file_error(path: &Path, text: &str, error: dotenvy::Error) -> KeySourceError {
    let path = path.to_owned();
    match error {
        dotenvy::Error::LineParse(line, _) => {
            let line = Zeroizing::new(line);
            let before = text.find(line.as_str()).map_or("", |at| &text[..at]);
            KeySourceError::EnvFileLine {
                path,
                line: before.matches('\n').count() + 1,
            }
        }
        dotenvy::Error::Io(source) => KeySourceError::File { path, source },
        _ => KeySourceError::EnvFileLine { path, line: 1 },
    }
}

impl fmt::Debug for Environment {
    /// The number of variables only: names of a whole environment are noise, and
    /// values are secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Environment({} variables)", self.variables.len())
    }
}
