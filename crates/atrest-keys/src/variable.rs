//! `env:NAME`: keys from a variable.

use atrest_core::Key;

use crate::list::{self, Layout};
use crate::{Environment, KeySource, KeySourceError, source};

/// A variable that holds a key or a list of keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    name: String,
}

impl Variable {
    /// The variable of this name.
    ///
    /// # Errors
    /// [`KeySourceError::BadUri`] when it is no name, or looks like a key.
    pub fn new(name: &str) -> Result<Self, KeySourceError> {
        let bad = |problem: &str| KeySourceError::BadUri {
            scheme: "env",
            problem: problem.to_owned(),
            next: "write env:NAME with the name of a variable that holds the secret".to_owned(),
        };
        if name.is_empty() {
            return Err(bad("no variable is named"));
        }
        if source::may_be_a_key(name) {
            return Err(bad(
                "a key stands where a variable's name should be, and the policy is no place for a key",
            ));
        }
        if name.contains(['=', '\0']) || name.contains(char::is_whitespace) {
            return Err(bad(
                "the name holds a character that no variable's name can have",
            ));
        }
        Ok(Self {
            name: name.to_owned(),
        })
    }

    /// The value, if it is set.
    pub(crate) fn value<'e>(&self, env: &'e Environment) -> Option<&'e str> {
        env.get(&self.name)
    }
}

impl KeySource for Variable {
    fn name(&self) -> &str {
        &self.name
    }

    fn keys(&self, env: &Environment) -> Result<Vec<Key>, KeySourceError> {
        match self.value(env) {
            Some(value) => list::keys(value, &env.describe(&self.name), Layout::Value),
            None => Err(KeySourceError::NotSet {
                name: self.name.clone(),
            }),
        }
    }
}
