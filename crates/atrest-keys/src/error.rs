//! Why keys cannot be had, and what may be used but deserves a word.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use atrest_core::{KeyId, KeyParseError, KeyringError, RandomError};

use crate::{Argon2Cost, Password};

/// Why a source gives no keys. Names variables and files, never a value.
#[derive(Debug, thiserror::Error)]
pub enum KeySourceError {
    /// The URI's scheme is none of ours. Its text is not shown: it may be a key.
    #[error(
        "{} is not a key source{}; write env:NAME, file:PATH or one of the others ({}), which docs/keys.md shows",
        scheme.as_ref().map_or("a text without a known scheme".to_owned(), |s| format!("a text that starts `{s}:`")),
        nearest.map_or(String::new(), |n| format!(" (did you mean `{n}:`?)")),
        crate::source::others()
    )]
    UnknownScheme {
        /// The scheme, when it is surely one.
        scheme: Option<String>,
        /// The known scheme that is nearest.
        nearest: Option<&'static str>,
    },
    /// The rest of the URI is not what its scheme wants.
    #[error("key source {scheme}: {problem}; {next}")]
    BadUri {
        /// The scheme, "env" for example.
        scheme: &'static str,
        /// What is wrong.
        problem: String,
        /// What to write.
        next: String,
    },
    /// A variable that nothing sets.
    #[error(
        "{name} is not set; make a key with `atrest key generate` and put it in that variable, \
         in the environment or in the .env file that `env_file` in [keys] names"
    )]
    NotSet {
        /// The variable.
        name: String,
    },
    /// A variable that nothing sets, of a password, a PIN or other software's key.
    #[error(
        "{name} is not set; put the password, PIN or key that it is to hold in that variable, in the environment or \
         in the .env file that `env_file` in [keys] names"
    )]
    PasswordNotSet {
        /// The variable.
        name: String,
    },
    /// Set, but nothing in it.
    #[error("{origin} is empty; make a key with `atrest key generate` and put it there")]
    Empty {
        /// The variable or file.
        origin: String,
    },
    /// A password that is empty.
    #[error("{origin} is empty; put the password there")]
    EmptyPassword {
        /// The variable or file.
        origin: String,
    },
    /// A list that does not end.
    #[error(
        "{origin}: the list of keys starts with `[` but has no `]` at its end; write [\"new\", \"old\"], each made with `atrest key generate`"
    )]
    UnclosedList {
        /// The variable or file.
        origin: String,
    },
    /// Something that is not a key.
    #[error("{origin}: {source}")]
    Malformed {
        /// The variable or file, and which key of it.
        origin: String,
        /// What is wrong with it, and how to make a good one.
        source: KeyParseError,
    },
    /// A file that cannot be read.
    #[error("cannot read {}: {source}; {}", path.display(), what_to_do(source))]
    File {
        /// Which file.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
    /// A folder, a device, a pipe.
    #[error("{} is not a regular file; name the file that holds the secret", path.display())]
    NotAFile {
        /// What was named.
        path: PathBuf,
    },
    /// A file that others can read.
    #[error(
        "{} has mode {mode:04o}, so others on this machine can use it; type `chmod 600 {}`, \
         or allow it with `allow_readable_files = true` in [keys] if it must be so",
        path.display(), shell_word(path)
    )]
    Readable {
        /// Which file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// A file far longer than any list of keys.
    #[error("{} is longer than {longest} bytes, which is no file of keys; name the right one", path.display())]
    TooLong {
        /// Which file.
        path: PathBuf,
        /// The limit, in bytes.
        longest: usize,
    },
    /// A file that is not UTF-8.
    #[error("{} is not text; a key is written in base64url or hex: `atrest key generate` prints one", path.display())]
    NotText {
        /// Which file.
        path: PathBuf,
    },
    /// A line of a `.env` file that cannot be read.
    #[error("{}, line {line}: not of the form NAME=value; put a value with spaces, quotes or `$` in single quotes", path.display())]
    EnvFileLine {
        /// Which file.
        path: PathBuf,
        /// Which line, from 1.
        line: usize,
    },
    /// A `.env` file that says two things.
    #[error("{} gives {name} two different values; keep one of them", path.display())]
    SetTwice {
        /// Which file.
        path: PathBuf,
        /// Which variable.
        name: String,
    },
    /// A password source without a salt.
    #[error(
        "{origin}: a key from a password needs its salt and its cost written down; for a new key write `{suggestion}`, for an old one the salt that it was made with"
    )]
    NoSalt {
        /// The variable or file.
        origin: String,
        /// A whole URI with a fresh salt.
        suggestion: String,
    },
    /// A salt that cannot be used.
    #[error(
        "{origin}: the salt {problem}; a new one has 16 bytes in base64url, written as `salt=` after `?`"
    )]
    BadSalt {
        /// The variable or file.
        origin: String,
        /// What is wrong.
        problem: String,
    },
    /// A count of iterations outside of what is accepted.
    #[error(
        "{origin}: {iterations} iterations of PBKDF2 are not accepted; new keys use {}, data of old ones is read from {} up to {}",
        Password::NEW_ITERATIONS,
        Password::FEWEST_ITERATIONS,
        Password::MOST_ITERATIONS
    )]
    Iterations {
        /// The variable or file.
        origin: String,
        /// As written.
        iterations: u64,
    },
    /// A cost of Argon2id that is not accepted, or cannot be met.
    #[error(
        "{origin}: Argon2id with `{cost}` {problem}; new keys use `{}`",
        Argon2Cost::NEW
    )]
    Argon2 {
        /// The variable or file.
        origin: String,
        /// As written: `m=...&t=...&p=...`.
        cost: String,
        /// What is wrong.
        problem: String,
    },
    /// A key too weak to seal new data.
    #[error(
        "{warning}; as the primary key it is refused: make a new one and move this source to `previous` in [keys]"
    )]
    WeakPrimary {
        /// What is weak about it.
        warning: Warning,
    },
    /// One key from two places.
    #[error(
        "{first} and {second} hold the same key ({id}); keep it in one of them: the primary must be a new key, made with `atrest key generate`"
    )]
    Duplicate {
        /// Where it stands first.
        first: String,
        /// Where it stands again.
        second: String,
        /// The key's id.
        id: KeyId,
    },
    /// The keys do not make a keyring.
    #[error("{first} and {second}: {source}")]
    Keyring {
        /// Where the first of the two keys stands.
        first: String,
        /// Where the other stands.
        second: String,
        /// Why not.
        source: KeyringError,
    },
    /// A key was asked of a source that never shows one.
    #[error(
        "{origin} only wraps keys and never shows one, so it cannot be a primary or previous key source; \
         name it as the `root` of a keyring in [keys]"
    )]
    WrapsOnly {
        /// The source.
        origin: String,
    },
    /// A wrapped key that this source does not open.
    #[error(
        "{origin} does not open the wrapped key{}; it was wrapped by another source, or was changed: \
         name the source that wrapped it, or put a backup of the keyring back",
        id.map_or(String::new(), |id| format!(" (wrapped under {id})"))
    )]
    NotItsKey {
        /// The source.
        origin: String,
        /// The key id that the wrapped key names, where it names one.
        id: Option<KeyId>,
    },
    /// A server that has the key, or should have it.
    #[error("{origin}: {problem}{}; {next}", if detail.is_empty() { String::new() } else { format!(" ({detail})") })]
    Remote {
        /// The source, as its URI names it.
        origin: String,
        /// What kind of problem.
        problem: RemoteProblem,
        /// The server's or the library's own words, without secrets; may be empty.
        detail: String,
        /// What to do.
        next: String,
    },
    /// A place that a new key cannot be made in.
    #[error(
        "a key is not made in {origin}; `atrest key generate` without `--in` prints one to put there, \
         and `--in` makes one in a pkcs11: or os-keyring: source"
    )]
    NotMadeThere {
        /// The variable, file or address.
        origin: String,
    },
    /// A source that this build leaves out.
    #[error(
        "this build of atrest has no {scheme}: key source; use the released binary, or build with `--features {feature}`"
    )]
    NotBuilt {
        /// The URI's scheme.
        scheme: &'static str,
        /// The cargo feature.
        feature: &'static str,
    },
    /// The keyring cannot be read or opened.
    #[error(transparent)]
    Document(#[from] Box<crate::keyring::KeyringError>),
    /// No random bytes for a salt, a nonce or a key.
    #[error(transparent)]
    Random(#[from] RandomError),
}

impl KeySourceError {
    /// The server of keys that did not give them, and why; `None`: it is about something
    /// else.
    #[must_use]
    pub fn remote(&self) -> Option<(&str, RemoteProblem)> {
        use crate::keyring::KeyringError;
        match self {
            Self::Remote {
                origin, problem, ..
            } => Some((origin, *problem)),
            Self::Document(error) => match &**error {
                KeyringError::Root { source, .. } | KeyringError::Source(source) => source.remote(),
                _ => None,
            },
            _ => None,
        }
    }
}

/// What a server that keeps keys has to complain of, or we of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RemoteProblem {
    /// A variable or file that says where the server is or who asks is missing or wrong.
    NotConfigured,
    /// No connection, or it broke.
    Unreachable,
    /// No answer in time.
    TimedOut,
    /// Too many requests.
    Throttled,
    /// The server failed.
    Failed,
    /// Nobody is logged in, or the login was refused.
    Unauthenticated,
    /// Whoever is logged in may not do this.
    Denied,
    /// No such secret or key, or its path is wrong.
    NotFound,
    /// The secret is there and has no such field.
    NoSuchField,
    /// The secret or key is there and is not of a kind that can be used.
    Format,
    /// The key is disabled, scheduled for deletion or the like.
    Unusable,
    /// The server would not open what was wrapped.
    NotItsKey,
    /// Anything else that the server refuses.
    Refused,
}

impl RemoteProblem {
    /// Whether it may be gone when one asks again.
    #[must_use]
    pub const fn is_transient(self) -> bool {
        matches!(
            self,
            Self::Unreachable | Self::TimedOut | Self::Throttled | Self::Failed
        )
    }
}

impl fmt::Display for RemoteProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotConfigured => "a setting is missing or wrong",
            Self::Unreachable => "the server cannot be reached",
            Self::TimedOut => "the server did not answer in time",
            Self::Throttled => "the server had too many requests",
            Self::Failed => "the server failed",
            Self::Unauthenticated => "the login was refused",
            Self::Denied => "permission is missing",
            Self::NotFound => "there is no such secret or key",
            Self::NoSuchField => "the secret has no such field",
            Self::Format => "what is there is not a key that can be used",
            Self::Unusable => "the key cannot be used now",
            Self::NotItsKey => "the wrapped key does not open",
            Self::Refused => "the server refused",
        })
    }
}

fn what_to_do(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::NotFound => {
            "check the path (a relative one starts at the policy's folder); `atrest key generate` makes a key"
        }
        io::ErrorKind::PermissionDenied => {
            "run as the user that owns it, or give that user the file"
        }
        _ => "check the path and the disk",
    }
}

/// A path as one would type it in a shell.
fn shell_word(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_alphanumeric() || "/._-+@%:,".contains(c);
    if !text.is_empty() && text.chars().all(plain) && !text.starts_with('-') {
        return text;
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// Keys that open old data but are not what one would make today.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Warning {
    /// PBKDF2 with fewer iterations than a new key gets.
    FewIterations {
        /// The variable or file.
        origin: String,
        /// How many.
        iterations: u32,
    },
    /// A salt shorter than a new key's.
    ShortSalt {
        /// The variable or file.
        origin: String,
        /// How many bytes.
        bytes: usize,
    },
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FewIterations { origin, iterations } => write!(
                f,
                "{origin}: the key is made with {iterations} iterations of PBKDF2, new keys use {}: \
                 good for reading old data only, rotate away from it",
                Password::NEW_ITERATIONS
            ),
            Self::ShortSalt { origin, bytes } => write!(
                f,
                "{origin}: the key is made with a salt of {bytes} bytes, new keys use {}: \
                 good for reading old data only, rotate away from it",
                Password::NEW_SALT
            ),
        }
    }
}
