//! `os-keyring:SERVICE/ACCOUNT`: one key in the keyring of the desktop.
//!
//! Linux: the Secret Service (GNOME Keyring, KWallet, KeePassXC) over D-Bus. macOS: the
//! user's default keychain. Windows: Credential Manager. The kernel's own keys
//! (keyutils) are not used: they are gone after a restart, and the data with them.

use std::sync::Arc;

use atrest_core::Key;
use keyring_core::api::CredentialStoreApi as _;
use keyring_core::{Entry, Error};
use percent_encoding::percent_decode_str;
use zeroize::{Zeroize as _, Zeroizing};

#[cfg(target_os = "macos")]
use apple_native_keyring_store::keychain::Store;
#[cfg(windows)]
use windows_native_keyring_store::Store;
#[cfg(target_os = "linux")]
use zbus_secret_service_keyring_store::Store;

use crate::remote::{Deliver, Delivering, Failure, blocking};
use crate::{Environment, KeySourceError, NewKey, RemoteProblem, Settings, source};

/// An entry of the keyring.
#[derive(Debug)]
pub(crate) struct OsKeyring {
    place: Arc<Place>,
}

#[derive(Debug)]
struct Place {
    name: String,
    service: String,
    account: String,
}

/// Reads what stands after `os-keyring:`.
pub(crate) fn parse(
    rest: &str,
    settings: &Settings,
) -> Result<Delivering<OsKeyring>, KeySourceError> {
    let place = Arc::new(Place::parse(rest)?);
    Ok(Delivering::new(OsKeyring { place }, settings))
}

/// Puts a new key into the keyring, and reads it back; an entry that is there is left
/// as it is.
///
/// # Errors
/// [`KeySourceError::Remote`] when there is an entry already, or the keyring refuses.
pub(crate) fn generate(rest: &str) -> Result<NewKey, KeySourceError> {
    let place = Place::parse(rest)?;
    let key = Key::generate()?;
    place
        .store(&key)
        .map_err(|failure| failure.of(&place.name))?;
    Ok(NewKey::Delivered {
        origin: place.name,
        id: key.id(),
    })
}

impl Deliver for OsKeyring {
    fn name(&self) -> &str {
        &self.place.name
    }

    async fn deliver(&self, _: &Environment) -> Result<Zeroizing<String>, Failure> {
        let place = Arc::clone(&self.place);
        // Its thread is no runtime's, and may wait for a dialogue.
        blocking(move || place.read()).await
    }
}

impl Place {
    fn parse(rest: &str) -> Result<Self, KeySourceError> {
        let bad = |problem: &str| KeySourceError::BadUri {
            scheme: "os-keyring",
            problem: problem.to_owned(),
            next: "write os-keyring:SERVICE/ACCOUNT, with %2F for a `/` inside of a name"
                .to_owned(),
        };
        if source::may_be_a_key(rest) || rest.split('/').any(source::may_be_a_key) {
            return Err(bad(
                "a key stands where a name should be, and the policy is no place for a key",
            ));
        }
        let (service, account) = rest
            .split_once('/')
            .filter(|(_, account)| !account.contains('/'))
            .ok_or_else(|| bad("these are not two names with one `/` between them"))?;
        let decoded = |name: &str| {
            percent_decode_str(name)
                .decode_utf8()
                .ok()
                .map(|name| name.into_owned())
                .filter(|name| !name.is_empty() && !name.contains(char::is_control))
                .ok_or_else(|| bad("a name is empty or holds what no name can"))
        };
        Ok(Self {
            name: format!("os-keyring:{rest}"),
            service: decoded(service)?,
            account: decoded(account)?,
        })
    }

    fn entry(&self) -> Result<Entry, Failure> {
        let store = Store::new().map_err(failure)?;
        store
            .build(&self.service, &self.account, None)
            .map_err(failure)
    }

    fn read(&self) -> Result<Zeroizing<String>, Failure> {
        text(self.entry()?.get_secret().map_err(failure)?)
    }

    fn store(&self, key: &Key) -> Result<(), Failure> {
        let entry = self.entry()?;
        match entry.get_secret() {
            Err(Error::NoEntry) => {}
            Ok(mut there) => {
                there.zeroize();
                return Err(Failure::new(
                    RemoteProblem::Refused,
                    "the keyring has this entry already",
                    "a key is never overwritten: name a new SERVICE/ACCOUNT",
                ));
            }
            Err(error) => return Err(failure(error)),
        }
        entry
            .set_secret(key.to_base64url().as_bytes())
            .map_err(failure)?;
        let back = text(entry.get_secret().map_err(failure)?)?;
        match Key::parse(&back) {
            Ok(back) if back.id() == key.id() => Ok(()),
            _ => Err(Failure::new(
                RemoteProblem::Format,
                "the keyring gives something else back than was put into it",
                "look at the entry: another program may have written it at the same moment",
            )),
        }
    }
}

fn text(secret: Vec<u8>) -> Result<Zeroizing<String>, Failure> {
    String::from_utf8(secret)
        .map(Zeroizing::new)
        .map_err(|error| {
            error.into_bytes().zeroize();
            Failure::new(
                RemoteProblem::Format,
                "the entry is not text",
                "put a key there that `atrest key generate` prints",
            )
        })
}

/// What the keyring's answer means to whoever runs this. Its own error may hold the
/// secret, and is never shown whole.
fn failure(error: Error) -> Failure {
    let locked = "unlock the keyring of this user (on Linux log in to the desktop, or start a Secret Service \
                  and unlock it), then run this again; servers keep keys elsewhere: see docs/keys.md";
    match error {
        Error::NoEntry => Failure::new(
            RemoteProblem::NotFound,
            "the keyring has no such entry",
            "check SERVICE and ACCOUNT, or make a key: `atrest key generate --in os-keyring:SERVICE/ACCOUNT`",
        ),
        Error::PlatformFailure(source) => {
            Failure::new(RemoteProblem::Unreachable, source.to_string(), locked)
        }
        Error::NoStorageAccess(source) => {
            Failure::new(RemoteProblem::Denied, source.to_string(), locked)
        }
        Error::Ambiguous(entries) => Failure::new(
            RemoteProblem::Format,
            format!("{} entries match", entries.len()),
            "keep one entry of this SERVICE and ACCOUNT",
        ),
        Error::TooLong(what, limit) => Failure::new(
            RemoteProblem::Refused,
            format!("the {what} is longer than {limit} characters"),
            "use shorter names",
        ),
        Error::Invalid(what, why) => Failure::new(
            RemoteProblem::Refused,
            format!("the {what} is not accepted: {why}"),
            "use other names",
        ),
        _ => Failure::new(
            RemoteProblem::Failed,
            "the keyring gives nothing that can be read",
            locked,
        ),
    }
}
