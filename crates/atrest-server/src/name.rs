//! Names of objects, as they come in requests.

use std::fmt;

use object_store::path::Path;
use percent_encoding::percent_decode_str;

/// The longest name in bytes.
const LONGEST: usize = 1024;
/// The longest part of a name in bytes: file systems end at 255, and a temporary
/// file beside it needs room for its suffix.
const LONGEST_PART: usize = 240;

/// The name of one object: parts joined with `/`, none of which leads anywhere
/// but down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ClipName(Path);

impl ClipName {
    /// Reads what stands in a request's target after `/clips/`, percent-encoded.
    /// The parts are told apart before anything is decoded: `%2f` is no `/`.
    pub(crate) fn from_target(raw: &str) -> Result<Self, BadName> {
        if raw.len() > 3 * LONGEST {
            return Err(BadName::TooLong);
        }
        let mut parts = Vec::new();
        for part in raw.split('/') {
            let part = percent_decode_str(part)
                .decode_utf8()
                .map_err(|_| BadName::NotText)?;
            check(&part)?;
            parts.push(part);
        }
        let name = parts.join("/");
        if name.len() > LONGEST {
            return Err(BadName::TooLong);
        }
        Path::parse(&name).map(Self).map_err(|_| BadName::Character)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// The last part.
    pub(crate) fn file(&self) -> &str {
        self.0.filename().unwrap_or_default()
    }
}

impl fmt::Display for ClipName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

fn check(part: &str) -> Result<(), BadName> {
    match part {
        "" => return Err(BadName::EmptyPart),
        "." | ".." => return Err(BadName::Dots),
        _ => {}
    }
    if part.len() > LONGEST_PART {
        return Err(BadName::TooLong);
    }
    // What object_store's local store calls its temporary files.
    let number = part.split_once('#').map(|(_, number)| number);
    if number.is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit())) {
        return Err(BadName::Temporary);
    }
    if is_ours(part) {
        return Err(BadName::Ours);
    }
    let forbidden = |c: char| matches!(c, '/' | '\\') || c.is_control();
    if part.contains(forbidden) {
        return Err(BadName::Character);
    }
    Ok(())
}

/// Whether it is what runs in place call their temporary files, which they remove when
/// they find one: `.atrest-<16 hex digits>.tmp`.
fn is_ours(part: &str) -> bool {
    let digits = part.strip_prefix(".atrest-");
    digits
        .and_then(|rest| rest.strip_suffix(".tmp"))
        .is_some_and(|digits| {
            digits.len() == 16 && digits.bytes().all(|digit| digit.is_ascii_hexdigit())
        })
}

/// Whether a list leaves this out: no request can name it.
pub(crate) fn is_hidden(name: &str) -> bool {
    name.split('/').any(is_ours)
}

/// Why something is no name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadName {
    #[error("the name has an empty part; write parts joined with single `/`, none at its ends")]
    EmptyPart,
    #[error("the name has a part `.` or `..`; write the name as the list shows it")]
    Dots,
    #[error(
        "the name holds a character that names cannot have (an encoded slash, a backslash, a \
         control character); choose another name"
    )]
    Character,
    #[error(
        "the name has a part that ends in `#` and a number, as temporary files do; choose another name"
    )]
    Temporary,
    #[error(
        "the name has a part `.atrest-<16 hex digits>.tmp`, as atrest's temporary files do, which are removed; choose another name"
    )]
    Ours,
    #[error("the name is not UTF-8; percent-encode its UTF-8 bytes")]
    NotText,
    #[error("the name is too long: {LONGEST} bytes in all and {LONGEST_PART} a part is the most")]
    TooLong,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_nowhere_but_down() {
        let long = "a".repeat(241);
        let deep = "abcdefg/".repeat(130) + "x";
        for (raw, want) in [
            ("", BadName::EmptyPart),
            ("/etc/passwd", BadName::EmptyPart),
            ("a//b", BadName::EmptyPart),
            ("a/", BadName::EmptyPart),
            ("..", BadName::Dots),
            ("a/../b", BadName::Dots),
            ("%2e%2e/b", BadName::Dots),
            ("a/%2E", BadName::Dots),
            ("..%2f..%2fetc", BadName::Character),
            ("a%2fb", BadName::Character),
            ("a%5Cb", BadName::Character),
            ("a\\b", BadName::Character),
            ("a%00b", BadName::Character),
            ("a%0d%0aX-Y:1", BadName::Character),
            ("a%ff", BadName::NotText),
            ("a%231", BadName::Temporary),
            (".atrest-0123456789abcdef.tmp", BadName::Ours),
            ("a/%2eatrest-0123456789abcdef.tmp/b", BadName::Ours),
            (&long, BadName::TooLong),
            (&deep, BadName::TooLong),
        ] {
            assert_eq!(ClipName::from_target(raw), Err(want), "{raw}");
        }
    }

    #[test]
    fn ordinary_names_stay_what_they_are() {
        for (raw, want) in [
            ("gate/a.mp4", "gate/a.mp4"),
            ("gate/T%C3%BCr%20%231.webm", "gate/Tür #1.webm"),
            ("...", "..."),
            (".atrest-0123456789abcde.tmp", ".atrest-0123456789abcde.tmp"),
            ("%252e%252e", "%2e%2e"),
        ] {
            let name = ClipName::from_target(raw).unwrap();
            assert_eq!(name.to_string(), want);
        }
    }
}
