//! What is left behind when the last value of a column is atrest's no more: after
//! `decrypt` its own type, after `exit` other software's tokens, and no record of ours.

use crate::engine::RunOptions;
use crate::policy::ColumnPolicy;
use crate::report::ColumnReport;
use crate::{Engine, EngineError, Operation};

impl Engine {
    /// What of atrest may go with the last value of its own.
    pub(crate) async fn left_behind(
        &self,
        operation: Operation,
        policy: &ColumnPolicy,
        options: &RunOptions,
        report: &mut ColumnReport,
    ) -> Result<(), EngineError> {
        match operation {
            Operation::Decrypt => self.way_back(policy, options, report).await,
            Operation::Exit => self.way_out(policy, report).await,
            Operation::Encrypt | Operation::Rotate | Operation::Adopt => Ok(()),
        }
    }

    /// Everything is other software's now: nothing of ours is left behind but the
    /// column's type, which its tokens need as ours did.
    async fn way_out(
        &self,
        policy: &ColumnPolicy,
        report: &mut ColumnReport,
    ) -> Result<(), EngineError> {
        let external = self.external.iter().flat_map(|keys| keys.keyring().keys());
        let theirs: Vec<String> = external.take(1).map(|key| key.id().to_string()).collect();
        let all = report.sealed.keys().all(|id| theirs.contains(id));
        let left = report.sealed_by_subject + report.undecryptable + report.to_be_forgotten;
        if !all || left > 0 || !report.settled {
            return Ok(());
        }
        let id = policy.id();
        let journal = self.journal().await?;
        if let Some(held) = journal.columns.get(&id) {
            if let Some(schema) = &held.record.schema {
                report.notes.push(format!(
                    "{id}: the column stays {}, which the tokens need; it was {} before it was encrypted",
                    schema.sealed_type, schema.original_type
                ));
            }
            if let Some(change) = held.delete() {
                self.database.journal_write(&[change]).await?;
            }
        }
        let journal = self.journal().await?;
        if journal.exists && journal.is_empty() {
            self.database.journal_drop().await?;
        }
        Ok(())
    }

    /// Everything is clear again: the column's original type, and nothing of ours
    /// left behind.
    pub(crate) async fn way_back(
        &self,
        policy: &ColumnPolicy,
        options: &RunOptions,
        report: &mut ColumnReport,
    ) -> Result<(), EngineError> {
        let id = policy.id();
        if !report.unknown_keys.is_empty() {
            report.notes.push(format!(
                "{id}: if values that name keys which are not at hand are the application's own text, atrest decrypt --accept-lookalikes counts them as clear"
            ));
        }
        let left = report.sealed_total() + report.undecryptable + report.to_be_forgotten;
        if left > 0 || !report.settled {
            return Ok(());
        }
        let journal = self.journal().await?;
        if let Some(held) = journal.columns.get(&id) {
            if let Some(schema) = &held.record.schema {
                if report.forgotten > 0 {
                    report.notes.push(format!(
                        "{id}: the column stays {}, since {} values of subjects that were forgotten stand in it as tokens, which are not {}: set them to NULL or delete their rows, then run atrest decrypt --apply-schema",
                        schema.sealed_type, report.forgotten, schema.original_type
                    ));
                    return Ok(());
                }
                if !options.apply_schema {
                    report.notes.push(format!(
                        "{id}: the values are clear; the column is still {}: run atrest decrypt --apply-schema, or these yourself, to make it {} again:\n  {}",
                        schema.sealed_type,
                        schema.original_type,
                        schema.down.join("\n  ")
                    ));
                    return Ok(());
                }
                self.database.apply(&schema.down).await?;
            }
            if let Some(change) = held.delete() {
                self.database.journal_write(&[change]).await?;
            }
        }
        let journal = self.journal().await?;
        if journal.exists && journal.is_empty() {
            self.database.journal_drop().await?;
        }
        Ok(())
    }
}
