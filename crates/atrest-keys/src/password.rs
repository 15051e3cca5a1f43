//! `password:`: one key from a password, by Argon2id (RFC 9106), or for old data by
//! PBKDF2-HMAC-SHA256 (RFC 8018 §5.2).
//!
//! Salt and cost stand in the policy beside the source, since without them the
//! key is lost; neither is secret.

mod argon2id;
#[cfg(test)]
mod tests;

use std::fmt;
use std::num::NonZeroU32;
use std::path::Path;

use atrest_core::{Key, SecretBytes, fill_random};
use aws_lc_rs::pbkdf2;
use base64_simd::URL_SAFE_NO_PAD as BASE64URL;
use zeroize::{Zeroize as _, Zeroizing};

use crate::{Environment, File, FileAccess, KeySource, KeySourceError, Stamp, Variable, Warning};

pub use argon2id::Argon2Cost;

/// A password in a variable or a file, with the salt and the cost that make a
/// key of it.
///
/// The password is the text as it stands; of a file's, one line end at its end
/// does not belong to it.
#[derive(Clone, PartialEq, Eq)]
pub struct Password {
    secret: Secret,
    salt: Vec<u8>,
    function: Function,
}

/// The parameters, in the order in which [`Password::parse`] takes them apart.
const NAMES: [&str; 6] = ["kdf", "salt", "m", "t", "p", "iterations"];

/// What makes a key of a password, and at what cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Function {
    Argon2id(Argon2Cost),
    /// PBKDF2-HMAC-SHA256 with so many iterations.
    Pbkdf2(u32),
}

#[derive(Clone, PartialEq, Eq)]
enum Secret {
    Variable(Variable),
    File(File),
}

impl Password {
    /// The count below which PBKDF2-HMAC-SHA256 only opens old data: OWASP's figure
    /// (Password Storage Cheat Sheet).
    pub const NEW_ITERATIONS: u32 = 600_000;
    /// The least count that old data is read with.
    pub const FEWEST_ITERATIONS: u32 = 100_000;
    /// The largest count: some seconds of work, so that a policy cannot hang a run.
    pub const MOST_ITERATIONS: u32 = 10_000_000;
    /// Bytes of a new salt.
    pub const NEW_SALT: usize = 16;
    /// The shortest salt that old data is read with, in bytes.
    pub const SHORTEST_SALT: usize = 8;
    /// The longest salt, in bytes.
    pub const LONGEST_SALT: usize = 1024;

    /// The URI of a new key from the password in `secret` (`env:NAME` or
    /// `file:PATH`): a fresh salt, Argon2id at [`Argon2Cost::NEW`].
    ///
    /// ```
    /// let uri = atrest_keys::Password::new_uri("env:APP_PASSWORD")?;
    /// assert!(uri.starts_with("password:env:APP_PASSWORD?kdf=argon2id&salt="));
    /// assert!(uri.ends_with("&m=65536&t=3&p=4"));
    /// # Ok::<(), atrest_keys::KeySourceError>(())
    /// ```
    ///
    /// # Errors
    /// [`KeySourceError::BadUri`] when `secret` is neither, and
    /// [`KeySourceError::Random`].
    pub fn new_uri(secret: &str) -> Result<String, KeySourceError> {
        Secret::parse(secret, Path::new(""), FileAccess::OwnerOnly)?;
        let mut salt = [0; Self::NEW_SALT];
        fill_random(&mut salt)?;
        let salt = BASE64URL.encode_to_string(salt);
        Ok(format!(
            "password:{secret}?kdf=argon2id&salt={salt}&{}",
            Argon2Cost::NEW
        ))
    }

    /// Reads what stands after `password:`. Without `kdf=argon2id` the function is
    /// PBKDF2-HMAC-SHA256, as in every URI that was made before there was a choice.
    ///
    /// # Errors
    /// When the place, the salt or the cost is missing or not acceptable.
    pub fn parse(rest: &str, base_dir: &Path, access: FileAccess) -> Result<Self, KeySourceError> {
        let (place, query) = rest.rsplit_once('?').unwrap_or((rest, ""));
        let secret = Secret::parse(place, base_dir, access)?;
        let mut given = [None; NAMES.len()];
        for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            let slot = NAMES.iter().position(|known| *known == name);
            let Some(slot) = slot.and_then(|at| given.get_mut(at)) else {
                return Err(bad(
                    "there is a parameter that is none of `kdf`, `salt`, `m`, `t`, `p` and `iterations`",
                ));
            };
            if slot.replace(value).is_some() {
                return Err(bad("a parameter stands twice"));
            }
        }
        let [kdf, salt, m, t, p, iterations] = given;
        let origin = secret.name();
        let missing = || match Self::new_uri(place) {
            Ok(suggestion) => KeySourceError::NoSalt {
                origin: origin.to_owned(),
                suggestion,
            },
            Err(error) => error,
        };
        let function = match (kdf, iterations) {
            (Some("argon2id"), None) => {
                let (Some(m), Some(t), Some(p)) = (m, t, p) else {
                    return Err(missing());
                };
                let [m, t, p] = [whole(m, "m")?, whole(t, "t")?, whole(p, "p")?];
                Function::Argon2id(Argon2Cost::new(m, t, p, origin)?)
            }
            (Some("argon2id"), Some(_)) => {
                return Err(bad("`iterations` is PBKDF2's, not Argon2id's"));
            }
            (Some(_), _) => {
                return Err(bad(
                    "`kdf` is something else than argon2id; PBKDF2 is written without it",
                ));
            }
            (None, _) if [m, t, p].iter().any(Option::is_some) => {
                return Err(bad("`m`, `t` and `p` need `kdf=argon2id`"));
            }
            (None, None) => return Err(missing()),
            (None, Some(_)) if salt.is_none() => return Err(missing()),
            (None, Some(iterations)) => Function::Pbkdf2(read_iterations(iterations, origin)?),
        };
        Ok(Self {
            salt: read_salt(salt.ok_or_else(missing)?, origin)?,
            function,
            secret,
        })
    }

    fn text(&self, env: &Environment) -> Result<(Zeroizing<String>, String), KeySourceError> {
        match &self.secret {
            Secret::Variable(variable) => {
                let name = variable.name();
                let value = variable
                    .value(env)
                    .ok_or_else(|| KeySourceError::PasswordNotSet {
                        name: name.to_owned(),
                    })?;
                Ok((Zeroizing::new(value.to_owned()), env.describe(name)))
            }
            Secret::File(file) => {
                let mut text = file.text()?;
                if text.ends_with('\n') {
                    text.pop();
                    if text.ends_with('\r') {
                        text.pop();
                    }
                }
                Ok((text, file.name().to_owned()))
            }
        }
    }
}

impl Secret {
    fn parse(place: &str, base_dir: &Path, access: FileAccess) -> Result<Self, KeySourceError> {
        match place.split_once(':') {
            Some(("env", name)) => Ok(Self::Variable(Variable::new(name)?)),
            Some(("file", path)) => Ok(Self::File(File::new(path, base_dir, access)?)),
            // Not shown: somebody may have written the password itself.
            _ => Err(bad("what follows says neither `env:` nor `file:`")),
        }
    }

    fn name(&self) -> &str {
        match self {
            Self::Variable(variable) => variable.name(),
            Self::File(file) => file.name(),
        }
    }
}

impl KeySource for Password {
    fn name(&self) -> &str {
        self.secret.name()
    }

    fn keys(&self, env: &Environment) -> Result<Vec<Key>, KeySourceError> {
        let (password, origin) = self.text(env)?;
        if password.is_empty() {
            return Err(KeySourceError::EmptyPassword { origin });
        }
        let secret = SecretBytes::filled_by(|key| {
            match self.function {
                Function::Argon2id(cost) => {
                    argon2id::derive(password.as_bytes(), &self.salt, cost, key)
                        .map_err(|problem| problem.of(cost, origin))?;
                }
                Function::Pbkdf2(iterations) => {
                    let count = NonZeroU32::new(iterations).ok_or(KeySourceError::Iterations {
                        origin,
                        iterations: 0,
                    })?;
                    pbkdf2_hmac_sha256(password.as_bytes(), &self.salt, count, key);
                }
            }
            Ok::<(), KeySourceError>(())
        })?;
        Ok(vec![Key::from_secret(secret)])
    }

    fn file(&self) -> Option<&Path> {
        match &self.secret {
            Secret::Variable(_) => None,
            Secret::File(file) => file.file(),
        }
    }

    fn stamp(&self) -> Option<Stamp> {
        match &self.secret {
            Secret::Variable(_) => None,
            Secret::File(file) => file.stamp(),
        }
    }

    fn weakness(&self) -> Option<Warning> {
        let origin = self.name().to_owned();
        if let Function::Pbkdf2(iterations) = self.function
            && iterations < Self::NEW_ITERATIONS
        {
            Some(Warning::FewIterations { origin, iterations })
        } else if self.salt.len() < Self::NEW_SALT {
            Some(Warning::ShortSalt {
                origin,
                bytes: self.salt.len(),
            })
        } else {
            None
        }
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.function {
            Function::Argon2id(cost) => write!(f, "Password({}, argon2id {cost})", self.name()),
            Function::Pbkdf2(n) => write!(f, "Password({}, {n} iterations)", self.name()),
        }
    }
}

/// `PBKDF2(HMAC-SHA-256, password, salt, iterations)`, as many bytes as `out` has.
pub(crate) fn pbkdf2_hmac_sha256(
    password: &[u8],
    salt: &[u8],
    iterations: NonZeroU32,
    out: &mut [u8],
) {
    out.zeroize();
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, iterations, salt, password, out);
}

fn bad(problem: &str) -> KeySourceError {
    KeySourceError::BadUri {
        scheme: "password",
        problem: problem.to_owned(),
        next: "`atrest key generate --password env:NAME` (or file:PATH) writes one: \
               password:env:NAME?kdf=argon2id&salt=BASE64URL&m=KIB&t=PASSES&p=LANES, \
               or for an old key password:env:NAME?salt=BASE64URL&iterations=N"
            .to_owned(),
    }
}

fn read_salt(text: &str, origin: &str) -> Result<Vec<u8>, KeySourceError> {
    let bad = |problem: String| KeySourceError::BadSalt {
        origin: origin.to_owned(),
        problem,
    };
    let body = text.trim_end_matches('=');
    let salt = BASE64URL
        .decode_to_vec(body)
        .ok()
        .filter(|salt| BASE64URL.encode_to_string(salt) == body)
        .ok_or_else(|| bad("is not base64url".to_owned()))?;
    match salt.len() {
        n if n < Password::SHORTEST_SALT => Err(bad(format!("has {n} bytes, fewer than 8"))),
        n if n > Password::LONGEST_SALT => Err(bad(format!("has {n} bytes, more than 1024"))),
        _ => Ok(salt),
    }
}

/// A whole number; one beyond 64 bits is as good as the largest.
fn whole(text: &str, name: &str) -> Result<u64, KeySourceError> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(bad(&format!("`{name}` is not a whole number")));
    }
    Ok(text.parse().unwrap_or(u64::MAX))
}

fn read_iterations(text: &str, origin: &str) -> Result<u32, KeySourceError> {
    let iterations = whole(text, "iterations")?;
    let out_of_range = |iterations| KeySourceError::Iterations {
        origin: origin.to_owned(),
        iterations,
    };
    u32::try_from(iterations)
        .ok()
        .filter(|n| (Password::FEWEST_ITERATIONS..=Password::MOST_ITERATIONS).contains(n))
        .ok_or_else(|| out_of_range(iterations))
}
