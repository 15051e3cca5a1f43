//! The vendor's library: loaded and initialised once in a process, as PKCS#11 wants it,
//! with one session for each token.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use atrest_core::fill_random;
use aws_lc_rs::hmac;
use cryptoki::context::{CInitializeArgs, CInitializeFlags, Function, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::session::{Session, SessionState, UserType};
use cryptoki::slot::{Slot, TokenInfo};
use cryptoki::types::AuthPin;
use zeroize::Zeroizing;

use super::pin::{Pin, PinState, locked};
use super::uri::Uri;
use crate::RemoteProblem;
use crate::remote::Failure;

/// The modules of this process, by their path.
static MODULES: Mutex<BTreeMap<PathBuf, Arc<Module>>> = Mutex::new(BTreeMap::new());

/// A module that is loaded.
pub(super) struct Module {
    context: Pkcs11,
    path: PathBuf,
    /// By what tells a token from all others, wherever it is plugged in.
    tokens: Mutex<BTreeMap<String, Arc<Mutex<Token>>>>,
    /// Of PINs that were wrong only this is kept.
    digest: hmac::Key,
}

/// What this process knows of a token.
#[derive(Default)]
struct Token {
    /// Read only. Never closed by us once it may be lost: its handle may be another's
    /// by then.
    session: Option<(Slot, Session)>,
    /// PINs that were wrong, as [`Module::digest`] makes them.
    wrong: Vec<hmac::Tag>,
}

/// Why work in a session failed.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The session is gone, or nobody is logged in any more: to be done again in a new
    /// one.
    SessionLost(Error),
    /// Anything else.
    Failure(Failure),
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        match error {
            Error::Pkcs11(
                RvError::SessionHandleInvalid
                | RvError::SessionClosed
                | RvError::UserNotLoggedIn
                | RvError::CryptokiNotInitialized
                | RvError::DeviceRemoved
                | RvError::ObjectHandleInvalid
                | RvError::KeyHandleInvalid
                // Somebody else's session now, under the handle of ours.
                | RvError::OperationActive,
                _,
            ) => Self::SessionLost(error),
            error => Self::Failure(failure(&error)),
        }
    }
}

impl Module {
    /// The module that the URI names, loaded and initialised if it is not yet.
    pub(super) fn of(uri: &Uri) -> Result<Arc<Self>, Failure> {
        let cannot = |detail: String| {
            Failure::new(
                RemoteProblem::Unusable,
                detail,
                "check `module-path`, that the vendor's package is installed, and that this user may read it",
            )
        };
        let path = uri.module.canonicalize().map_err(|error| {
            cannot(format!(
                "cannot read the module {}: {error}",
                uri.module.display()
            ))
        })?;
        let mut modules = lock(&MODULES);
        if let Some(module) = modules.get(&path) {
            return Ok(Arc::clone(module));
        }
        let context = Pkcs11::new(&path).map_err(|error| {
            cannot(format!(
                "cannot load the module {}: {error}",
                path.display()
            ))
        })?;
        initialize(&context)?;
        let mut key = Zeroizing::new([0; 32]);
        fill_random(&mut *key).map_err(|_| cannot("no random bytes".to_owned()))?;
        let digest = hmac::Key::new(hmac::HMAC_SHA256, &*key);
        let module = Arc::new(Self {
            context,
            path: path.clone(),
            tokens: Mutex::default(),
            digest,
        });
        modules.insert(path, Arc::clone(&module));
        Ok(module)
    }

    /// What `work` gives in a session where the user is logged in. A session that was
    /// lost is made anew, once.
    pub(super) fn with_session<T>(
        &self,
        uri: &Uri,
        pin: &Pin,
        work: impl Fn(&Session) -> Result<T, Trouble>,
    ) -> Result<T, Failure> {
        self.attempt_twice(|| {
            let (slot, info) = self.slot(uri)?;
            let token = self.token(&info);
            let mut token = lock(&token);
            self.ensure_session(slot, pin, &mut token)?;
            let Some((_, session)) = &token.session else {
                return Err(Trouble::Failure(closed()));
            };
            let done = work(session);
            if let Err(Trouble::SessionLost(_)) = &done {
                token.session = None;
            }
            done
        })
    }

    /// As [`Self::with_session`], in a session of its own that may change the token, and
    /// without trying twice what changes it.
    pub(super) fn with_new_session<T>(
        &self,
        uri: &Uri,
        pin: &Pin,
        work: impl Fn(&Session) -> Result<T, Trouble>,
    ) -> Result<T, Failure> {
        // Logged in, for all sessions of this process.
        self.with_session(uri, pin, |_| Ok(()))?;
        let once = || {
            let (slot, info) = self.slot(uri)?;
            let token = self.token(&info);
            let _one_at_a_time = lock(&token);
            let session = self.context.open_rw_session(slot)?;
            work(&session)
        };
        once().map_err(Trouble::into_failure)
    }

    fn attempt_twice<T>(&self, work: impl Fn() -> Result<T, Trouble>) -> Result<T, Failure> {
        let first = match work() {
            Err(Trouble::SessionLost(error)) => error,
            done => return done.map_err(Trouble::into_failure),
        };
        if matches!(first, Error::Pkcs11(RvError::CryptokiNotInitialized, _)) {
            // Another user of the module in this process finalised it.
            initialize(&self.context)?;
        }
        work().map_err(Trouble::into_failure)
    }

    /// The one slot whose token the URI names.
    fn slot(&self, uri: &Uri) -> Result<(Slot, TokenInfo), Trouble> {
        let mut found = Vec::new();
        let mut present = Vec::new();
        for slot in self.context.get_slots_with_token()? {
            if uri.slot.is_some_and(|id| id != slot.id()) {
                continue;
            }
            // Taken out between the two calls.
            let Ok(info) = self.context.get_token_info(slot) else {
                continue;
            };
            if uri.token.as_ref().is_none_or(|label| label == info.label())
                && uri
                    .serial
                    .as_ref()
                    .is_none_or(|serial| serial == info.serial_number())
            {
                found.push((slot, info));
            } else if info.token_initialized() {
                present.push(format!("`{}`", info.label()));
            }
        }
        present.sort();
        match (found.pop(), found.is_empty()) {
            (Some(found), true) => Ok(found),
            (Some(_), false) => Err(Failure::new(
                RemoteProblem::Refused,
                "more than one token matches",
                "name the one by its `serial` (pkcs11-tool --module MODULE --list-slots)",
            )
            .into()),
            (None, _) => Err(Failure::new(
                RemoteProblem::Unreachable,
                match present.is_empty() {
                    true => format!("{} shows no such token", self.path.display()),
                    false => format!(
                        "{} shows no such token, but {}",
                        self.path.display(),
                        present.join(", ")
                    ),
                },
                "check `token`, `serial` and `slot-id`, that the token is plugged in, and the module's own configuration",
            )
            .into()),
        }
    }

    fn token(&self, info: &TokenInfo) -> Arc<Mutex<Token>> {
        let identity = [
            info.manufacturer_id(),
            info.model(),
            info.serial_number(),
            info.label(),
        ]
        .join("\0");
        Arc::clone(lock(&self.tokens).entry(identity).or_default())
    }

    /// A session in this slot in which the user is logged in.
    fn ensure_session(&self, slot: Slot, pin: &Pin, token: &mut Token) -> Result<(), Trouble> {
        if let Some((at, session)) = &token.session
            && *at == slot
            && session
                .get_session_info()
                .is_ok_and(|info| info.slot_id() == slot && is_user(info.session_state()))
        {
            return Ok(());
        }
        token.session = None;
        // Left open when it is dropped: by then its handle may be somebody else's.
        let session = self.context.open_ro_session_no_drop(slot)?;
        let info = self.context.get_token_info(slot)?;
        let state = session.get_session_info()?.session_state();
        if info.login_required()
            && !is_user(state)
            && let Err(trouble) = self.login(&session, &info, pin, token)
        {
            // Just opened, so that its handle is surely ours; if it does not close, the
            // module has forgotten it.
            drop(session.close());
            return Err(trouble);
        }
        token.session = Some((slot, session));
        Ok(())
    }

    fn login(
        &self,
        session: &Session,
        info: &TokenInfo,
        pin: &Pin,
        token: &mut Token,
    ) -> Result<(), Trouble> {
        let pin = pin.get()?;
        if pin.is_none() && !info.protected_authentication_path() {
            return Err(Failure::new(
                RemoteProblem::Unauthenticated,
                "the token wants a PIN, and the URI names no place for one",
                "add `pin-source=env:NAME` or `pin-source=file:PATH` after `?`",
            )
            .into());
        }
        let digest = pin.map(|pin| hmac::sign(&self.digest, pin.as_bytes()));
        if let Some(digest) = &digest
            && token
                .wrong
                .iter()
                .any(|wrong| wrong.as_ref() == digest.as_ref())
        {
            return Err(wrong_pin("it was wrong before, and was not tried again").into());
        }
        PinState::of(info).allows()?;
        let pin = pin.map(|pin| AuthPin::new(pin.into()));
        match session.login(UserType::User, pin.as_ref()) {
            Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => Ok(()),
            Err(Error::Pkcs11(
                code @ (RvError::PinIncorrect | RvError::PinInvalid | RvError::PinLenRange),
                _,
            )) => {
                token.wrong.extend(digest);
                Err(wrong_pin(&format!("C_Login: {code:?}")).into())
            }
            Err(Error::Pkcs11(RvError::PinLocked, _)) => {
                token.wrong.extend(digest);
                Err(locked("C_Login: PinLocked").into())
            }
            Err(error) => Err(error.into()),
        }
    }
}

impl Trouble {
    fn into_failure(self) -> Failure {
        match self {
            Self::SessionLost(error) => failure(&error),
            Self::Failure(failure) => failure,
        }
    }
}

fn wrong_pin(detail: &str) -> Failure {
    Failure::new(
        RemoteProblem::Unauthenticated,
        format!("the PIN is wrong: {detail}"),
        "put the right PIN where `pin-source` says; this one is not tried again by this process, \
         since the token locks itself after a few",
    )
}

fn closed() -> Failure {
    Failure::new(
        RemoteProblem::Failed,
        "there is no session",
        "report this as an error of atrest",
    )
}

fn is_user(state: SessionState) -> bool {
    matches!(state, SessionState::RoUser | SessionState::RwUser)
}

fn initialize(context: &Pkcs11) -> Result<(), Failure> {
    match context.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
        // By another user of the module in this process.
        Ok(()) | Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => Ok(()),
        Err(error) => Err(failure(&error)),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the module's answer means to whoever runs this.
pub(super) fn failure(error: &Error) -> Failure {
    let Error::Pkcs11(code, function) = error else {
        return Failure::new(
            RemoteProblem::Unusable,
            error.to_string(),
            "check that `module-path` names a PKCS#11 library",
        );
    };
    let (problem, next) = match code {
        RvError::DeviceRemoved
        | RvError::TokenNotPresent
        | RvError::DeviceError
        | RvError::SlotIdInvalid
        | RvError::SessionHandleInvalid
        | RvError::SessionClosed
        | RvError::CryptokiNotInitialized => (
            RemoteProblem::Unreachable,
            "check that the token is plugged in, or the HSM reachable, and look at its log",
        ),
        RvError::SessionCount | RvError::HostMemory | RvError::DeviceMemory => (
            RemoteProblem::Throttled,
            "close other programs' sessions on the token, or raise its limit",
        ),
        RvError::MechanismInvalid | RvError::MechanismParamInvalid => (
            RemoteProblem::Format,
            "the token needs CKM_AES_GCM with additional data (pkcs11-tool --module MODULE --list-mechanisms)",
        ),
        RvError::KeyFunctionNotPermitted
        | RvError::ActionProhibited
        | RvError::FunctionRejected => (
            RemoteProblem::Denied,
            "the key needs CKA_ENCRYPT and CKA_DECRYPT, and this user the right to use it; \
             `atrest key generate --in 'pkcs11:...'` makes one",
        ),
        RvError::TokenWriteProtected | RvError::SessionReadOnly | RvError::UserNotLoggedIn => (
            RemoteProblem::Denied,
            "give this user the right to use and make keys in the token",
        ),
        RvError::PinExpired => (
            RemoteProblem::Unusable,
            "change the token's user PIN: pkcs11-tool --module MODULE --login --change-pin",
        ),
        RvError::FunctionFailed | RvError::GeneralError => (
            RemoteProblem::Refused,
            "look at the log of the token or its library, and at the rights of this user to its files",
        ),
        _ => (
            RemoteProblem::Refused,
            "look the code up in the vendor's manual",
        ),
    };
    Failure::new(problem, format!("C_{function:?}: {code:?}"), next)
}

/// Whether the module's answer to C_Decrypt may mean that the tag is not right. Tokens
/// differ in how they say so.
pub(super) fn is_wrong_tag(error: &Error) -> bool {
    matches!(
        error,
        Error::Pkcs11(
            RvError::EncryptedDataInvalid
                | RvError::EncryptedDataLenRange
                | RvError::DataInvalid
                | RvError::GeneralError
                | RvError::FunctionFailed
                | RvError::SignatureInvalid,
            Function::Decrypt
        )
    )
}
