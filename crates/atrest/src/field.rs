//! One column's values, sealed and opened one at a time.

use std::time::{SystemTime, UNIX_EPOCH};

use atrest_core::{Context, FieldOpener, Form, Keyring, OpenError, Stored, Suite, seal_one};
use atrest_engine::policy::{Bind, ColumnPolicy};
use atrest_engine::subjects::{SubjectError, SubjectKeys};
use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use crate::FieldError;
use crate::wiped_writer::WipedWriter;

/// Seals and opens the values of one column.
///
/// `*_str` and `*_json` are for text columns, `*_bytes` for binary ones; a token
/// of one form is none in the other. For many values at once take a
/// [`FieldSealer`](crate::FieldSealer) with [`Field::context`].
#[derive(Debug, Clone)]
pub struct Field {
    id: String,
    keyring: Keyring,
    suite: Suite,
    bind: Bind,
    context: Context,
    row_given: bool,
    whose: Whose,
}

/// Whose the values are.
#[derive(Debug, Clone)]
enum Whose {
    /// The column has no subject.
    Everybodys,
    /// It has, and which one was not said.
    Unknown,
    /// Of a row whose subject is NULL.
    Nobodys,
    Subject(SubjectKeys),
}

/// A stored value, and how it was stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value<T> {
    /// It was sealed, and opened.
    Opened(T),
    /// It is stored in clear: encryption has not reached it yet.
    InClear(T),
}

impl<T> Value<T> {
    /// The value, however it was stored.
    pub fn into_inner(self) -> T {
        match self {
            Self::Opened(value) | Self::InClear(value) => value,
        }
    }
}

impl Field {
    /// The field of a column of a policy, under these keys.
    #[must_use]
    pub fn new(keyring: &Keyring, column: &ColumnPolicy) -> Self {
        Self {
            id: column.id(),
            keyring: keyring.clone(),
            suite: column.suite,
            bind: column.bind,
            context: Context::new(&column.context()),
            row_given: false,
            whose: match column.subject {
                None => Whose::Everybodys,
                Some(_) => Whose::Unknown,
            },
        }
    }

    /// The field in the rows of one subject, by its keys: what a column with a `subject`
    /// needs.
    ///
    /// # Errors
    /// [`FieldError::NoSubject`].
    pub fn of(&self, keys: &SubjectKeys) -> Result<Self, FieldError> {
        self.whose(Whose::Subject(keys.clone()))
    }

    /// The field in rows that are nobody's: their subject is NULL. They are sealed under
    /// the key that everybody shares.
    ///
    /// # Errors
    /// [`FieldError::NoSubject`].
    pub fn of_nobody(&self) -> Result<Self, FieldError> {
        self.whose(Whose::Nobodys)
    }

    fn whose(&self, whose: Whose) -> Result<Self, FieldError> {
        if matches!(self.whose, Whose::Everybodys) {
            return Err(FieldError::NoSubject {
                field: self.id.clone(),
            });
        }
        Ok(Self {
            whose,
            ..self.clone()
        })
    }

    /// The field in one row, by the values of its primary key in canonical text
    /// and in key order: what a column with `bind = "row"` needs.
    ///
    /// # Errors
    /// [`FieldError::NotBoundToRows`]; [`FieldError::NeedsRow`] for a key of no values.
    pub fn row(&self, key: impl IntoIterator<Item = impl AsRef<str>>) -> Result<Self, FieldError> {
        if self.bind != Bind::Row {
            return Err(FieldError::NotBoundToRows {
                field: self.id.clone(),
            });
        }
        let mut key = key.into_iter().peekable();
        if key.peek().is_none() {
            return Err(self.needs_row());
        }
        Ok(Self {
            context: self.context.with_row(key),
            row_given: true,
            ..self.clone()
        })
    }

    fn needs_row(&self) -> FieldError {
        FieldError::NeedsRow {
            field: self.id.clone(),
        }
    }

    /// "table.column".
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What tokens of this field are bound to.
    ///
    /// # Errors
    /// [`FieldError::NeedsRow`].
    pub fn context(&self) -> Result<&Context, FieldError> {
        if self.bind == Bind::Row && !self.row_given {
            return Err(self.needs_row());
        }
        Ok(&self.context)
    }

    /// The token of a text, to store in a text column.
    ///
    /// # Errors
    /// [`FieldError::Seal`], [`FieldError::NeedsRow`], [`FieldError::NeedsSubject`],
    /// [`FieldError::NeedsKey`], [`FieldError::Forgotten`].
    pub fn seal_str(&self, clear: &str) -> Result<String, FieldError> {
        self.text(self.seal(Form::Text, clear.as_bytes())?)
    }

    /// The token of bytes, to store in a binary column.
    ///
    /// # Errors
    /// [`FieldError::Seal`], [`FieldError::NeedsRow`], [`FieldError::NeedsSubject`],
    /// [`FieldError::NeedsKey`], [`FieldError::Forgotten`].
    pub fn seal_bytes(&self, clear: &[u8]) -> Result<Vec<u8>, FieldError> {
        self.seal(Form::Bytes, clear)
    }

    /// The token of a value's JSON, to store in a text column.
    ///
    /// # Errors
    /// [`FieldError::Json`], [`FieldError::Seal`], [`FieldError::NeedsRow`].
    pub fn seal_json(&self, clear: &impl Serialize) -> Result<String, FieldError> {
        let mut json = WipedWriter::default();
        serde_json::to_writer(&mut json, clear).map_err(|e| self.json(&e))?;
        self.text(self.seal(Form::Text, json.written())?)
    }

    /// The clear text of a token. A value stored in clear is an error here; see
    /// [`Field::read_str`].
    ///
    /// # Errors
    /// [`FieldError::Open`], [`FieldError::NotText`], [`FieldError::NeedsRow`],
    /// [`FieldError::NeedsSubject`], [`FieldError::Forgotten`].
    pub fn open_str(&self, stored: &str) -> Result<String, FieldError> {
        self.text(self.open(Form::Text, stored.as_bytes())?)
    }

    /// The clear bytes of a token of a binary column.
    ///
    /// # Errors
    /// [`FieldError::Open`], [`FieldError::NeedsRow`], [`FieldError::NeedsSubject`],
    /// [`FieldError::Forgotten`].
    pub fn open_bytes(&self, stored: &[u8]) -> Result<Vec<u8>, FieldError> {
        self.open(Form::Bytes, stored)
    }

    /// The value whose JSON a token holds.
    ///
    /// # Errors
    /// [`FieldError::Open`], [`FieldError::Json`], [`FieldError::NeedsRow`].
    pub fn open_json<T: DeserializeOwned>(&self, stored: &str) -> Result<T, FieldError> {
        let json = Zeroizing::new(self.open(Form::Text, stored.as_bytes())?);
        serde_json::from_slice(&json).map_err(|error| self.json(&error))
    }

    /// The clear text of what a text column holds, sealed or still in clear.
    ///
    /// # Errors
    /// What looks like a token and does not open is [`FieldError::Open`], never a
    /// value; else as [`Field::open_str`].
    pub fn read_str(&self, stored: &str) -> Result<Value<String>, FieldError> {
        Ok(match self.read(Form::Text, stored.as_bytes())? {
            Value::Opened(clear) => Value::Opened(self.text(clear)?),
            Value::InClear(clear) => Value::InClear(self.text(clear)?),
        })
    }

    /// The clear bytes of what a binary column holds, sealed or still in clear.
    ///
    /// # Errors
    /// As [`Field::read_str`].
    pub fn read_bytes(&self, stored: &[u8]) -> Result<Value<Vec<u8>>, FieldError> {
        self.read(Form::Bytes, stored)
    }

    /// The value whose JSON a text column holds, sealed or still in clear.
    ///
    /// # Errors
    /// As [`Field::read_str`], and [`FieldError::Json`].
    pub fn read_json<T: DeserializeOwned>(&self, stored: &str) -> Result<Value<T>, FieldError> {
        let parse = |json: Vec<u8>| {
            let json = Zeroizing::new(json);
            serde_json::from_slice(&json).map_err(|error| self.json(&error))
        };
        Ok(match self.read(Form::Text, stored.as_bytes())? {
            Value::Opened(json) => Value::Opened(parse(json)?),
            Value::InClear(json) => Value::InClear(parse(json)?),
        })
    }

    fn seal(&self, form: Form, clear: &[u8]) -> Result<Vec<u8>, FieldError> {
        // The time stands in Fernet tokens only.
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_err(|_| FieldError::Clock)?;
        seal_one(
            self.sealing()?,
            self.suite,
            now.as_secs(),
            form,
            self.context()?,
            clear,
        )
        .map_err(|source| FieldError::Seal {
            field: self.id.clone(),
            source,
        })
    }

    fn open(&self, form: Form, stored: &[u8]) -> Result<Vec<u8>, FieldError> {
        let mut clear = Vec::new();
        FieldOpener::new(self.opening()?)
            .open(form, self.context()?, stored, &mut clear)
            .map_err(|source| self.not_opened(source))?;
        Ok(clear)
    }

    fn read(&self, form: Form, stored: &[u8]) -> Result<Value<Vec<u8>>, FieldError> {
        let mut clear = Vec::new();
        match FieldOpener::new(self.opening()?).read(form, self.context()?, stored, &mut clear) {
            Stored::Sealed(_) => Ok(Value::Opened(clear)),
            Stored::Plaintext => Ok(Value::InClear(clear)),
            Stored::Undecryptable(what) => Err(self.not_opened(match what.key {
                Some(id) if !what.key_known => OpenError::UnknownKey { id },
                _ => OpenError::Failed,
            })),
        }
    }

    /// What opens the values.
    fn opening(&self) -> Result<&Keyring, FieldError> {
        match &self.whose {
            Whose::Everybodys | Whose::Nobodys => Ok(&self.keyring),
            Whose::Subject(keys) => Ok(keys.keyring()),
            Whose::Unknown => Err(FieldError::NeedsSubject {
                field: self.id.clone(),
            }),
        }
    }

    /// What seals them.
    fn sealing(&self) -> Result<&Keyring, FieldError> {
        let Whose::Subject(keys) = &self.whose else {
            return self.opening();
        };
        let (field, tag) = (self.id.clone(), keys.tag().to_owned());
        keys.sealing().map_err(|error| match error {
            SubjectError::Forgetting { .. } => FieldError::Forgotten { field, tag },
            _ => FieldError::NeedsKey { field, tag },
        })
    }

    /// Whether a value that did not open was meant to be gone.
    fn was_forgotten(&self, error: &OpenError) -> Option<&SubjectKeys> {
        let Whose::Subject(keys) = &self.whose else {
            return None;
        };
        let gone = match error {
            OpenError::UnknownKey { id } => keys.erasure_of(*id).is_some(),
            // Fernet's tokens name no key.
            OpenError::Failed => self.suite == Suite::Fernet && keys.erasure().is_some(),
            _ => false,
        };
        gone.then_some(keys)
    }

    fn not_opened(&self, source: OpenError) -> FieldError {
        if let Some(keys) = self.was_forgotten(&source) {
            return FieldError::Forgotten {
                field: self.id.clone(),
                tag: keys.tag().to_owned(),
            };
        }
        FieldError::Open {
            field: self.id.clone(),
            source,
        }
    }

    fn text(&self, bytes: Vec<u8>) -> Result<String, FieldError> {
        String::from_utf8(bytes).map_err(|error| {
            drop(Zeroizing::new(error.into_bytes()));
            FieldError::NotText {
                field: self.id.clone(),
            }
        })
    }

    fn json(&self, error: &serde_json::Error) -> FieldError {
        FieldError::Json {
            field: self.id.clone(),
            line: error.line(),
            column: error.column(),
        }
    }
}
