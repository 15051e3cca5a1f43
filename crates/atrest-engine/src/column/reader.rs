//! What stored values are, one after the other, and what takes their place.

use std::sync::Arc;

use atrest_core::{
    Context, ExternalKeys, ExternalOpener, FieldOpener, FieldSealer, Form, KeyId, Keyring,
    SealError, Stored, Suite,
};
use zeroize::Zeroizing;

use super::Column;
use crate::Operation;
use crate::page::len;
use crate::policy::Bind;
use crate::report::{NAMED_ROWS, Tally};
use crate::subjects::{Closed, Erasure, Ring};
use crate::target::{self, KeyOf, RowKey, Value, ValueRef};
use crate::transition::{Goal, Step};

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
    /// Opens what is subjects'.
    own: FieldOpener,
    /// Of the row at hand, whose keys [`Self::own`] has; `None`: it is nobody's.
    ring: Option<Arc<Ring>>,
    /// Opens other software's tokens.
    external: Option<ExternalOpener>,
    /// What was classified last is one of these, and opens.
    is_external: bool,
    /// The key of ours that what was classified last opens under.
    opened_by: Option<KeyId>,
    suite: Suite,
    context: Context,
    bind: Bind,
    clear: Zeroizing<Vec<u8>>,
}

impl Column {
    /// A reader of its values; one per worker.
    pub(crate) fn reader(&self, keyring: &Keyring) -> Reader {
        Reader {
            opener: FieldOpener::new(keyring),
            own: FieldOpener::new(keyring),
            ring: None,
            external: self.external.as_ref().map(ExternalKeys::opener),
            is_external: false,
            opened_by: None,
            suite: self.policy.suite,
            context: self.context.clone(),
            bind: self.bind,
            clear: Zeroizing::default(),
        }
    }
}

impl Reader {
    /// The next row is a subject's, or nobody's; `false`: as the one before.
    pub(crate) fn row_of(&mut self, ring: Option<&Arc<Ring>>) -> bool {
        let same = match (&self.ring, ring) {
            (Some(before), Some(ring)) => Arc::ptr_eq(before, ring),
            (None, None) => true,
            _ => false,
        };
        if !same {
            if let Some(ring) = ring {
                self.own.set_keyring(&ring.keyring);
            }
            self.ring = ring.cloned();
        }
        !same
    }

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
        self.opened_by = None;
        let Some((form, stored)) = form(value) else {
            return Ok(None);
        };
        if let Some(external) = &mut self.external {
            let found = external.read(form, stored, &mut self.clear);
            self.is_external = matches!(found, Some(Stored::Sealed(_)));
            if found.is_some() {
                return Ok(found);
            }
        }
        let row;
        let context = match self.bind {
            Bind::Column => &self.context,
            Bind::Row => {
                row = self.context(&key()?);
                &row
            }
        };
        let opener = match &mut self.ring {
            None => &mut self.opener,
            Some(_) => &mut self.own,
        };
        let stored = opener.read(form, context, stored, &mut self.clear);
        if let Stored::Sealed(sealed) = &stored {
            self.opened_by = Some(sealed.key);
        }
        Ok(Some(stored))
    }

    /// Whether what was classified last opens under no key, ours or other software's.
    pub(crate) fn is_in_clear(&self) -> bool {
        self.opened_by.is_none() && !self.is_external
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
        let step = self.step(&stored, goal);
        let stored = if goal.is_lookalike(&stored) {
            Stored::Plaintext
        } else {
            stored
        };
        // What is not due takes the room that it has.
        let token_len = match step {
            Step::Seal | Step::SealStored => self.token_len(step, value, goal),
            Step::Keep | Step::Clear => stored_len,
        };
        tally.longest_token = tally.longest_token.max(token_len);
        tally.bytes_sealed += token_len;
        tally.external += u64::from(self.is_external);
        match &stored {
            Stored::Plaintext => {
                tally.plaintext += 1;
                tally.withheld += u64::from(self.is_withheld());
            }
            Stored::Sealed(sealed) if self.is_own(sealed.key) => tally.by_subject += 1,
            Stored::Sealed(sealed) => *tally.sealed.entry(sealed.key).or_default() += 1,
            stored if self.erased(stored) == Some(Erasure::Asked) => tally.to_be_forgotten += 1,
            stored if self.erased(stored).is_some() => tally.forgotten += 1,
            Stored::Undecryptable(u) => {
                tally.undecryptable += 1;
                if let Some(closed) = u.key.and_then(|id| self.closed(id)) {
                    *tally.closed.entry(closed.under).or_default() += 1;
                } else if !u.key_known {
                    tally.foreign += 1;
                    if let Some(id) = u.key {
                        if tally.unknown_keys.is_empty() {
                            tally.unknown_row = Some(key()?.to_string());
                        }
                        *tally.unknown_keys.entry(id).or_default() += 1;
                        tally.unknown_of_subjects += u64::from(self.ring.is_some());
                    }
                }
                if tally.undecryptable_rows.len() < NAMED_ROWS {
                    tally.undecryptable_rows.push(key()?.to_string());
                }
            }
        }
        if step != Step::Keep {
            tally.due += 1;
            tally.due_by_subject += u64::from(self.ring.is_some());
        }
        Ok(step)
    }

    /// What a goal makes of the value classified last.
    pub(crate) fn step(&self, stored: &Stored, goal: &Goal) -> Step {
        match &self.ring {
            // What is not other software's is as it should be.
            _ if goal.operation == Operation::Adopt && !self.is_external => Step::Keep,
            Some(ring) if ring.erased(stored).is_some() => Step::Keep,
            _ if goal.operation == Operation::Exit => goal.step_under(stored, Some(goal.primary)),
            None => goal.step_under(stored, Some(goal.primary)),
            // What is in clear stays so, and is counted.
            Some(ring) if ring.is_withheld() && goal.operation != Operation::Decrypt => Step::Keep,
            Some(ring) => goal.step_under(stored, ring.own),
        }
    }

    /// The keys that the row's values are to be sealed under; `None`: the shared ones, or
    /// other software's.
    pub(crate) fn keys_of_row(&self, operation: Operation) -> Option<&Keyring> {
        self.keys_of_subject()
            .filter(|_| operation != Operation::Exit)
    }

    /// The keys of the row's subject; `None`: it is nobody's.
    pub(crate) fn keys_of_subject(&self) -> Option<&Keyring> {
        self.ring.as_ref().map(|ring| &ring.keyring)
    }

    /// Whether a key is the subject's, and no shared one.
    fn is_own(&self, key: KeyId) -> bool {
        self.ring.as_ref().is_some_and(|ring| ring.is_own(key))
    }

    /// How far the erasure of what was classified last has come. What names no key was the
    /// subject's only where the column's own tokens name none.
    pub(crate) fn erased(&self, stored: &Stored) -> Option<Erasure> {
        match stored {
            Stored::Undecryptable(value) if value.key.is_none() && self.suite != Suite::Fernet => {
                None
            }
            stored => self.ring.as_ref()?.erased(stored),
        }
    }

    /// The subject's key of this id, which cannot be unwrapped.
    fn closed(&self, key: KeyId) -> Option<Closed> {
        let closed = self.ring.as_ref()?.closed.iter();
        closed.copied().find(|closed| closed.id == key)
    }

    /// Whether nothing is sealed for the row's subject.
    fn is_withheld(&self) -> bool {
        self.ring.as_ref().is_some_and(|ring| ring.is_withheld())
    }

    /// The value classified last as a token under `sealer`'s key, if it is one under
    /// another that is not its row's subject's: what a backup is to keep in its place, so
    /// that no key is needed but the one that it names, or the subject's.
    pub(crate) fn rebound(
        &self,
        key: &RowKey,
        value: ValueRef<'_>,
        sealer: &mut FieldSealer,
    ) -> Result<Option<Value>, SealError> {
        let (Some(opened_by), Some((form, _))) = (self.opened_by, form(value)) else {
            return Ok(None);
        };
        if opened_by == sealer.key() || self.is_own(opened_by) {
            return Ok(None);
        }
        let mut token = Vec::new();
        match self.bind {
            Bind::Column => sealer.seal(form, &self.context, &self.clear, &mut token)?,
            Bind::Row => sealer.seal(form, &self.context(key), &self.clear, &mut token)?,
        }
        Ok(Some(match form {
            Form::Text => Value::Text(token),
            Form::Bytes => Value::Bytes(token),
        }))
    }

    /// The stored value itself as a token of its row's subject: what a backup keeps of it.
    pub(crate) fn kept(
        &self,
        key: &RowKey,
        value: ValueRef<'_>,
        sealer: &mut FieldSealer,
    ) -> Result<Value, SealError> {
        let mut token = Vec::new();
        let mut seal = |bytes| match self.bind {
            Bind::Column => sealer.seal(Form::Bytes, &self.context, bytes, &mut token),
            Bind::Row => sealer.seal(Form::Bytes, &self.context(key), bytes, &mut token),
        };
        Ok(match value {
            ValueRef::Null | ValueRef::Deferred(_) => Value::Null,
            ValueRef::Text(bytes) => {
                seal(bytes)?;
                Value::Text(token)
            }
            ValueRef::Bytes(bytes) => {
                seal(bytes)?;
                Value::Bytes(token)
            }
            ValueRef::Number(bytes) => {
                seal(bytes)?;
                Value::Number(token)
            }
        })
    }

    /// What the token is that [`Self::kept`] kept of a value; `None` for NULL.
    pub(crate) fn classify_kept(
        &mut self,
        key: &RowKey,
        kept: &Value,
    ) -> target::Result<Option<Stored>> {
        match kept {
            Value::Null | Value::Deferred(_) => Ok(None),
            Value::Text(token) | Value::Bytes(token) | Value::Number(token) => {
                self.classify(&|| Ok(key.clone()), ValueRef::Bytes(token))
            }
        }
    }

    /// How far the erasure of what [`Self::kept`] kept has come.
    pub(crate) fn erasure_of_kept(
        &mut self,
        key: &RowKey,
        kept: &Value,
    ) -> target::Result<Option<Erasure>> {
        let stored = self.classify_kept(key, kept)?;
        Ok(stored.and_then(|stored| self.erased(&stored)))
    }

    /// What [`Self::kept`] kept; `None` when it does not open.
    pub(crate) fn original(&mut self, key: &RowKey, kept: &Value) -> target::Result<Option<Value>> {
        match self.classify_kept(key, kept)? {
            None => return Ok(Some(Value::Null)),
            Some(Stored::Sealed(_)) => {}
            Some(_) => return Ok(None),
        }
        let clear = self.clear.to_vec();
        Ok(Some(match kept {
            Value::Text(_) => Value::Text(clear),
            Value::Number(_) => Value::Number(clear),
            _ => Value::Bytes(clear),
        }))
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
            Step::Clear => self.clear.to_vec(),
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
