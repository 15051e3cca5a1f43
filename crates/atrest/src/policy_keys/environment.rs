//! The variables that a policy's sources and URL may name.

use std::path::{Path, PathBuf};

use atrest_engine::policy::Policy;
use atrest_keys::{Environment, KeySourceError};

use super::access;

/// What was found.
#[derive(Debug)]
pub struct Found {
    /// The process's variables and those of the `.env` file.
    pub environment: Environment,
    /// The `.env` file that was read.
    pub env_file: Option<PathBuf>,
    /// Why the one beside the policy was not used.
    pub warning: Option<String>,
}

/// The process's variables, which `process` gives, and those of the `.env` file: the one
/// that is `named`, else the policy's, else `.env` beside the policy if there is one.
///
/// # Errors
/// When a file that somebody named cannot be used.
pub fn environment(
    policy: &Policy,
    process: impl Fn() -> Environment,
    named: Option<&Path>,
) -> Result<Found, KeySourceError> {
    let access = access(policy);
    let without = |warning| Found {
        environment: process(),
        env_file: None,
        warning,
    };
    if let Some(file) = named.map(Path::to_owned).or_else(|| policy.env_file()) {
        return Ok(Found {
            environment: process().with_env_file(&file, access)?,
            env_file: Some(file),
            warning: None,
        });
    }
    let beside = policy.directory().join(".env");
    if !beside.is_file() {
        return Ok(without(None));
    }
    // Nobody named this file: one that cannot be used is the application's affair.
    match process().with_env_file(&beside, access) {
        Ok(environment) => Ok(Found {
            environment,
            env_file: Some(beside),
            warning: None,
        }),
        Err(error) => {
            let warning = format!("{} was not used: {error}", beside.display());
            Ok(without(Some(warning)))
        }
    }
}
