//! The policy: `atrest.toml`, which says what is sensitive and where its keys
//! come from (DESIGN §5).
//!
//! Reading it is strict: a key that this version does not know is an error that
//! names the line and the nearest known key, since a misspelt `suite` that was
//! quietly ignored would leave data sealed in a way nobody asked for. No message
//! and no `Debug` output shows a database password.
//!
//! ```
//! use atrest_engine::policy::{Bind, Policy};
//! use atrest_core::Suite;
//!
//! let policy = Policy::parse(
//!     r#"
//! [keys]
//! primary  = "env:FIELD_ENCRYPTION_KEY"
//! previous = ["env:FIELD_ENCRYPTION_KEY_BACKUP"]
//!
//! [database]
//! url = "postgresql://app:${DB_PASSWORD}@localhost/attendance"
//!
//! [[column]]
//! table = "people"
//! name  = "email"
//! "#,
//!     "atrest.toml",
//! )?;
//!
//! let email = policy.column("people.email").ok_or("not there")?;
//! assert_eq!(email.suite, Suite::Xaes256Gcm);
//! assert_eq!(email.bind, Bind::Column);
//! assert_eq!(email.context(), "people.email");
//!
//! let url = policy.database_url()?.resolve(&|name| (name == "DB_PASSWORD").then(|| "s3cret".into()))?;
//! assert_eq!(*url, "postgresql://app:s3cret@localhost/attendance");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod column;
mod error;
mod files;
mod keys;
mod read;
mod serve;
mod subject;
mod subjects;
mod url;
mod write;

use std::path::{Path, PathBuf};

pub use column::{Bind, ColumnPolicy};
pub use error::{At, PolicyError};
pub use files::FilesPolicy;
pub use keys::{KeyringPlace, KeysPolicy, PrimaryKeys};
pub use serve::{ParseTokenRoleError, ServePolicy, TokenPolicy, TokenRole};
pub use subject::{ParseSubjectPatternError, SubjectPattern};
pub use subjects::SubjectsPolicy;
pub use url::DatabaseUrl;

/// A policy, read and checked. What is in it stands as it was written: a key
/// source is still a URI, the database URL still has its `${VAR}`.
#[derive(Debug, Clone)]
pub struct Policy {
    /// The file's name as messages show it.
    pub origin: String,
    /// `[keys]`.
    pub keys: KeysPolicy,
    /// `[database]`; a policy without columns may have none. See
    /// [`Policy::database_url`].
    pub database: Option<DatabasePolicy>,
    /// `[subjects]`.
    pub subjects: SubjectsPolicy,
    /// `[[column]]`, in the order of the file. May be empty.
    pub columns: Vec<ColumnPolicy>,
    /// `[[files]]`, in the order of the file. May be empty.
    pub files: Vec<FilesPolicy>,
    /// `[serve]`.
    pub serve: Option<ServePolicy>,
    /// The file's last line.
    end: At,
}

/// What of a policy is to be worked on; see [`Policy::select`].
#[derive(Debug, Clone, Default)]
pub struct Selection<'a> {
    /// Columns.
    pub columns: Vec<&'a ColumnPolicy>,
    /// Folders.
    pub files: Vec<&'a FilesPolicy>,
}

/// `[database]`.
#[derive(Debug, Clone)]
pub struct DatabasePolicy {
    /// Where the database is.
    pub url: DatabaseUrl,
}

impl Policy {
    /// Reads and checks a policy file.
    ///
    /// # Errors
    /// [`PolicyError::Read`] when it cannot be read, else as [`Policy::parse`].
    pub fn load(path: impl AsRef<Path>) -> Result<Self, PolicyError> {
        let path = path.as_ref();
        let text = write::read(path)?;
        Self::parse(&text, &path.display().to_string())
    }

    /// Reads and checks a policy's text; `origin` is the file's name in messages.
    ///
    /// `${VAR}` in the database URL is checked here and replaced by
    /// [`DatabaseUrl::resolve`]: the variables may come from the `.env` file that
    /// the policy itself names.
    ///
    /// # Errors
    /// One [`PolicyError`] with the line, what is wrong there, and what to do.
    pub fn parse(text: &str, origin: &str) -> Result<Self, PolicyError> {
        read::policy(text, origin)
    }

    /// Whether a column or a location names its subject.
    #[must_use]
    pub fn has_subjects(&self) -> bool {
        self.columns.iter().any(|column| column.subject.is_some())
            || self.files.iter().any(|files| files.subject.is_some())
    }

    /// The folder that relative paths in the policy start from.
    #[must_use]
    pub fn directory(&self) -> &Path {
        directory(&self.origin)
    }

    /// The `.env` file's path, from the policy's folder.
    #[must_use]
    pub fn env_file(&self) -> Option<PathBuf> {
        self.keys
            .env_file
            .as_ref()
            .map(|path| self.directory().join(path))
    }

    /// Where the database is, as the policy writes it.
    ///
    /// # Errors
    /// [`PolicyError::Missing`] when there is no `[database]`.
    pub fn database_url(&self) -> Result<&DatabaseUrl, PolicyError> {
        let found = self.database.as_ref().map(|database| &database.url);
        found.ok_or_else(|| PolicyError::Missing {
            at: self.end.clone(),
            key: read::DATABASE_HEADER,
            inside: "the policy",
            example: read::DATABASE_EXAMPLE,
        })
    }

    /// The column with this [`ColumnPolicy::id`].
    #[must_use]
    pub fn column(&self, id: &str) -> Option<&ColumnPolicy> {
        self.columns.iter().find(|column| column.id() == id)
    }

    /// The columns and folders that `only` names, as "table.column" or by their
    /// location, each once, in the policy's order; all of them when `only` is empty.
    ///
    /// # Errors
    /// [`PolicyError::NoSuchTarget`] with the nearest name.
    pub fn select(&self, only: &[String]) -> Result<Selection<'_>, PolicyError> {
        let has = |name: &str| {
            self.column(name).is_some() || self.files.iter().any(|f| f.is_called(name))
        };
        if let Some(unknown) = only.iter().find(|name| !has(name)) {
            let columns = self.columns.iter().map(ColumnPolicy::id);
            let locations = self.files.iter().map(|files| files.location.clone());
            let known: Vec<String> = columns.chain(locations).collect();
            return Err(PolicyError::NoSuchTarget {
                origin: self.origin.clone(),
                name: unknown.clone(),
                next: error::nearest_or_all(unknown, known.iter().map(String::as_str)),
            });
        }
        let all = only.is_empty();
        let called = |f: &FilesPolicy| all || only.iter().any(|name| f.is_called(name));
        Ok(Selection {
            columns: self
                .columns
                .iter()
                .filter(|c| all || only.contains(&c.id()))
                .collect(),
            files: self.files.iter().filter(|f| called(f)).collect(),
        })
    }

    /// The column with this id, which must be there.
    ///
    /// # Errors
    /// [`PolicyError::NoSuchColumn`] with the nearest name.
    pub fn require(&self, id: &str) -> Result<&ColumnPolicy, PolicyError> {
        self.column(id).ok_or_else(|| {
            let ids: Vec<String> = self.columns.iter().map(ColumnPolicy::id).collect();
            PolicyError::NoSuchColumn {
                origin: self.origin.clone(),
                id: id.to_owned(),
                next: error::nearest_or_all(id, ids.iter().map(String::as_str)),
            }
        })
    }

    /// Writes `context = "table.column"` into every `[[column]]` of the file that
    /// names none, and gives the ids of those columns. Comments and layout stay;
    /// the file is replaced whole, durably, with its mode and owner kept.
    ///
    /// A context is for ever: once it stands in the file, renaming the table does
    /// not orphan what was sealed under it.
    ///
    /// # Errors
    /// [`PolicyError::Read`] or [`PolicyError::Write`]; the file is then as it was.
    pub fn write_contexts(path: impl AsRef<Path>) -> Result<Vec<String>, PolicyError> {
        write::contexts(path.as_ref())
    }

    /// Writes another `root` into `[keys]` of the file; comments and layout stay. The
    /// file is replaced whole, durably.
    ///
    /// # Errors
    /// [`PolicyError::Read`] or [`PolicyError::Write`]; the file is then as it was.
    pub fn write_root(path: impl AsRef<Path>, root: &str) -> Result<(), PolicyError> {
        write::root(path.as_ref(), root)
    }

    /// As [`Policy::write_contexts`], from text to text: the text with a context
    /// in every column, and the ids of the columns that had none.
    ///
    /// ```
    /// # use atrest_engine::policy::Policy;
    /// let text = "[keys]\nprimary = \"env:K\"\n[database]\nurl = \"sqlite:app.db\"\n\n\
    ///             [[column]] # staff\ntable = \"people\"\nname = \"email\"\n";
    /// let (edited, added) = Policy::with_contexts(text, "atrest.toml")?;
    /// assert_eq!(added, ["people.email"]);
    /// assert_eq!(edited, format!("{text}context = \"people.email\"\n"));
    /// # Ok::<(), atrest_engine::policy::PolicyError>(())
    /// ```
    ///
    /// # Errors
    /// As [`Policy::parse`].
    pub fn with_contexts(text: &str, origin: &str) -> Result<(String, Vec<String>), PolicyError> {
        write::with_contexts(text, origin)
    }
}

fn directory(origin: &str) -> &Path {
    match Path::new(origin).parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}
