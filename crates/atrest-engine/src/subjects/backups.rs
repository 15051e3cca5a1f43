//! What backups still hold of a subject: values from before its column had subjects stand
//! there under keys that everybody shares, or in clear, and no erasure reaches them.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use atrest_core::Stored;
use jiff::Timestamp;

use super::receipt::ErasedBackup;
use crate::backup::{BackupPage, BackupReader};
use crate::column::{Column, Reader, Whose};
use crate::policy::ColumnPolicy;
use crate::target::RowKey;
use crate::{Engine, EngineError};

/// One column of the backup.
struct Place {
    column: Column,
    reader: Reader,
}

impl Engine {
    /// What a backup holds of a subject that can still be read, of columns of the policy:
    /// to be asked when its keys are destroyed. A backup is read to its end.
    ///
    /// # Errors
    /// [`crate::backup::BackupError`]; the database's; those of subjects' keys.
    pub async fn left_in_backup(
        &self,
        path: &Path,
        policies: &[&ColumnPolicy],
        subject: &str,
    ) -> Result<ErasedBackup, EngineError> {
        let mut found = ErasedBackup {
            path: path.display().to_string(),
            ..ErasedBackup::default()
        };
        let mut backup = BackupReader::open(path, &self.keyring)?;
        let mut places = HashMap::new();
        for policy in policies {
            let column = self.open(policy).await?;
            let Some(Whose { subjects, .. }) = &column.whose else {
                continue;
            };
            let rings = subjects.rings([subject], false, Timestamp::now()).await?;
            let mut reader = column.reader(&self.keyring);
            reader.row_of(rings.get(subject).map(Arc::clone).as_ref());
            places.insert(policy.id(), Place { column, reader });
        }
        while let Some(page) = backup.next_page()? {
            let Some(place) = places.get_mut(&page.target) else {
                continue;
            };
            let readable = place.readable(&page)?;
            let Some(Whose { of, .. }) = &place.column.whose else {
                continue;
            };
            for whose in of.of(&readable).await? {
                match whose {
                    Some(Some(whose)) if whose == subject => found.readable += 1,
                    Some(_) => {}
                    // The row is gone, and with it whose it was.
                    None => found.unknown += 1,
                }
            }
        }
        if !backup.closed() {
            found.problem = Some("it was not closed: it may hold more than could be read".into());
        }
        Ok(found)
    }
}

impl Place {
    /// Rows of a page whose values are in clear, or open under keys that are here.
    fn readable(&mut self, page: &BackupPage) -> Result<Vec<RowKey>, EngineError> {
        let mut rows = Vec::new();
        for (key, value) in &page.rows {
            let is_readable = match page.sealed {
                true => self.reader.opens(key, value)?,
                false => matches!(
                    self.reader.classify(&|| Ok(key.clone()), value.as_ref())?,
                    Some(Stored::Plaintext | Stored::Sealed(_))
                ),
            };
            if is_readable {
                rows.push(key.clone());
            }
        }
        Ok(rows)
    }
}
