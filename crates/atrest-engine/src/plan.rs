//! What an operation would do, as data: `plan` and every `--dry-run`.

use std::time::Instant;

use crate::engine::RunOptions;
use crate::policy::ColumnPolicy;
use crate::report::{ColumnPlan, ColumnReport, Tally};
use crate::target::Finding;
use crate::{Engine, EngineError, Operation};

impl Engine {
    /// Reads the column and says what `operation` would change, need and refuse.
    ///
    /// # Errors
    /// The database's; [`EngineError::ContextChanged`]; a journal that is not ours.
    pub async fn plan(
        &self,
        operation: Operation,
        policy: &ColumnPolicy,
        options: &RunOptions,
    ) -> Result<ColumnPlan, EngineError> {
        let begin = Instant::now();
        let column = self.open(policy).await?;
        let tally = self.scan(&column, operation, options).await?;
        let mut description = column.target.describe(tally.longest_token, false).await?;
        let schema = match operation {
            Operation::Encrypt | Operation::Rotate => description.schema,
            Operation::Decrypt => {
                description.refusals.clear();
                self.journal()
                    .await?
                    .column(&policy.id())
                    .and_then(|c| c.schema.clone())
            }
        };
        if let Some(finding) = wrong_key(&tally) {
            description.refusals.push(finding);
        }
        let (due, bytes_after) = match operation {
            Operation::Encrypt => (tally.due, tally.bytes_sealed),
            Operation::Rotate | Operation::Decrypt => (tally.due, tally.bytes),
        };
        let longest_token = tally.longest_token;
        let mut now = ColumnReport::new(
            &policy.id(),
            policy.suite.to_string(),
            policy.context(),
            tally,
        );
        now.seconds = begin.elapsed().as_secs_f64();
        Ok(ColumnPlan {
            now,
            declared_type: description.declared_type,
            key: description.key,
            due,
            bytes_after,
            longest_token,
            schema,
            refusals: description.refusals,
            warnings: description.warnings,
        })
    }
}

/// Values are encrypted, many of them, and none opens: these are not the keys.
/// (A few look-alikes among plaintext are not that.)
pub(crate) fn suspicious(tally: &Tally) -> bool {
    tally.sealed_total() == 0 && tally.foreign > 0 && tally.foreign * 10 >= tally.total - tally.null
}

fn wrong_key(tally: &Tally) -> Option<Finding> {
    suspicious(tally).then(|| Finding {
        what: format!(
            "{} values are encrypted and none opens under the keyring",
            tally.foreign
        ),
        next: "set the key that was used, as keys.primary or in keys.previous".to_owned(),
    })
}
