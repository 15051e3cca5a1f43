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
//! A column with a `subject` has each person's values under keys of that person, which
//! `atrest forget` destroys; the keys come from the database, many at once:
//!
//! ```
//! # #[cfg(feature = "subjects")]
//! # tokio::runtime::Runtime::new()?.block_on(async {
//! use atrest::{Environment, FieldError, Fields, Key};
//! # use atrest_keys::keyring::{KeyPurpose, KeyringFile, OpenKeyring};
//! # let folder = tempfile::tempdir()?;
//! # let policy = folder.path().join("atrest.toml");
//! # let url = format!("sqlite:{}", folder.path().join("app.db").display());
//! # let url = url.as_str();
//! # std::fs::write(folder.path().join("app.db"), "")?;
//! # std::fs::write(&policy, r#"
//! # [keys]
//! # keyring = "atrest.keyring"
//! # root = "env:ROOT"
//! # [database]
//! # url = "sqlite:app.db"
//! # [[column]]
//! # table = "people"
//! # name = "email"
//! # subject = "id"
//! # "#)?;
//! # let root = Key::generate()?.to_base64url().to_string();
//! # let environment = Environment::new([("ROOT".to_owned(), root)]);
//! # let settings = atrest_keys::Settings::new(folder.path());
//! # let source = atrest_keys::source::parse("env:ROOT", &settings)?;
//! # let file = KeyringFile::new(folder.path().join("atrest.keyring"));
//! # let now = jiff::Timestamp::now();
//! # let new = OpenKeyring::create(&*source, "env:ROOT", &environment, now, &[])?;
//! # let mut opened = new.store(&file, &*source, &environment).await?;
//! # for purpose in [KeyPurpose::Subjects, KeyPurpose::Index] {
//! #     let new = opened.ensure(purpose, now)?.ok_or("made before")?;
//! #     opened = new.store(&file, &*source, &environment).await?;
//! # }
//! let fields = Fields::load(&policy, environment)?;
//! let people = fields.subjects(url).await?; // once, when the application starts
//!
//! let keys = people.keys_to_seal(["4711"]).await?; // makes the key of who is new
//! let email = fields.field("people.email")?;
//! let stored = email.of(&keys["4711"])?.seal_str("ada@example.org")?;
//!
//! let keys = people.keys(["4711", "4712"]).await?; // one request for a page of rows
//! assert_eq!(email.of(&keys["4711"])?.open_str(&stored)?, "ada@example.org");
//! assert!(email.of(&keys["4712"])?.open_str(&stored).is_err());
//! assert!(matches!(email.open_str(&stored), Err(FieldError::NeedsSubject { .. })));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
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
#[cfg(feature = "engine")]
pub mod policy_keys;
mod subjects;
mod wiped_writer;

pub use atrest_core::{
    Context, FieldOpener, FieldSealer, Form, Key, KeyId, KeyParseError, Keyring, KeyringError,
    OpenError, RandomError, SealError, Sealed, SecretBytes, SecretMemory, Stored, Suite,
    Undecryptable,
};
pub use atrest_engine::policy::{Bind, ColumnPolicy, Policy, PolicyError};
pub use atrest_engine::subjects::{SubjectError, SubjectKeys};
pub use atrest_engine::target::Database;
pub use atrest_keys::{
    Environment, FileAccess, KeySource, KeySourceError, LoadedKeyring, Warning, load_keyring,
};
pub use error::FieldError;
pub use field::{Field, Value};
pub use fields::Fields;
pub use subjects::FieldSubjects;
