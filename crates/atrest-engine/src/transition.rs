//! What an operation makes of one classified value: a pure function.

use atrest_core::{KeyId, Sealed, Stored, Suite};
use serde::{Deserialize, Serialize};

/// A verb that changes values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Operation {
    /// Plaintext becomes sealed under the primary key.
    Encrypt,
    /// Sealed under another key or suite becomes sealed as the policy says.
    Rotate,
    /// Sealed becomes plaintext.
    Decrypt,
    /// Tokens of other software become sealed as the policy says.
    Adopt,
    /// Sealed becomes standard Fernet under a key for other software.
    Exit,
}

impl Operation {
    /// Whether the other software's keys must be at hand
    /// ([`Engine::with_external`](crate::Engine::with_external)).
    #[must_use]
    pub fn needs_external(self) -> bool {
        matches!(self, Self::Adopt | Self::Exit)
    }

    /// The verb, as the command line spells it.
    #[must_use]
    pub fn verb(self) -> &'static str {
        match self {
            Self::Encrypt => "encrypt",
            Self::Rotate => "rotate",
            Self::Decrypt => "decrypt",
            Self::Adopt => "adopt",
            Self::Exit => "exit",
        }
    }
}

/// What to store in a value's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Nothing: it is as it should be, or must not be touched.
    Keep,
    /// The clear value, sealed under the primary key.
    Seal,
    /// The stored bytes themselves, sealed: a look-alike that the operator called
    /// plaintext.
    SealStored,
    /// The clear value.
    Clear,
}

impl Step {
    /// Whether a token takes the value's place.
    pub(crate) fn seals(self) -> bool {
        matches!(self, Self::Seal | Self::SealStored)
    }
}

/// What a run wants values to be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Goal {
    pub(crate) operation: Operation,
    pub(crate) suite: Suite,
    pub(crate) primary: KeyId,
    /// Take values that only look like tokens, under a key id that this keyring
    /// does not have, for plaintext (asked for by the operator).
    pub(crate) accept_lookalikes: bool,
    /// The longest token that the database takes, in bytes.
    pub(crate) longest_token: u64,
}

impl Goal {
    /// Not for this keyring, and by the operator's word the application's own text.
    pub(crate) fn is_lookalike(&self, stored: &Stored) -> bool {
        matches!(stored, Stored::Undecryptable(u) if u.key.is_some() && !u.key_known)
            && self.accept_lookalikes
    }

    /// What to do with a value that is to be sealed under the primary key.
    #[cfg(test)]
    fn step(&self, stored: &Stored) -> Step {
        self.step_under(stored, Some(self.primary))
    }

    /// What to do with a value that is to be sealed under `key`; `None`: under one that
    /// is not made yet.
    ///
    /// Undecryptable values are never touched, unless the operator said that
    /// those under an unknown key id are the application's own.
    pub(crate) fn step_under(&self, stored: &Stored, own: Option<KeyId>) -> Step {
        match (self.operation, stored) {
            (Operation::Encrypt, Stored::Plaintext) => Step::Seal,
            (Operation::Encrypt, stored) if self.is_lookalike(stored) => Step::SealStored,
            (
                Operation::Rotate | Operation::Adopt | Operation::Exit,
                Stored::Sealed(Sealed { suite, key }),
            ) if Some(*key) != own || *suite != self.suite => Step::Seal,
            (Operation::Decrypt, Stored::Sealed(_)) => Step::Clear,
            _ => Step::Keep,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use atrest_core::Undecryptable;

    const NEW: KeyId = KeyId([1; 4]);
    const OLD: KeyId = KeyId([2; 4]);

    fn goal(operation: Operation, accept_lookalikes: bool) -> Goal {
        Goal {
            operation,
            suite: Suite::Xaes256Gcm,
            primary: NEW,
            accept_lookalikes,
            longest_token: u64::MAX,
        }
    }

    fn sealed(suite: Suite, key: KeyId) -> Stored {
        Stored::Sealed(Sealed { suite, key })
    }

    fn undecryptable(key: Option<KeyId>, key_known: bool) -> Stored {
        Stored::Undecryptable(Undecryptable {
            suite: Some(Suite::Xaes256Gcm),
            key,
            key_known,
        })
    }

    #[test]
    fn each_operation_touches_only_what_is_its_own() {
        use Operation::{Adopt, Decrypt, Encrypt, Exit, Rotate};
        for (operation, stored, want) in [
            (Encrypt, Stored::Plaintext, Step::Seal),
            (Encrypt, sealed(Suite::Xaes256Gcm, NEW), Step::Keep),
            (Encrypt, sealed(Suite::Xaes256Gcm, OLD), Step::Keep),
            (Encrypt, sealed(Suite::Fernet, NEW), Step::Keep),
            (Rotate, Stored::Plaintext, Step::Keep),
            (Rotate, sealed(Suite::Xaes256Gcm, NEW), Step::Keep),
            (Rotate, sealed(Suite::Xaes256Gcm, OLD), Step::Seal),
            (Rotate, sealed(Suite::Fernet, NEW), Step::Seal),
            (Adopt, Stored::Plaintext, Step::Keep),
            (Adopt, sealed(Suite::Fernet, OLD), Step::Seal),
            (Exit, Stored::Plaintext, Step::Keep),
            (Exit, sealed(Suite::Fernet, OLD), Step::Seal),
            (Exit, sealed(Suite::Xaes256Gcm, NEW), Step::Keep),
            (Decrypt, Stored::Plaintext, Step::Keep),
            (Decrypt, sealed(Suite::Fernet, OLD), Step::Clear),
        ] {
            assert_eq!(
                goal(operation, false).step(&stored),
                want,
                "{operation:?} {stored:?}"
            );
        }
    }

    #[test]
    fn undecryptable_is_never_touched_unless_told_and_of_an_unknown_key() {
        for operation in [
            Operation::Encrypt,
            Operation::Rotate,
            Operation::Decrypt,
            Operation::Adopt,
            Operation::Exit,
        ] {
            for accept in [false, true] {
                for (key, known) in [(None, false), (Some(OLD), true), (Some(OLD), false)] {
                    let told = operation == Operation::Encrypt && accept && key.is_some() && !known;
                    let want = if told { Step::SealStored } else { Step::Keep };
                    assert_eq!(
                        goal(operation, accept).step(&undecryptable(key, known)),
                        want
                    );
                }
            }
        }
    }
}
