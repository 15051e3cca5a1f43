//! `atrest adopt` and `atrest exit`: tokens of other software.

use atrest_core::ExternalFormat;
use clap::Args;

use super::ChangeArgs;

/// `atrest adopt`.
#[derive(Debug, Clone, Args)]
pub(crate) struct AdoptArgs {
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
    #[command(flatten)]
    pub(crate) external: ExternalArgs,
}

/// `atrest exit`.
#[derive(Debug, Clone, Args)]
pub(crate) struct ExitArgs {
    /// Where the Fernet key is that the values are to stand under: env:NAME, file:PATH, …
    #[arg(long, value_name = "SOURCE")]
    pub(crate) to_key: String,
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
}

/// What the other software was configured with.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Tokens of other software")]
pub(crate) struct ExternalArgs {
    /// What made the tokens: fernet, sqlalchemy-utils, django-fernet-fields,
    /// django-fernet-encrypted-fields or django-cryptography.
    #[arg(long = "from", value_name = "FORMAT")]
    pub(crate) format: ExternalFormat,
    /// Where its key or secret is: env:NAME, file:PATH or secret:NAME. SECRET_KEY, an entry
    /// of FERNET_KEYS, or the `key` of the column's type. May be repeated, the newest first.
    #[arg(long = "from-key", value_name = "SOURCE", required = true)]
    pub(crate) keys: Vec<String>,
    /// Where SALT_KEY of django-fernet-encrypted-fields is. May be repeated.
    #[arg(long = "from-salt", value_name = "SOURCE")]
    pub(crate) salts: Vec<String>,
    /// Where CRYPTOGRAPHY_KEY of django-cryptography is, if it is set.
    #[arg(long = "from-encryption-key", value_name = "SOURCE")]
    pub(crate) encryption_key: Option<String>,
}

/// The same, where there may be none.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "A backup of adopt or exit")]
pub(crate) struct MaybeExternalArgs {
    /// What made the tokens that adopt took over; fernet for exit's.
    #[arg(long = "from", value_name = "FORMAT", requires = "keys")]
    pub(crate) format: Option<ExternalFormat>,
    /// Where its key or secret is.
    #[arg(long = "from-key", value_name = "SOURCE", requires = "format")]
    pub(crate) keys: Vec<String>,
    /// Where SALT_KEY of django-fernet-encrypted-fields is.
    #[arg(long = "from-salt", value_name = "SOURCE", requires = "format")]
    pub(crate) salts: Vec<String>,
    /// Where CRYPTOGRAPHY_KEY of django-cryptography is, if it is set.
    #[arg(
        long = "from-encryption-key",
        value_name = "SOURCE",
        requires = "format"
    )]
    pub(crate) encryption_key: Option<String>,
}

impl MaybeExternalArgs {
    /// What was given, if anything was.
    pub(crate) fn given(&self) -> Option<ExternalArgs> {
        let format = self.format?;
        Some(ExternalArgs {
            format,
            keys: self.keys.clone(),
            salts: self.salts.clone(),
            encryption_key: self.encryption_key.clone(),
        })
    }
}
