//! A column of the policy joined to its target, its keys and its context: what it
//! takes to say what a stored value is.

use std::sync::Arc;

use atrest_core::{Context, FieldOpener, FieldSealer, Form, Keyring, SealError, Stored};

use crate::journal::ColumnRecord;
use crate::page::len;
use crate::policy::{Bind, ColumnPolicy};
use crate::report::{NAMED_ROWS, Tally};
use crate::target::{self, Database, KeyOf, RowKey, Target, Value, ValueRef};
use crate::transition::{Goal, Step};
use crate::{EngineError, Operation, RunOptions};

/// A column ready to be worked on.
#[derive(Clone)]
pub struct Column {
    /// As the policy has it.
    pub policy: ColumnPolicy,
    /// Where its values are.
    pub target: Arc<dyn Target>,
    context: Context,
    bind: Bind,
}

impl std::fmt::Debug for Column {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Column")
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}

impl Column {
    /// Finds the column, and refuses a context other than the recorded one.
    ///
    /// # Errors
    /// The database's; [`EngineError::ContextChanged`].
    pub async fn open(
        database: &dyn Database,
        policy: &ColumnPolicy,
        recorded: Option<&ColumnRecord>,
    ) -> Result<Self, EngineError> {
        let target = database.column(&policy.table, &policy.column).await?;
        let context = policy.context();
        if let Some(recorded) = recorded
            && policy.suite != atrest_core::Suite::Fernet
            && (recorded.context != context || recorded.bind != policy.bind)
        {
            return Err(EngineError::ContextChanged {
                column: policy.id(),
                recorded: recorded.context.clone(),
                recorded_bind: recorded.bind.name(),
                policy: context,
                policy_bind: policy.bind.name(),
            });
        }
        Ok(Self {
            policy: policy.clone(),
            target,
            context: Context::new(&context),
            bind: policy.bind,
        })
    }

    /// "table.column".
    #[must_use]
    pub fn name(&self) -> &str {
        self.target.name()
    }

    /// What is wanted of its values.
    pub(crate) fn goal(
        &self,
        operation: Operation,
        keyring: &Keyring,
        options: &RunOptions,
    ) -> Goal {
        Goal {
            operation,
            suite: self.policy.suite,
            primary: keyring.primary().id(),
            accept_lookalikes: options.accept_lookalikes,
            longest_token: options.longest_token,
        }
    }

    /// A reader of its values; one per worker.
    pub(crate) fn reader(&self, keyring: &Keyring) -> Reader {
        Reader {
            opener: FieldOpener::new(keyring),
            context: self.context.clone(),
            bind: self.bind,
            clear: Vec::new(),
        }
    }
}

/// The form a token has in place of a value; `None` for NULL and values not read.
pub(crate) fn form(value: ValueRef<'_>) -> Option<(Form, &[u8])> {
    match value {
        ValueRef::Null | ValueRef::Deferred(_) => None,
        ValueRef::Text(v) | ValueRef::Number(v) => Some((Form::Text, v)),
        ValueRef::Bytes(v) => Some((Form::Bytes, v)),
    }
}

/// Says what stored values are, and holds the clear value of the last one.
pub(crate) struct Reader {
    opener: FieldOpener,
    context: Context,
    bind: Bind,
    clear: Vec<u8>,
}

impl Reader {
    fn context(&self, key: &RowKey) -> Context {
        match self.bind {
            Bind::Column => self.context.clone(),
            Bind::Row => self.context.with_row(key.0.iter().map(ToString::to_string)),
        }
    }

    /// What the value is; `None` for NULL. The clear value is then in [`Self::clear`].
    pub(crate) fn classify(
        &mut self,
        key: KeyOf<'_>,
        value: ValueRef<'_>,
    ) -> target::Result<Option<Stored>> {
        let Some((form, stored)) = form(value) else {
            return Ok(None);
        };
        let stored = match self.bind {
            Bind::Column => self
                .opener
                .read(form, &self.context, stored, &mut self.clear),
            Bind::Row => {
                let context = self.context(&key()?);
                self.opener.read(form, &context, stored, &mut self.clear)
            }
        };
        Ok(Some(stored))
    }

    /// The clear value of what was classified last (empty when undecryptable).
    pub(crate) fn clear(&self) -> &[u8] {
        &self.clear
    }

    /// Classifies, counts, and gives what a goal makes of the value.
    pub(crate) fn tally(
        &mut self,
        key: KeyOf<'_>,
        value: ValueRef<'_>,
        goal: &Goal,
        tally: &mut Tally,
    ) -> target::Result<Step> {
        tally.total += 1;
        let stored_len = len(value);
        tally.bytes += stored_len;
        let Some(stored) = self.classify(key, value)? else {
            tally.null += 1;
            return Ok(Step::Keep);
        };
        let step = goal.step(&stored);
        let stored = if goal.is_lookalike(&stored) {
            Stored::Plaintext
        } else {
            stored
        };
        let token_len = match (&stored, form(value)) {
            (Stored::Plaintext, Some((form, _))) => goal.suite.token_len(form, stored_len),
            _ => stored_len,
        };
        tally.longest_token = tally.longest_token.max(token_len);
        tally.bytes_sealed += token_len;
        match &stored {
            Stored::Plaintext => tally.plaintext += 1,
            Stored::Sealed(sealed) => *tally.sealed.entry(sealed.key).or_default() += 1,
            Stored::Undecryptable(u) => {
                tally.undecryptable += 1;
                if !u.key_known {
                    tally.foreign += 1;
                    if let Some(id) = u.key {
                        if tally.unknown_keys.is_empty() {
                            tally.unknown_row = Some(key()?.to_string());
                        }
                        *tally.unknown_keys.entry(id).or_default() += 1;
                    }
                }
                if tally.undecryptable_rows.len() < NAMED_ROWS {
                    tally.undecryptable_rows.push(key()?.to_string());
                }
            }
        }
        if step != Step::Keep {
            tally.due += 1;
        }
        Ok(step)
    }

    /// How long the token in place of the value classified last will be, in bytes; 0
    /// where none will be.
    pub(crate) fn token_len(&self, step: Step, value: ValueRef<'_>, goal: &Goal) -> u64 {
        match (step, form(value)) {
            (Step::Seal, Some((form, _))) => goal.suite.token_len(form, self.clear.len() as u64),
            (Step::SealStored, Some((form, stored))) => {
                goal.suite.token_len(form, stored.len() as u64)
            }
            _ => 0,
        }
    }

    /// What to store in the place of the value classified last.
    pub(crate) fn replacement(
        &self,
        step: Step,
        key: &RowKey,
        value: ValueRef<'_>,
        sealer: &mut FieldSealer,
    ) -> Result<Option<Value>, SealError> {
        let Some((form, stored)) = form(value) else {
            return Ok(None);
        };
        let bytes = match step {
            Step::Keep => return Ok(None),
            Step::Clear => self.clear.clone(),
            Step::Seal | Step::SealStored => {
                let clear = if step == Step::Seal {
                    &self.clear
                } else {
                    stored
                };
                let mut token = Vec::new();
                match self.bind {
                    Bind::Column => sealer.seal(form, &self.context, clear, &mut token)?,
                    Bind::Row => sealer.seal(form, &self.context(key), clear, &mut token)?,
                }
                token
            }
        };
        Ok(Some(match form {
            Form::Text => Value::Text(bytes),
            Form::Bytes => Value::Bytes(bytes),
        }))
    }
}
