//! The trait that every source implements, and the URIs that name them.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use atrest_core::{Context, Key, KeyWrapper};

#[cfg(feature = "aws")]
use crate::aws;
#[cfg(feature = "azure")]
use crate::azure;
#[cfg(feature = "gcp")]
use crate::gcp;
#[cfg(any(feature = "aws", feature = "azure", feature = "gcp", feature = "vault"))]
use crate::remote::{Deliver, Delivering, Wrap, Wrapping};
#[cfg(feature = "vault")]
use crate::vault;
use crate::{
    Environment, File, FileAccess, Health, KeySourceError, MountedSecret, Password, Stamp,
    Variable, Warning,
};

/// The schemes, each with the cargo feature that it needs, for messages.
const SCHEMES: &[(&str, Option<&str>)] = &[
    ("env", None),
    ("file", None),
    ("password", None),
    ("secret", None),
    ("aws-kms", Some("aws")),
    ("aws-secret", Some("aws")),
    ("aws-ssm", Some("aws")),
    ("azure-key", Some("azure")),
    ("azure-secret", Some("azure")),
    ("gcp-kms", Some("gcp")),
    ("gcp-secret", Some("gcp")),
    ("os-keyring", Some("os-keyring")),
    ("pkcs11", Some("pkcs11")),
    ("vault", Some("vault")),
    ("vault-transit", Some("vault")),
];

/// The schemes beside `env` and `file`, for messages.
pub(crate) fn others() -> String {
    let others = SCHEMES.iter().map(|(scheme, _)| *scheme);
    let others = others.filter(|scheme| !matches!(*scheme, "env" | "file"));
    let others: Vec<_> = others.map(|scheme| format!("{scheme}:")).collect();
    others.join(", ")
}

/// A place that keys come from.
///
/// A source either *delivers* keys, as a variable, a file or a secret store does, or
/// *wraps* keys without ever showing its own, as a key management service or an HSM
/// does. Both can be the root of a keyring: one that delivers wraps by its first key
/// (spec/formats.md, "Wrapped key"). Only one that delivers can be the primary source
/// of a policy without a keyring.
///
/// All methods block. Keys are read before the first row, when there is nothing
/// else to do; a source that asks a server does so on a runtime of its own and within
/// a time limit of its own ([`Settings::timeout`]), and an asynchronous face calls
/// it from a thread that may block. A trait of futures would make every caller of
/// the local sources asynchronous and win nothing.
pub trait KeySource: fmt::Debug + Send + Sync {
    /// The variable, file or address, as messages name it.
    fn name(&self) -> &str;

    /// The keys, at least one, the primary first.
    ///
    /// # Errors
    /// Names the variable, file or address, what is wrong, and what to do; never a
    /// value. [`KeySourceError::WrapsOnly`] by a source that shows no key.
    fn keys(&self, env: &Environment) -> Result<Vec<Key>, KeySourceError>;

    /// Seals `key` for one place, so that only this source can open it again.
    ///
    /// # Errors
    /// As [`Self::keys`].
    fn wrap_key(
        &self,
        key: &Key,
        context: &Context,
        env: &Environment,
    ) -> Result<Vec<u8>, KeySourceError> {
        let keys = self.keys(env)?;
        let first = keys.first().ok_or_else(|| KeySourceError::Empty {
            origin: self.name().to_owned(),
        })?;
        Ok(KeyWrapper::new(first).wrap(key, context)?)
    }

    /// The key that [`Self::wrap_key`] sealed for this place.
    ///
    /// # Errors
    /// As [`Self::keys`]; [`KeySourceError::NotItsKey`] when this source did not wrap
    /// it, or not for this place, or it was changed.
    fn unwrap_key(
        &self,
        wrapped: &[u8],
        context: &Context,
        env: &Environment,
    ) -> Result<Key, KeySourceError> {
        let id = KeyWrapper::wrapped_under(wrapped);
        self.keys(env)?
            .iter()
            .filter(|key| Some(key.id()) == id)
            .find_map(|key| KeyWrapper::new(key).unwrap(wrapped, context).ok())
            .ok_or_else(|| KeySourceError::NotItsKey {
                origin: self.name().to_owned(),
                id,
            })
    }

    /// Whether [`Self::keys`] gives keys; false: it only wraps.
    fn delivers(&self) -> bool {
        true
    }

    /// Why these keys should only open old data, if so: such a source is refused
    /// as the primary one.
    fn weakness(&self) -> Option<Warning> {
        None
    }

    /// The file that holds the secret, if one does: it must stay as it is.
    fn file(&self) -> Option<&Path> {
        None
    }

    /// How the file behind it looks now, to compare with later; `None` for a source
    /// that only shows a change when it is asked for its keys.
    ///
    /// Take it *before* [`Self::keys`], so that a change in between is seen, and ask
    /// [`Stamp::is_current`] from time to time. [`load_keyring`](crate::load_keyring)
    /// does: [`LoadedKeyring::changed`](crate::LoadedKeyring::changed).
    fn stamp(&self) -> Option<Stamp> {
        None
    }

    /// How requests to it went; `None` for a source that is asked without any.
    fn health(&self) -> Option<Health> {
        None
    }
}

/// What sources are read with: the policy's own, but for its variables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Where relative paths start: the policy's folder.
    pub base_dir: PathBuf,
    /// Which files may hold secrets.
    pub access: FileAccess,
    /// How long a request to a server may take with all its attempts.
    pub timeout: Duration,
    /// How long a key that a server gave is good without asking again.
    pub cache: Duration,
    /// How long after that it is still used while the server cannot be reached.
    pub grace: Duration,
}

impl Settings {
    /// [`Self::timeout`] where nobody says otherwise.
    pub const TIMEOUT: Duration = Duration::from_secs(10);
    /// [`Self::cache`] where nobody says otherwise.
    pub const CACHE: Duration = Duration::from_secs(300);
    /// [`Self::grace`] where nobody says otherwise.
    pub const GRACE: Duration = Duration::from_secs(3600);

    /// The defaults, with relative paths starting at `base_dir`.
    #[must_use]
    pub fn new(base_dir: impl Into<PathBuf>) -> Self {
        Self {
            base_dir: base_dir.into(),
            access: FileAccess::OwnerOnly,
            timeout: Self::TIMEOUT,
            cache: Self::CACHE,
            grace: Self::GRACE,
        }
    }

    /// With these times, where they are given: [`Self::timeout`], [`Self::cache`] and
    /// [`Self::grace`].
    #[must_use]
    pub fn with_times(
        mut self,
        timeout: Option<Duration>,
        cache: Option<Duration>,
        grace: Option<Duration>,
    ) -> Self {
        self.timeout = timeout.unwrap_or(self.timeout);
        self.cache = cache.unwrap_or(self.cache);
        self.grace = grace.unwrap_or(self.grace);
        self
    }

    /// With files of this access.
    #[must_use]
    pub fn with_access(mut self, access: FileAccess) -> Self {
        self.access = access;
        self
    }
}

/// Reads a source's URI. Neither variables, files nor servers are looked at yet.
///
/// ```
/// use atrest_keys::{Settings, source};
/// let settings = Settings::new("/srv/app");
/// assert_eq!(source::parse("env:FIELD_ENCRYPTION_KEY", &settings)?.name(), "FIELD_ENCRYPTION_KEY");
/// assert_eq!(source::parse("file:atrest.key", &settings)?.name(), "/srv/app/atrest.key");
/// let error = source::parse("evn:FIELD_ENCRYPTION_KEY", &settings).unwrap_err();
/// assert!(error.to_string().contains("did you mean `env:`?"));
/// # Ok::<(), atrest_keys::KeySourceError>(())
/// ```
///
/// # Errors
/// [`KeySourceError::UnknownScheme`], [`KeySourceError::BadUri`], or one about a
/// password's salt and iterations.
pub fn parse(uri: &str, settings: &Settings) -> Result<Box<dyn KeySource>, KeySourceError> {
    let (base_dir, access) = (settings.base_dir.as_path(), settings.access);
    match uri.split_once(':') {
        Some(("env", name)) => Ok(Box::new(Variable::new(name)?)),
        Some(("file", path)) => Ok(Box::new(File::new(path, base_dir, access)?)),
        Some(("password", rest)) => Ok(Box::new(Password::parse(rest, base_dir, access)?)),
        Some(("secret", name)) => Ok(Box::new(MountedSecret::new(name, access)?)),
        #[cfg(feature = "os-keyring")]
        Some(("os-keyring", rest)) => Ok(Box::new(crate::os_keyring::parse(rest, settings)?)),
        #[cfg(feature = "pkcs11")]
        Some(("pkcs11", rest)) => Ok(Box::new(crate::pkcs11::parse(rest, settings)?)),
        #[cfg(feature = "azure")]
        Some(("azure-key", rest)) => Ok(wrapping(azure::Key::parse(rest)?, settings)),
        #[cfg(feature = "azure")]
        Some(("azure-secret", rest)) => Ok(delivering(azure::Secret::parse(rest)?, settings)),
        #[cfg(feature = "gcp")]
        Some(("gcp-kms", rest)) => Ok(wrapping(gcp::Kms::parse(rest)?, settings)),
        #[cfg(feature = "gcp")]
        Some(("gcp-secret", rest)) => Ok(delivering(gcp::Secret::parse(rest)?, settings)),
        #[cfg(feature = "aws")]
        Some(("aws-kms", rest)) => Ok(wrapping(aws::Kms::parse(rest, settings)?, settings)),
        #[cfg(feature = "aws")]
        Some(("aws-secret", rest)) => Ok(delivering(aws::Secret::parse(rest, settings)?, settings)),
        #[cfg(feature = "aws")]
        Some(("aws-ssm", rest)) => Ok(delivering(aws::Parameter::parse(rest, settings)?, settings)),
        #[cfg(feature = "vault")]
        Some(("vault", rest)) => Ok(delivering(vault::Secret::parse(rest, settings)?, settings)),
        #[cfg(feature = "vault")]
        Some(("vault-transit", rest)) => {
            Ok(wrapping(vault::Transit::parse(rest, settings)?, settings))
        }
        other => Err(other_scheme(other.map(|(scheme, _)| scheme))),
    }
}

#[cfg(any(feature = "aws", feature = "azure", feature = "gcp", feature = "vault"))]
fn delivering<D: Deliver + 'static>(store: D, settings: &Settings) -> Box<dyn KeySource> {
    Box::new(Delivering::new(store, settings))
}

#[cfg(any(feature = "aws", feature = "azure", feature = "gcp", feature = "vault"))]
fn wrapping<W: Wrap + 'static>(service: W, settings: &Settings) -> Box<dyn KeySource> {
    Box::new(Wrapping::new(service, settings))
}

/// A scheme that this build leaves out, or that there is not.
fn other_scheme(scheme: Option<&str>) -> KeySourceError {
    let known = SCHEMES.iter().find(|(known, _)| Some(*known) == scheme);
    if let Some((scheme, Some(feature))) = known {
        return KeySourceError::NotBuilt { scheme, feature };
    }
    // No word of sixteen letters is a key; anything longer might be one.
    let word = scheme.filter(|s| {
        (1..=16).contains(&s.len()) && s.bytes().all(|b| b.is_ascii_alphabetic() || b == b'-')
    });
    let nearest = word.and_then(|word| {
        let word = word.to_ascii_lowercase();
        let near = |known: &&str| strsim::osa_distance(known, &word) <= 2;
        SCHEMES.iter().map(|(known, _)| *known).find(near)
    });
    // It is repeated only where it is too short for a password as well.
    KeySourceError::UnknownScheme {
        scheme: word.filter(|s| s.len() <= 8).map(str::to_owned),
        nearest,
    }
}

/// Whether somebody wrote the key itself where its place should be named.
pub(crate) fn may_be_a_key(text: &str) -> bool {
    Key::parse(text).is_ok()
}
