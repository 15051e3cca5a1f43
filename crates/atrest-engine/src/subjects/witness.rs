//! The database remembers the newest keyring that was used with it, so that an old copy
//! that was put back is told: it lacks keys that were made since, and tombstones.

use serde::{Deserialize, Serialize};

use super::record::NAME;
use super::{SubjectError, Subjects};
use crate::target::Database;

/// The record's name.
const WITNESS: &str = "newest keyring";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Witness {
    generation: u64,
}

impl Subjects {
    /// Remembers that a keyring of this generation was used, and gives the newest that
    /// ever was, if that is a newer one.
    ///
    /// # Errors
    /// The database's; [`SubjectError::Damaged`].
    pub async fn witness(&self, generation: u64) -> Result<Option<u64>, SubjectError> {
        let names = [WITNESS.to_owned()];
        let Some(records) = self.database.keys_read(&names).await? else {
            return Ok(None); // no subject has a key here
        };
        let record = self.prover.sign(WITNESS, &Witness { generation })?;
        let Some(before) = records.first() else {
            self.database.keys_add(&[record]).await?;
            return Ok(None);
        };
        let (seen, mac) = self.prover.read::<Witness>(before)?;
        if seen.generation < generation {
            let change = crate::target::KeyChange {
                name: record.name,
                expected: mac,
                body: record.body,
                mac: record.mac,
            };
            match self.database.keys_change(&[change]).await {
                // Another process has just said the same, or better.
                Ok(()) | Err(crate::target::TargetError::Busy { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok((seen.generation > generation).then_some(seen.generation))
    }

    /// The newest generation that was ever used here, if that is a newer one than this.
    /// Changes nothing.
    ///
    /// # Errors
    /// As [`Self::witness`].
    pub async fn newer_than(&self, generation: u64) -> Result<Option<u64>, SubjectError> {
        let names = [WITNESS.to_owned()];
        let records = self.database.keys_read(&names).await?.unwrap_or_default();
        let Some(record) = records.first() else {
            return Ok(None);
        };
        let (seen, _) = self.prover.read::<Witness>(record)?;
        Ok((seen.generation > generation).then_some(seen.generation))
    }

    /// Whether a database has keys of subjects: then their keyring must be there, too.
    ///
    /// # Errors
    /// The database's.
    pub async fn any(database: &dyn Database) -> Result<bool, SubjectError> {
        let page = database.keys_page(NAME, 1).await?;
        Ok(page
            .first()
            .is_some_and(|record| record.name.starts_with(NAME)))
    }
}
