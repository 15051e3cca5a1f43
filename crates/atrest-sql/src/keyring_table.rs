//! A keyring in the database: one record of the table `atrest_keys`.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use atrest_engine::target::{Database, KeyChange, Record, TargetError};
use atrest_keys::keyring::{KeyringError, KeyringStore, check};

/// The record's name.
const NAME: &str = "keyring";

/// The keyring of a database, in its table `atrest_keys`.
///
/// It is changed under compare-and-swap in one transaction. The database keeps no older
/// documents of it; its backups and logs do, which is to be thought of when a key is
/// destroyed.
pub struct KeyringTable {
    database: Arc<dyn Database>,
}

impl KeyringTable {
    /// The keyring of `database`.
    #[must_use]
    pub fn new(database: Arc<dyn Database>) -> Self {
        Self { database }
    }

    fn failed(&self, error: &TargetError) -> KeyringError {
        KeyringError::Store {
            origin: self.name(),
            problem: error.to_string(),
        }
    }

    async fn record(&self) -> Result<Option<Record>, KeyringError> {
        let found = self.database.keys_read(&[NAME.to_owned()]).await;
        let found = found.map_err(|error| self.failed(&error))?;
        Ok(found.unwrap_or_default().pop())
    }
}

impl fmt::Debug for KeyringTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}

#[async_trait]
impl KeyringStore for KeyringTable {
    fn name(&self) -> String {
        format!("the table atrest_keys of {}", self.database.location())
    }

    async fn load(&self) -> Result<Option<String>, KeyringError> {
        Ok(self.record().await?.map(|record| record.body))
    }

    async fn replace(&self, expected: u64, text: &str) -> Result<(), KeyringError> {
        let origin = self.name();
        let generation = check(text, &origin)?;
        // What the record's MAC is of no use for here tells one document from another:
        // the document has its own.
        let mac = format!("generation {generation}");
        let before = self.record().await?;
        let found = match &before {
            None => 0,
            Some(record) => check(&record.body, &origin)?,
        };
        match before {
            Some(_) if expected == 0 => return Err(KeyringError::Exists { origin }),
            _ if found != expected => {
                return Err(KeyringError::Changed {
                    origin,
                    expected,
                    found,
                });
            }
            None => {
                let record = Record {
                    name: NAME.to_owned(),
                    body: text.to_owned(),
                    mac,
                };
                let added = async {
                    self.database.keys_create().await?;
                    self.database.keys_add(&[record]).await
                };
                added.await.map_err(|error| self.failed(&error))?;
            }
            Some(record) => {
                let change = KeyChange {
                    name: NAME.to_owned(),
                    expected: record.mac,
                    body: text.to_owned(),
                    mac,
                };
                match self.database.keys_change(&[change]).await {
                    // Whatever another one makes of it now.
                    Ok(()) => return Ok(()),
                    Err(TargetError::Busy { .. }) => {}
                    Err(error) => return Err(self.failed(&error)),
                }
            }
        }
        // Of two that expect the same generation one wins.
        match self.record().await? {
            Some(record) if record.body == text => Ok(()),
            now => {
                let found = match now {
                    None => 0,
                    Some(record) => check(&record.body, &origin)?,
                };
                match expected {
                    0 => Err(KeyringError::Exists { origin }),
                    _ => Err(KeyringError::Changed {
                        origin,
                        expected,
                        found,
                    }),
                }
            }
        }
    }

    async fn prune(&self, _: u64) -> Result<(), KeyringError> {
        Ok(()) // there is only the newest, and what it took the place of is overwritten
    }
}
