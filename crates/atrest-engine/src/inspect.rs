//! One stored value: what it is, under which key, and whether it opens.

use atrest_core::Stored;
use serde::Serialize;

use crate::column::form;
use crate::policy::ColumnPolicy;
use crate::subjects::Erasure;
use crate::target::Value;
use crate::{Engine, EngineError};

/// What `inspect` says of one value.
#[derive(Debug, Clone, Serialize)]
pub struct Inspection {
    /// "table.column".
    pub column: String,
    /// The row's key.
    pub key: String,
    /// "null", "plaintext", "sealed", "undecryptable"; "forgotten" when its key was
    /// destroyed with its subject's others, "to-be-forgotten" while that was only asked for.
    pub state: &'static str,
    /// The stored value as it is, when it is a token (text, or hexadecimal for bytes);
    /// of plaintext only with `reveal`.
    pub stored: Option<String>,
    /// Stored length in bytes.
    pub bytes: u64,
    /// The suite of a token.
    pub suite: Option<String>,
    /// The key id of a token.
    pub key_id: Option<String>,
    /// The keyring holds that key.
    pub key_known: bool,
    /// The clear value; only with `reveal`.
    pub clear: Option<String>,
}

impl Engine {
    /// Looks at one value. The clear value is given only with `reveal`.
    ///
    /// # Errors
    /// [`EngineError::NoSuchRow`]; a key that does not fit; the database's.
    pub async fn inspect(
        &self,
        policy: &ColumnPolicy,
        key: &[String],
        reveal: bool,
    ) -> Result<Inspection, EngineError> {
        let journal = self.journal_to_read().await?;
        let column = self.column(policy, &journal).await?;
        let row = column.target.parse_key(key)?;
        let value = column
            .target
            .read_one(&row)
            .await?
            .ok_or_else(|| EngineError::NoSuchRow {
                column: policy.id(),
                key: row.to_string(),
            })?;
        let mut reader = column.reader(&self.keyring);
        let ring = column
            .rings_of(std::slice::from_ref(&row))
            .await?
            .remove(&row);
        reader.row_of(ring.as_ref());
        let classified = reader.classify(&|| Ok(row.clone()), value.as_ref())?;
        let show = |bytes: &[u8]| match value {
            Value::Bytes(_) if !bytes.is_ascii() => crate::journal::hex(bytes),
            _ => str::from_utf8(bytes).map_or_else(|_| crate::journal::hex(bytes), str::to_owned),
        };
        let bytes = form(value.as_ref()).map(|(_, v)| v);
        let mut found = Inspection {
            column: policy.id(),
            key: row.to_string(),
            state: "null",
            stored: None,
            bytes: crate::page::len(value.as_ref()),
            suite: None,
            key_id: None,
            key_known: false,
            clear: None,
        };
        match classified {
            None => {}
            Some(Stored::Plaintext) => {
                found.state = "plaintext";
                found.stored = bytes.filter(|_| reveal).map(show);
                found.clear.clone_from(&found.stored);
            }
            Some(Stored::Sealed(sealed)) => {
                found.state = "sealed";
                found.stored = bytes.map(show);
                found.suite = Some(sealed.suite.to_string());
                found.key_id = Some(sealed.key.to_string());
                found.key_known = true;
                found.clear = reveal.then(|| show(reader.clear()));
            }
            Some(Stored::Undecryptable(u)) => {
                let stored = Stored::Undecryptable(u);
                found.state = match reader.erased(&stored) {
                    Some(Erasure::Done) => "forgotten",
                    Some(Erasure::Asked) => "to-be-forgotten",
                    None => "undecryptable",
                };
                found.stored = bytes.map(show);
                found.suite = u.suite.map(|s| s.to_string());
                found.key_id = u.key.map(|k| k.to_string());
                found.key_known = u.key_known;
            }
        }
        Ok(found)
    }
}
