//! The PIN of a token: where it comes from, and when it may be tried.
//!
//! A token locks itself after a few wrong PINs, and nothing but its security officer
//! opens it again. So a PIN that was wrong is never tried again by this process, and
//! none is tried when the token has one attempt left.

use std::fmt;

use cryptoki::slot::TokenInfo;
use zeroize::Zeroizing;

use super::uri::{Uri, bad};
use crate::remote::Failure;
use crate::{
    Environment, File, KeySource as _, KeySourceError, MountedSecret, RemoteProblem, Settings,
    Variable,
};

/// `pin-source`.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum PinSource {
    /// `env:NAME`.
    Variable(Variable),
    /// `file:PATH`.
    File(File),
    /// `secret:NAME`.
    Mounted(MountedSecret),
}

impl PinSource {
    pub(super) fn parse(text: &str, settings: &Settings) -> Result<Self, KeySourceError> {
        match text.split_once(':') {
            Some(("env", name)) => Ok(Self::Variable(Variable::new(name)?)),
            Some(("file", path)) => Ok(Self::File(File::new(
                path,
                &settings.base_dir,
                settings.access,
            )?)),
            Some(("secret", name)) => Ok(Self::Mounted(MountedSecret::new(name, settings.access)?)),
            // Not shown: somebody may have written the PIN itself.
            _ => Err(bad(
                "`pin-source` says neither `env:NAME`, `file:PATH` nor `secret:NAME`",
            )),
        }
    }

    fn name(&self) -> &str {
        match self {
            Self::Variable(source) => source.name(),
            Self::File(source) => source.name(),
            Self::Mounted(source) => source.name(),
        }
    }

    /// The PIN; of a file's text, one line end at its end does not belong to it.
    fn text(&self, env: &Environment) -> Result<Zeroizing<String>, KeySourceError> {
        let text = match self {
            Self::Variable(variable) => {
                let value = variable.value(env).map(|v| Zeroizing::new(v.to_owned()));
                return value.ok_or_else(|| KeySourceError::PasswordNotSet {
                    name: variable.name().to_owned(),
                });
            }
            Self::File(file) => file.text()?,
            Self::Mounted(secret) => secret.text()?,
        };
        let pin = text.strip_suffix('\n').unwrap_or(&text);
        Ok(Zeroizing::new(
            pin.strip_suffix('\r').unwrap_or(pin).to_owned(),
        ))
    }
}

/// The PIN, or why there is none: told only when the token asks for it.
pub(super) struct Pin(Result<Option<Zeroizing<String>>, Failure>);

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pin")
    }
}

impl Pin {
    pub(super) fn read(uri: &Uri, env: &Environment) -> Self {
        let Some(source) = &uri.pin else {
            return Self(Ok(None));
        };
        Self(match source.text(env) {
            Ok(pin) if pin.is_empty() => Err(Failure::new(
                RemoteProblem::Unauthenticated,
                format!("the PIN in {} is empty", source.name()),
                "put the token's user PIN there",
            )),
            Ok(pin) => Ok(Some(pin)),
            // The sources' own words, which show no value.
            Err(error) => Err(Failure::new(
                RemoteProblem::Unauthenticated,
                "the PIN cannot be had",
                error.to_string(),
            )),
        })
    }

    /// The PIN; `None` when the URI names no place for it.
    pub(super) fn get(&self) -> Result<Option<&str>, Failure> {
        match &self.0 {
            Ok(pin) => Ok(pin.as_ref().map(|pin| pin.as_str())),
            Err(failure) => Err(failure.clone()),
        }
    }
}

/// What a token says of its user PIN.
#[derive(Debug, Clone, Copy)]
pub(super) struct PinState {
    pub(super) initialized: bool,
    pub(super) final_try: bool,
    pub(super) locked: bool,
    pub(super) to_be_changed: bool,
}

impl PinState {
    pub(super) fn of(token: &TokenInfo) -> Self {
        Self {
            initialized: token.user_pin_initialized(),
            final_try: token.user_pin_final_try(),
            locked: token.user_pin_locked(),
            to_be_changed: token.user_pin_to_be_changed(),
        }
    }

    /// Whether a PIN may be tried. CKF_USER_PIN_COUNT_LOW alone says that some attempt
    /// failed since the last good one, which a good PIN sets right.
    pub(super) fn allows(self) -> Result<(), Failure> {
        let refused =
            |detail: &str, next: &str| Err(Failure::new(RemoteProblem::Unusable, detail, next));
        if self.locked {
            Err(locked("CKF_USER_PIN_LOCKED"))
        } else if self.final_try {
            refused(
                "the token has one attempt left before it locks itself (CKF_USER_PIN_FINAL_TRY), so no PIN was tried",
                "make sure of the PIN, log in once by hand (pkcs11-tool --module MODULE --login --test), \
                 which sets the count back, and run this again",
            )
        } else if !self.initialized {
            refused(
                "the token has no user PIN: CKF_USER_PIN_INITIALIZED is not set",
                "initialise it: pkcs11-tool --module MODULE --login --login-type so --init-pin",
            )
        } else if self.to_be_changed {
            refused(
                "the token wants its user PIN changed first: CKF_USER_PIN_TO_BE_CHANGED",
                "change it: pkcs11-tool --module MODULE --login --change-pin",
            )
        } else {
            Ok(())
        }
    }
}

/// The PIN is locked, as the token says by `sign`.
pub(super) fn locked(sign: &str) -> Failure {
    Failure::new(
        RemoteProblem::Unusable,
        format!("the token's user PIN is locked: {sign}"),
        "its security officer sets a new one: \
         pkcs11-tool --module MODULE --login --login-type so --init-pin",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: PinState = PinState {
        initialized: true,
        final_try: false,
        locked: false,
        to_be_changed: false,
    };

    /// SoftHSM2 counts no attempts, so what a token that does would say is said here.
    #[test]
    fn no_pin_is_tried_when_one_attempt_is_left() {
        GOOD.allows().unwrap();
        for (state, want) in [
            (
                PinState {
                    final_try: true,
                    ..GOOD
                },
                "CKF_USER_PIN_FINAL_TRY",
            ),
            (
                PinState {
                    locked: true,
                    final_try: true,
                    ..GOOD
                },
                "CKF_USER_PIN_LOCKED",
            ),
            (
                PinState {
                    initialized: false,
                    ..GOOD
                },
                "no user PIN",
            ),
            (
                PinState {
                    to_be_changed: true,
                    ..GOOD
                },
                "CKF_USER_PIN_TO_BE_CHANGED",
            ),
        ] {
            let failure = state.allows().unwrap_err();
            assert_eq!(failure.problem, RemoteProblem::Unusable);
            assert!(failure.detail.contains(want), "{}", failure.detail);
            assert!(!failure.problem.is_transient());
        }
    }
}
