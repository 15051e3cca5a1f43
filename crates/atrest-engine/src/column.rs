//! A column of the policy joined to its target, its keys and its context: what it
//! takes to say what a stored value is.

mod reader;

use std::collections::HashMap;
use std::sync::Arc;

use atrest_core::{Context, ExternalKeys, KeyId, Keyring, Suite};
use jiff::Timestamp;

use crate::journal::ColumnRecord;
use crate::policy::{Bind, ColumnPolicy};
use crate::subjects::{Ring, SubjectError, SubjectOf, Subjects};
use crate::target::{Database, RowKey, Target};
use crate::transition::Goal;
use crate::{EngineError, Operation, RunOptions};

pub(crate) use reader::{Reader, form};

/// A column ready to be worked on.
#[derive(Clone)]
pub struct Column {
    /// As the policy has it.
    pub policy: ColumnPolicy,
    /// Where its values are.
    pub target: Arc<dyn Target>,
    context: Context,
    bind: Bind,
    pub(crate) whose: Option<Whose>,
    external: Option<ExternalKeys>,
}

/// Whose the rows of a column are.
#[derive(Clone)]
pub(crate) struct Whose {
    pub(crate) of: SubjectOf,
    pub(crate) subjects: Arc<Subjects>,
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
    /// The database's; [`EngineError::ContextChanged`];
    /// [`SubjectError::NoKeyring`] for a column with subjects where there is none.
    pub async fn open(
        database: &dyn Database,
        policy: &ColumnPolicy,
        recorded: Option<&ColumnRecord>,
        subjects: Option<&Arc<Subjects>>,
    ) -> Result<Self, EngineError> {
        let mut target = database.column(&policy.table, &policy.column).await?;
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
        let whose = match &policy.subject {
            None => None,
            Some(subject) => {
                let of = SubjectOf::find(database, policy, subject).await?;
                target = of.beside(target, subject).await?;
                let subjects = Arc::clone(subjects.ok_or(SubjectError::NoKeyring)?);
                Some(Whose { of, subjects })
            }
        };
        Ok(Self {
            policy: policy.clone(),
            target,
            context: Context::new(&context),
            bind: policy.bind,
            whose,
            external: None,
        })
    }

    /// With the keys of other software whose tokens may be here.
    pub(crate) fn with_external(mut self, keys: &ExternalKeys) -> Self {
        self.external = Some(keys.clone());
        self
    }

    /// Whether reports mean a key of other software by this id.
    pub(crate) fn is_external(&self, id: KeyId) -> bool {
        self.external.as_ref().is_some_and(|keys| keys.holds(id))
    }

    /// The keys that an operation seals with, where a row is nobody's.
    pub(crate) fn sealing<'k>(&'k self, operation: Operation, own: &'k Keyring) -> &'k Keyring {
        match (&self.external, operation) {
            (Some(keys), Operation::Exit) => keys.keyring(),
            _ => own,
        }
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
            suite: match operation {
                Operation::Exit => Suite::Fernet,
                _ => self.policy.suite,
            },
            primary: self.sealing(operation, keyring).primary().id(),
            accept_lookalikes: options.accept_lookalikes,
            longest_token: options.longest_token,
        }
    }

    /// The keys of the rows' subjects, by row: of rows in key order that are somebody's.
    pub(crate) async fn rings_of(
        &self,
        keys: &[RowKey],
    ) -> Result<HashMap<RowKey, Arc<Ring>>, EngineError> {
        let Some(Whose { of, subjects }) = &self.whose else {
            return Ok(HashMap::new());
        };
        let whose = of.of(keys).await?;
        let theirs = keys.iter().zip(&whose);
        let theirs = theirs.filter_map(|(key, whose)| Some((key, whose.as_ref()?.as_deref()?)));
        let (keys, names): (Vec<&RowKey>, Vec<&str>) = theirs.unzip();
        let rings = subjects.rings(&names, false, Timestamp::now()).await?;
        Ok(keys.into_iter().cloned().zip(rings).collect())
    }
}
