//! Where keys come from: sources written as URIs, read when asked, checked
//! before the first value is touched.
//!
//! | URI | keys |
//! |---|---|
//! | `env:NAME` | one key, or a list: separated by commas, or as JSON or Python writes one; the first is primary |
//! | `file:PATH` | the same, or one key a line with `#` comments; a file that others can read is refused |
//! | `password:env:NAME?salt=...&iterations=...` | one key, by PBKDF2-HMAC-SHA256 |
//! | `password:file:PATH?salt=...&iterations=...` | one key, by PBKDF2-HMAC-SHA256 |
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
mod env_file;
mod environment;
mod error;
#[cfg(feature = "failpoints")]
pub mod failpoints;
#[cfg(not(feature = "failpoints"))]
mod failpoints;
mod file;
mod health;
pub mod keyring;
mod list;
mod password;
#[cfg(feature = "remote")]
mod remote;
mod ring;
pub mod source;
mod variable;

pub use access::FileAccess;
pub use environment::Environment;
pub use error::{KeySourceError, RemoteProblem, Warning};
pub use file::File;
pub use health::Health;
pub use password::Password;
pub use ring::{LoadedKeyring, Primary, load, load_keyring};
pub use source::{KeySource, Settings};
pub use variable::Variable;
