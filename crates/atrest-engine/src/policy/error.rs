//! What can be wrong with a policy, said with its line and what to do.

use std::fmt;
use std::path::PathBuf;

/// A place in a policy file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct At {
    /// The file's name.
    pub origin: String,
    /// The line, from 1.
    pub line: usize,
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, line {}", self.origin, self.line)
    }
}

/// Why a policy cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// The file cannot be read.
    #[error("cannot read the policy {}: {source}; `atrest init` writes one, --policy PATH names one elsewhere", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// The system's word.
        source: std::io::Error,
    },
    /// The file cannot be written.
    #[error("cannot write the policy {}: {doing} failed: {source}; the file is as it was", path.display())]
    Write {
        /// Which file.
        path: PathBuf,
        /// The step that failed.
        doing: &'static str,
        /// The system's word.
        source: std::io::Error,
    },
    /// It is not TOML.
    #[error("{at}: not valid TOML: {message}; see https://toml.io for the notation")]
    Syntax {
        /// Where.
        at: At,
        /// What the parser says, without the line's text.
        message: String,
    },
    /// A key that this version does not know.
    #[error("{at}: unknown key `{key}` in {inside}; {next}")]
    UnknownKey {
        /// Where.
        at: At,
        /// The key as written.
        key: String,
        /// The table it stands in.
        inside: &'static str,
        /// The nearest known key, or all of them.
        next: String,
    },
    /// A key that must be there.
    #[error("{at}: {inside} has no `{key}`; write for example `{example}`")]
    Missing {
        /// Where the table starts, or the end of the file.
        at: At,
        /// The key.
        key: &'static str,
        /// The table it belongs in.
        inside: &'static str,
        /// A line that would do.
        example: &'static str,
    },
    /// A value that cannot stand.
    #[error("{at}: `{key}` {problem}; {next}")]
    BadValue {
        /// Where.
        at: At,
        /// The key.
        key: &'static str,
        /// What is wrong.
        problem: String,
        /// What to write.
        next: String,
    },
    /// The same column twice.
    #[error("{at}: the column {id} stands already at line {first_line}; keep one of the two")]
    DuplicateColumn {
        /// Where the second one starts.
        at: At,
        /// Which column.
        id: String,
        /// Where the first one starts.
        first_line: usize,
    },
    /// Two `[[files]]` that hold the same files.
    #[error(
        "{at}: the location `{location}` overlaps with `{first}` at line {first_line}, and no file may be in both; keep one of the two"
    )]
    OverlappingFiles {
        /// Where the second one starts.
        at: At,
        /// The second one.
        location: String,
        /// The first one.
        first: String,
        /// Where the first one starts.
        first_line: usize,
    },
    /// A `${VAR}` that nothing sets.
    #[error(
        "{at}: the database URL uses ${{{name}}}, which is not set; set it in the environment or in the file that `env_file` in [keys] names"
    )]
    UnsetVariable {
        /// Where.
        at: At,
        /// The variable.
        name: String,
    },
    /// `--only` names something that the policy does not have.
    #[error("{origin} has no column and no files `{name}`; {next}")]
    NoSuchTarget {
        /// The file's name.
        origin: String,
        /// What was asked for.
        name: String,
        /// The nearest name, or all of them.
        next: String,
    },
    /// A column that the policy does not have.
    #[error("{origin} has no column `{id}`; {next}")]
    NoSuchColumn {
        /// The file's name.
        origin: String,
        /// What was asked for.
        id: String,
        /// The nearest name, or all of them.
        next: String,
    },
}

/// The known name that is nearest to `wrong`, if one is near enough to be meant.
pub(super) fn nearest<'a>(
    wrong: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let wrong = wrong.to_lowercase();
    known
        .into_iter()
        .map(|name| (strsim::jaro_winkler(&wrong, &name.to_lowercase()), name))
        .filter(|(score, _)| *score > 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}

/// "did you mean `suite`?", else a list of what is known.
pub(super) fn nearest_or_all<'a>(
    wrong: &str,
    known: impl IntoIterator<Item = &'a str> + Clone,
) -> String {
    if let Some(name) = nearest(wrong, known.clone()) {
        return format!("did you mean `{name}`?");
    }
    let names: Vec<String> = known.into_iter().map(|name| format!("`{name}`")).collect();
    if names.is_empty() {
        "there is none".to_owned()
    } else {
        format!("known are {}", names.join(", "))
    }
}
