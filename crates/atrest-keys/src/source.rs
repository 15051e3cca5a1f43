//! The trait that every source implements, and the URIs that name them.

use std::fmt;
use std::path::Path;

use atrest_core::Key;

use crate::{Environment, File, FileAccess, KeySourceError, Password, Variable, Warning};

/// The schemes, for messages.
const SCHEMES: [&str; 3] = ["env", "file", "password"];

/// A place that keys come from.
///
/// Reading blocks. Keys are read once, before the first row, when there is nothing
/// else to do; a source that asks a server does so with a blocking client or a
/// runtime of its own and a time limit of its own, and an asynchronous face calls
/// it from a thread that may block. A trait of futures would make every caller of
/// the local sources asynchronous and win nothing.
pub trait KeySource: fmt::Debug + Send + Sync {
    /// The variable, file or address, as messages name it.
    fn name(&self) -> &str;

    /// The keys, at least one, the primary first.
    ///
    /// # Errors
    /// Names the variable or file, what is wrong, and what to do; never a value.
    fn keys(&self, env: &Environment) -> Result<Vec<Key>, KeySourceError>;

    /// Why these keys should only open old data, if so: such a source is refused
    /// as the primary one.
    fn weakness(&self) -> Option<Warning> {
        None
    }

    /// The file that holds the secret, if one does: it must stay as it is.
    fn file(&self) -> Option<&Path> {
        None
    }
}

/// Reads a source's URI. Neither variables nor files are looked at yet.
///
/// Relative paths start at `base_dir`, the policy's folder.
///
/// ```
/// use std::path::Path;
/// use atrest_keys::{FileAccess, source};
/// let here = Path::new("/srv/app");
/// assert_eq!(source::parse("env:FIELD_ENCRYPTION_KEY", here, FileAccess::OwnerOnly)?.name(), "FIELD_ENCRYPTION_KEY");
/// assert_eq!(source::parse("file:atrest.key", here, FileAccess::OwnerOnly)?.name(), "/srv/app/atrest.key");
/// let error = source::parse("evn:FIELD_ENCRYPTION_KEY", here, FileAccess::OwnerOnly).unwrap_err();
/// assert!(error.to_string().contains("did you mean `env:`?"));
/// # Ok::<(), atrest_keys::KeySourceError>(())
/// ```
///
/// # Errors
/// [`KeySourceError::UnknownScheme`], [`KeySourceError::BadUri`], or one about a
/// password's salt and iterations.
pub fn parse(
    uri: &str,
    base_dir: &Path,
    access: FileAccess,
) -> Result<Box<dyn KeySource>, KeySourceError> {
    match uri.split_once(':') {
        Some(("env", name)) => Ok(Box::new(Variable::new(name)?)),
        Some(("file", path)) => Ok(Box::new(File::new(path, base_dir, access)?)),
        Some(("password", rest)) => Ok(Box::new(Password::parse(rest, base_dir, access)?)),
        other => Err(unknown_scheme(other.map(|(scheme, _)| scheme))),
    }
}

fn unknown_scheme(scheme: Option<&str>) -> KeySourceError {
    // No word of eight letters is a key; anything longer might be one.
    let scheme = scheme.filter(|s| {
        (1..=8).contains(&s.len()) && s.bytes().all(|b| b.is_ascii_alphabetic() || b == b'-')
    });
    let nearest = scheme.and_then(|scheme| {
        let scheme = scheme.to_ascii_lowercase();
        SCHEMES
            .into_iter()
            .find(|known| strsim::osa_distance(known, &scheme) <= 2)
    });
    KeySourceError::UnknownScheme {
        scheme: scheme.map(str::to_owned),
        nearest,
    }
}

/// Whether somebody wrote the key itself where its place should be named.
pub(crate) fn may_be_a_key(text: &str) -> bool {
    Key::parse(text).is_ok()
}
