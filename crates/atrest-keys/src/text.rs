//! A secret of other software, as it stands: no key of ours, but what keys are made of.

use std::path::PathBuf;

use zeroize::Zeroizing;

use crate::{Environment, File, KeySourceError, MountedSecret, Settings, Variable, source};

/// The text behind a source, and the file that it stands in, if it does.
///
/// Of a file's text one line end at its end does not belong to it.
///
/// ```
/// use atrest_keys::{Environment, Settings, secret_text};
/// let env = Environment::new([("SECRET_KEY".to_owned(), "django-insecure-x".to_owned())]);
/// let (text, file) = secret_text("env:SECRET_KEY", &env, &Settings::new("."))?;
/// assert_eq!((text.as_str(), file), ("django-insecure-x", None));
/// # Ok::<(), atrest_keys::KeySourceError>(())
/// ```
///
/// # Errors
/// As the sources `env:`, `file:` and `secret:` have them; [`KeySourceError::BadUri`] for
/// any other source, which gives keys and not their text.
pub fn secret_text(
    uri: &str,
    env: &Environment,
    settings: &Settings,
) -> Result<(Zeroizing<String>, Option<PathBuf>), KeySourceError> {
    let base = settings.base_dir.as_path();
    let (mut text, path) = match uri.split_once(':') {
        Some(("env", name)) => {
            let value = Variable::new(name)?.value(env).map(str::to_owned);
            let value = value.ok_or_else(|| KeySourceError::PasswordNotSet {
                name: name.to_owned(),
            })?;
            return not_empty(Zeroizing::new(value), name).map(|text| (text, None));
        }
        Some(("file", path)) => (
            File::new(path, base, settings.access)?.text()?,
            base.join(path),
        ),
        Some(("secret", name)) => {
            let secret = MountedSecret::new(name, settings.access)?;
            let path = crate::KeySource::file(&secret).map(std::path::Path::to_owned);
            (secret.text()?, path.unwrap_or_default())
        }
        _ => {
            // Says so of a text that is no source at all.
            source::parse(uri, settings)?;
            return Err(KeySourceError::BadUri {
                scheme: "of other software's key",
                problem: "this source gives keys, and here the text itself is needed".to_owned(),
                next: "write env:NAME, file:PATH or secret:NAME".to_owned(),
            });
        }
    };
    for end in ["\n", "\r"] {
        if text.ends_with(end) {
            text.pop();
        }
    }
    let name = path.display().to_string();
    not_empty(text, &name).map(|text| (text, Some(path)))
}

fn not_empty(text: Zeroizing<String>, origin: &str) -> Result<Zeroizing<String>, KeySourceError> {
    match text.is_empty() {
        true => Err(KeySourceError::EmptyPassword {
            origin: origin.to_owned(),
        }),
        false => Ok(text),
    }
}
