//! What an operation would do, as data: `plan` and every `--dry-run`.

use std::time::Instant;

use crate::change::{form_of_tokens, narrow, widened};
use crate::engine::RunOptions;
use crate::policy::ColumnPolicy;
use crate::probe::{suspicious, wrong_external};
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
        self.check_external(operation)?;
        let begin = Instant::now();
        let column = self.open(policy).await?;
        let tally = self.scan(&column, operation, options).await?;
        let longest = tally.longest_token;
        let mut description = column.target.describe(longest, false).await?;
        if operation == Operation::Encrypt && description.room.is_some() {
            let form = form_of_tokens(&column).await?;
            if options.apply_schema {
                let wider = widened(&column, form, longest, false).await?;
                description = wider.unwrap_or(description);
            }
            let narrow = narrow(&column, form, &description, options);
            description.warnings.extend(narrow);
        }
        let schema = match operation {
            Operation::Encrypt | Operation::Rotate | Operation::Adopt | Operation::Exit => {
                description.schema
            }
            Operation::Decrypt => {
                description.refusals.clear();
                self.journal()
                    .await?
                    .column(&policy.id())
                    .and_then(|c| c.schema.clone())
            }
        };
        let journal = self.journal().await?;
        let own = journal.unproven(operation, &policy.id());
        let adopt = operation == Operation::Adopt && !journal.adopted(&policy.id());
        if adopt && wrong_external(&tally) {
            description.refusals.push(wrong_external_key(&tally));
        } else if !options.accept_lookalikes && suspicious(&tally, own) {
            description.refusals.push(wrong_key(&tally));
        }
        let (due, bytes_after) = match operation {
            Operation::Encrypt => (tally.due, tally.bytes_sealed),
            _ => (tally.due, tally.bytes),
        };
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
            longest_token: longest,
            schema,
            refusals: description.refusals,
            warnings: description.warnings,
        })
    }
}

fn wrong_external_key(tally: &Tally) -> Finding {
    Finding {
        what: format!(
            "{} values look encrypted and none opens under the key that was given",
            tally.foreign
        ),
        next: "check the format and the key".to_owned(),
    }
}

fn wrong_key(tally: &Tally) -> Finding {
    Finding {
        what: format!(
            "{} values are encrypted and none opens under the keyring{}",
            tally.foreign,
            tally.key_ids()
        ),
        next: format!(
            "{}; --accept-lookalikes if they are the application's own text",
            tally.missing_keys()
        ),
    }
}
