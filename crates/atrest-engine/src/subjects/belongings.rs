//! What belongs to a subject: its rows in a column, what they hold, and what they say.

use atrest_core::Stored;
use jiff::Timestamp;
use serde::Serialize;

use super::Erasure;
use super::receipt::ErasedColumn;
use crate::column::{Column, Whose};
use crate::policy::ColumnPolicy;
use crate::target::{Change, RowKey, Value};
use crate::{Engine, EngineError};

/// Rows asked for at once.
const PAGE: usize = 1000;

/// One value of a subject, in clear.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Belonging {
    /// "table.column".
    pub column: String,
    /// The row's key.
    pub key: String,
    /// The value: text, or bytes in hex; `None` with [`Self::state`].
    pub value: Option<String>,
    /// "clear", "null", "forgotten", "to-be-forgotten" or "undecryptable".
    pub state: &'static str,
}

impl Engine {
    /// What a column holds of a subject, without a value: for a receipt.
    ///
    /// # Errors
    /// The database's; those of subjects' keys.
    pub async fn belongings(
        &self,
        policy: &ColumnPolicy,
        subject: &str,
    ) -> Result<ErasedColumn, EngineError> {
        let mut found = ErasedColumn {
            column: policy.id(),
            ..ErasedColumn::default()
        };
        self.each(policy, subject, |_, stored, own, erased, _| {
            found.rows += 1;
            match stored {
                None => {}
                Some(Stored::Plaintext) => found.plaintext += 1,
                Some(Stored::Sealed(_)) if own => {}
                Some(Stored::Sealed(_)) => found.shared += 1,
                Some(Stored::Undecryptable(_)) if erased == Some(Erasure::Done) => {
                    found.unreadable += 1;
                }
                Some(Stored::Undecryptable(_)) => found.undecryptable += 1,
            }
        })
        .await?;
        Ok(found)
    }

    /// The subject's values of a column in clear, one by one: what somebody may ask for
    /// who asks what is kept of them.
    ///
    /// # Errors
    /// The database's; those of subjects' keys.
    pub async fn export(
        &self,
        policy: &ColumnPolicy,
        subject: &str,
        give: &mut (dyn FnMut(Belonging) + Send),
    ) -> Result<(), EngineError> {
        let column = policy.id();
        self.each(policy, subject, |key, stored, _, erased, clear| {
            let state = match (stored, erased) {
                (None, _) => "null",
                (Some(Stored::Undecryptable(_)), Some(Erasure::Done)) => "forgotten",
                (Some(Stored::Undecryptable(_)), Some(Erasure::Asked)) => "to-be-forgotten",
                (Some(Stored::Undecryptable(_)), None) => "undecryptable",
                (Some(_), _) => "clear",
            };
            let text = || match std::str::from_utf8(clear) {
                Ok(text) => text.to_owned(),
                Err(_) => crate::journal::hex(clear),
            };
            give(Belonging {
                column: column.clone(),
                key: key.to_string(),
                value: (state == "clear").then(text),
                state,
            });
        })
        .await
    }

    /// Whether a column has rows of the subject.
    ///
    /// # Errors
    /// The database's.
    pub async fn has_rows(
        &self,
        policy: &ColumnPolicy,
        subject: &str,
    ) -> Result<bool, EngineError> {
        let column = self.open(policy).await?;
        let mut after = None;
        loop {
            let (rows, last) = page(&column, policy, subject, after.as_ref()).await?;
            match (rows.is_empty(), last) {
                (true, Some(last)) => after = Some(last),
                (empty, _) => return Ok(!empty),
            }
        }
    }

    /// Empties a column of the same table in the subject's rows: one that could confirm
    /// a guess of what was erased. Gives how many values went.
    ///
    /// # Errors
    /// The database's.
    pub async fn empty(
        &self,
        policy: &ColumnPolicy,
        column: &str,
        subject: &str,
    ) -> Result<u64, EngineError> {
        let sealed = self.open(policy).await?;
        let target = self.database.column(&policy.table, column).await?;
        let mut emptied = 0;
        let mut after = None;
        loop {
            let (rows, last) = page(&sealed, policy, subject, after.as_ref()).await?;
            let mut changes = Vec::new();
            for key in rows {
                match target.read_one(&key).await? {
                    None | Some(Value::Null) => {}
                    Some(old) => changes.push(Change {
                        key,
                        old,
                        new: Value::Null,
                    }),
                }
            }
            if !changes.is_empty() {
                emptied += target.write(changes, &[]).await?;
            }
            match last {
                Some(last) => after = Some(last),
                None => return Ok(emptied),
            }
        }
    }

    /// Shows every value of the subject: its row, what it is, whether it is sealed under
    /// a key of the subject, how far its erasure has come, and its clear value.
    async fn each(
        &self,
        policy: &ColumnPolicy,
        subject: &str,
        mut show: impl FnMut(&RowKey, Option<Stored>, bool, Option<Erasure>, &[u8]) + Send,
    ) -> Result<(), EngineError> {
        let column = self.open(policy).await?;
        let Some(Whose { subjects, .. }) = column.whose.clone() else {
            return Ok(());
        };
        let rings = subjects.rings(&[subject], false, Timestamp::now()).await?;
        let ring = rings.first();
        let mut reader = column.reader(&self.keyring);
        let mut after = None;
        loop {
            let (rows, last) = page(&column, policy, subject, after.as_ref()).await?;
            for key in rows {
                let Some(value) = column.target.read_one(&key).await? else {
                    continue; // deleted since
                };
                reader.row_of(ring);
                let stored = reader.classify(&|| Ok(key.clone()), value.as_ref())?;
                let own = matches!(
                    (&stored, ring),
                    (Some(Stored::Sealed(sealed)), Some(ring)) if ring.is_own(sealed.key)
                );
                let erased = stored.as_ref().and_then(|stored| reader.erased(stored));
                show(&key, stored, own, erased, reader.clear());
            }
            match last {
                Some(last) => after = Some(last),
                None => return Ok(()),
            }
        }
    }
}

/// Rows of the subject after `after`, and where the next page begins.
async fn page(
    column: &Column,
    policy: &ColumnPolicy,
    subject: &str,
    after: Option<&RowKey>,
) -> Result<(Vec<RowKey>, Option<RowKey>), EngineError> {
    let (Some(Whose { of, .. }), Some(name)) = (&column.whose, &policy.subject) else {
        return Ok((Vec::new(), None));
    };
    let keys = column.target.rows_where(name, subject, after, PAGE).await?;
    let last = (keys.len() == PAGE).then(|| keys.last().cloned()).flatten();
    // What the database calls equal need not be: 'Anna' and 'ANNA', 1 and 1.0.
    let mut rows = Vec::with_capacity(keys.len());
    for key in keys {
        let whose = of.of(std::slice::from_ref(&key)).await?;
        if whose
            .into_iter()
            .flatten()
            .flatten()
            .any(|of| of == subject)
        {
            rows.push(key);
        }
    }
    Ok((rows, last))
}
