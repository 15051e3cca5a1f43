//! What backups still hold of a subject: values from before its column had subjects stand
//! there under keys that everybody shares, or in clear, and no erasure reaches them.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::Path;

use atrest_core::{KeyId, Stored};
use jiff::Timestamp;

use super::receipt::ErasedBackup;
use crate::backup::{self, BackupError, BackupPage, BackupReader};
use crate::column::{Column, Reader, Whose};
use crate::policy::ColumnPolicy;
use crate::target::RowKey;
use crate::{Engine, EngineError};

const TORN: &str = "if no run is writing it, the one that wrote it was killed while it wrote the last page: run the same command again, which goes on in it, or delete it";
const WRITTEN: &str = "a run is writing it: let that end";

/// One column of the backup.
struct Place {
    column: Column,
    reader: Reader,
}

impl Engine {
    /// What a backup holds of a subject that can still be read: to be asked when its keys
    /// are destroyed. `policies` are all columns of the policy, and `gone` keys of the
    /// keyring that are destroyed. A backup is read to its end.
    ///
    /// # Errors
    /// [`crate::backup::BackupError`]; the database's; those of subjects' keys.
    pub async fn left_in_backup(
        &self,
        path: &Path,
        policies: &[ColumnPolicy],
        subject: &str,
        gone: &BTreeSet<KeyId>,
    ) -> Result<ErasedBackup, EngineError> {
        let mut found = ErasedBackup {
            path: path.display().to_string(),
            ..ErasedBackup::default()
        };
        let mut backup = BackupReader::open(path, &self.keyring)?;
        let mut places = HashMap::new();
        let mut closed: HashSet<KeyId> = gone.iter().copied().collect();
        for policy in policies.iter().filter(|policy| policy.subject.is_some()) {
            let column = self.open(policy).await?;
            let Some(Whose { subjects, .. }) = &column.whose else {
                continue;
            };
            if places.is_empty() {
                closed.extend(subjects.key_ids().await?);
            }
            let rings = subjects.rings(&[subject], false, Timestamp::now()).await?;
            let mut reader = column.reader(&self.keyring);
            reader.row_of(rings.first());
            places.insert(policy.id(), Place { column, reader });
        }
        while let Some(page) = backup.next_page()? {
            let Some(place) = places.get_mut(&page.target) else {
                // Of a column that has no subject nothing was erased. One that the policy
                // does not name may be one that it names by another name now.
                if !policies.iter().any(|policy| policy.id() == page.target) {
                    found.unknown += page.rows.len() as u64;
                }
                continue;
            };
            let left = place.left(&page, &closed)?;
            let Some(Whose { of, .. }) = &place.column.whose else {
                continue;
            };
            let rows: Vec<RowKey> = left.iter().map(|(row, _)| row.clone()).collect();
            for (whose, (_, opens)) in of.of(&rows).await?.into_iter().zip(left) {
                match whose {
                    Some(Some(whose)) if whose == subject && opens => found.readable += 1,
                    // It may open under a key that is not here.
                    Some(Some(whose)) if whose == subject => found.unknown += 1,
                    Some(_) => {}
                    // The row is gone, and with it whose it was.
                    None => found.unknown += 1,
                }
            }
        }
        // What a killed run left is proven to its end, unless that is torn.
        if !backup.closed() && length(path)? != backup.len() {
            found.problem = Some(WRITTEN.to_owned());
        } else if backup.torn() {
            found.problem = Some(TORN.to_owned());
        }
        Ok(found)
    }
}

fn length(path: &Path) -> Result<u64, BackupError> {
    let meta = path.metadata();
    Ok(meta
        .map_err(|source| backup::io("read", path, source))?
        .len())
}

impl Place {
    /// Rows of a page whose values may be read: whether each opens, under keys that are
    /// here. Those under keys of subjects, and `closed` ones, are left out.
    fn left(
        &mut self,
        page: &BackupPage,
        closed: &HashSet<KeyId>,
    ) -> Result<Vec<(RowKey, bool)>, EngineError> {
        let mut rows = Vec::new();
        for (key, value) in &page.rows {
            let stored = match page.sealed {
                true => self.reader.classify_kept(key, value)?,
                false => self.reader.classify(&|| Ok(key.clone()), value.as_ref())?,
            };
            match stored {
                None => {}
                Some(Stored::Undecryptable(it))
                    if it.key.is_some_and(|id| closed.contains(&id)) => {}
                Some(Stored::Undecryptable(_)) => rows.push((key.clone(), false)),
                Some(Stored::Plaintext | Stored::Sealed(_)) => rows.push((key.clone(), true)),
            }
        }
        Ok(rows)
    }
}
