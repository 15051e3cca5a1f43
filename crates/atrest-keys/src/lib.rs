//! Where keys come from: sources written as URIs, read when asked, checked
//! before the first value is touched.
//!
//! | URI | keys |
//! |---|---|
//! | `env:NAME` | one key, or a list: separated by commas, or as JSON or Python writes one; the first is primary |
//! | `file:PATH` | the same, or one key a line with `#` comments; a file that others can read is refused |
//! | `password:env:NAME?kdf=argon2id&salt=...&m=...&t=...&p=...`, `password:file:PATH?...` | one key, by Argon2id |
//! | `password:env:NAME?salt=...&iterations=...`, `password:file:PATH?...` | one key, by PBKDF2-HMAC-SHA256: for old data |
//! | `secret:NAME`, `secret:/PATH` | as `file:`, of a secret that Docker or Kubernetes mounts |
//! | `pkcs11:token=...;object=...?module-path=...&pin-source=...` | a key inside a token, which wraps (feature `pkcs11`) |
//! | `os-keyring:SERVICE/ACCOUNT` | one key, in the keyring of the desktop (feature `os-keyring`) |
//! | `azure-secret:VAULT/NAME` | a secret of Azure Key Vault (feature `azure`) |
//! | `azure-key:VAULT/NAME` | wrapped by an RSA key of Azure Key Vault (feature `azure`) |
//! | `gcp-secret:projects/P/secrets/S` | a secret of Google Secret Manager (feature `gcp`) |
//! | `gcp-kms:projects/P/locations/L/keyRings/R/cryptoKeys/K` | wrapped by a key of Google Cloud KMS (feature `gcp`) |
//! | `aws-ssm:/PATH/NAME` | as a file, from AWS Systems Manager (feature `aws`) |
//! | `aws-secret:NAME?field=NAME` | as a file, from AWS Secrets Manager (feature `aws`) |
//! | `aws-kms:KEY` | none: AWS KMS wraps (feature `aws`) |
//! | `vault:MOUNT/PATH?field=NAME` | as a file, from Vault or OpenBao (feature `vault`) |
//! | `vault-transit:MOUNT/KEY` | none: Vault or OpenBao wraps (feature `vault`) |
//!
//! Nothing here reads the process's environment: the face that does gives it as
//! an [`Environment`]. Every error names the variable or file, what is wrong and
//! what to do, and never shows a value.
//!
//! ```
//! use atrest_core::Key;
//! use atrest_keys::{Environment, Settings, load_keyring};
//!
//! let (new, old) = (Key::generate()?, Key::generate()?);
//! let env = Environment::new([
//!     ("FIELD_ENCRYPTION_KEY".to_owned(), new.to_base64url().to_string()),
//!     ("FIELD_ENCRYPTION_KEY_BACKUP".to_owned(), format!("b'{}'", *old.to_base64url())),
//! ]);
//! let loaded = load_keyring(
//!     "env:FIELD_ENCRYPTION_KEY",
//!     &["env:FIELD_ENCRYPTION_KEY_BACKUP".to_owned()],
//!     &env,
//!     &Settings::new("."),
//! )?;
//! assert_eq!(loaded.keyring.primary().id(), new.id());
//! assert_eq!(loaded.origins[1], (old.id(), "FIELD_ENCRYPTION_KEY_BACKUP".to_owned()));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod access;
#[cfg(feature = "aws")]
mod aws;
#[cfg(feature = "azure")]
mod azure;
mod env_file;
mod environment;
mod error;
#[cfg(feature = "failpoints")]
pub mod failpoints;
#[cfg(not(feature = "failpoints"))]
mod failpoints;
mod file;
#[cfg(feature = "gcp")]
mod gcp;
mod health;
#[cfg(any(feature = "azure", feature = "gcp"))]
mod https;
pub mod keyring;
mod list;
mod mounted;
mod new_key;
#[cfg(feature = "os-keyring")]
mod os_keyring;
mod password;
#[cfg(feature = "pkcs11")]
mod pkcs11;
#[cfg(feature = "remote")]
#[allow(
    dead_code,
    unused_imports,
    reason = "which of it is used depends on the sources that are built"
)]
mod remote;
mod ring;
mod secret;
pub mod source;
mod stamp;
mod text;
mod variable;
#[cfg(feature = "vault")]
mod vault;

pub use access::FileAccess;
pub use environment::Environment;
pub use error::{KeySourceError, RemoteProblem, Warning};
pub use file::File;
pub use health::Health;
pub use new_key::{NewKey, generate_in};
pub use password::{Argon2Cost, Password};
pub use ring::{LoadedKeyring, Primary, load, load_keyring};
pub use secret::MountedSecret;
pub use source::{KeySource, Settings};
pub use stamp::Stamp;
pub use text::secret_text;
pub use variable::Variable;
