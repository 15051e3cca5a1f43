//! Encryption at rest, in place, for applications that already run: what a Rust
//! application uses to read and write the columns that `atrest` seals.
//!
//! A policy file says which columns are sensitive; [`Fields`] joins it to its
//! keys, and a [`Field`] seals and opens one column's values, in the same format
//! as the command line does.
//!
//! ```
//! use atrest::{Environment, Fields, Key};
//!
//! # let folder = tempfile::tempdir()?;
//! # let policy = folder.path().join("atrest.toml");
//! # std::fs::write(&policy, r#"
//! # [keys]
//! # primary = "env:FIELD_ENCRYPTION_KEY"
//! # [database]
//! # url = "sqlite:app.db"
//! # [[column]]
//! # table = "people"
//! # name = "email"
//! # [[column]]
//! # table = "people"
//! # name = "extras"
//! # bind = "row"
//! # "#)?;
//! // An application gives `Environment::new(std::env::vars())`.
//! let key = Key::generate()?.to_base64url().to_string();
//! let environment = Environment::new([("FIELD_ENCRYPTION_KEY".to_owned(), key)]);
//! let fields = Fields::load(&policy, environment)?;
//!
//! let email = fields.field("people.email")?;
//! let stored = email.seal_str("ada@example.org")?; // into the database
//! assert!(stored.starts_with("ar1."));
//! assert_eq!(email.open_str(&stored)?, "ada@example.org");
//!
//! // bind = "row": a token opens only in the row that it was sealed for.
//! let extras = fields.field("people.extras")?;
//! let stored = extras.row(["17"])?.seal_json(&vec![1, 2, 3])?;
//! assert_eq!(extras.row(["17"])?.open_json::<Vec<u8>>(&stored)?, [1, 2, 3]);
//! assert!(extras.row(["18"])?.open_str(&stored).is_err());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! While a column is being encrypted it holds clear values and tokens side by
//! side: [`Field::read_str`] takes both and says which it was. A value that looks
//! like a token but does not open is an error, never a value.

//!
//! Keys lie in locked pages that no core dump holds, as far as the system allows
//! ([`SecretMemory`]). What is made of them to work with, and clear values, lie in
//! ordinary memory: a program that wants none of it in a core dump turns core dumps off,
//! as the `atrest` command does (`RLIMIT_CORE` 0 and, on Linux, `PR_SET_DUMPABLE` 0;
//! both are safe functions of the `rustix` crate). docs/threat-model.md has the rest.

mod error;
mod field;
mod fields;
mod wiped_writer;

pub use atrest_core::{
    Context, FieldOpener, FieldSealer, Form, Key, KeyId, KeyParseError, Keyring, KeyringError,
    OpenError, RandomError, SealError, Sealed, SecretBytes, SecretMemory, Stored, Suite,
    Undecryptable,
};
pub use atrest_engine::policy::{Bind, ColumnPolicy, Policy, PolicyError};
pub use atrest_keys::{
    Environment, FileAccess, KeySource, KeySourceError, LoadedKeyring, Warning, load_keyring,
};
pub use error::FieldError;
pub use field::{Field, Value};
pub use fields::Fields;
