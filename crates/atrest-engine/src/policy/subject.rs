//! Which part of a file's path says whose the file is.

use std::fmt;
use std::str::FromStr;

/// Where the subject stands.
const SUBJECT: &str = "{subject}";

/// A path below a location in which one part is the subject: `{subject}/**`,
/// `visits/{subject}-*.mp4`.
///
/// `*` and `?` match within a name, `**` any number of folders; a pattern without `/`
/// is held against the name of the file at any depth, one with `/` against its path
/// below the location, from its beginning to its end. `{subject}` stands for one or more
/// characters of one name: the fewest with which the rest fits.
///
/// ```
/// use atrest_engine::policy::SubjectPattern;
///
/// let visits: SubjectPattern = "visits/{subject}-*.mp4".parse()?;
/// assert_eq!(visits.subject_of(b"visits/4711-front-1.mp4"), Some("4711"));
/// assert_eq!(visits.subject_of(b"visits/2026/4711-1.mp4"), None);
///
/// let folders: SubjectPattern = "{subject}/**".parse()?;
/// assert_eq!(folders.subject_of(b"anna/a/b.jpg"), Some("anna"));
/// assert_eq!(folders.subject_of(b"readme.txt"), None);
/// # Ok::<(), atrest_engine::policy::ParseSubjectPatternError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubjectPattern {
    text: String,
    /// Of the whole path, or of its last name alone.
    whole: bool,
    parts: Vec<Part>,
}

/// One name of the pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    /// `**`.
    Any,
    /// A name without a subject.
    Name(String),
    /// The name that has it: what stands before it, and after.
    Subject(String, String),
}

/// Not a pattern that names a subject.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problem}; {next}")]
pub struct ParseSubjectPatternError {
    /// What is wrong, to follow the pattern.
    pub problem: &'static str,
    /// What to write.
    pub next: &'static str,
}

const EXAMPLES: &str = "write for example \"{subject}/**\" or \"visits/{subject}-*.mp4\"";

impl FromStr for SubjectPattern {
    type Err = ParseSubjectPatternError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refused = |problem| ParseSubjectPatternError {
            problem,
            next: EXAMPLES,
        };
        let path = text.trim_start_matches("./");
        let path = path.strip_prefix('/').unwrap_or(path);
        match path.matches(SUBJECT).count() {
            1 => {}
            0 => {
                return Err(refused(
                    "has no `{subject}`, the part that says whose a file is",
                ));
            }
            _ => return Err(refused("has `{subject}` more than once")),
        }
        if path
            .replace(SUBJECT, "")
            .contains(['[', ']', '{', '}', '\\'])
        {
            return Err(refused(
                "has `[`, `{` or `\\`; beside `{subject}` it takes `*`, `?` and `**` only",
            ));
        }
        let whole = text.contains('/');
        if !whole && path == SUBJECT {
            return Err(refused(
                "says nothing of where the name of a file ends and the subject begins",
            ));
        }
        let parts = path.split('/').map(part).collect::<Result<Vec<_>, _>>()?;
        if parts.iter().filter(|part| **part == Part::Any).count() > 1 {
            return Err(refused(
                "has `**` more than once, so that the subject could be several",
            ));
        }
        Ok(Self {
            text: text.to_owned(),
            whole,
            parts,
        })
    }
}

/// One name of a pattern.
fn part(name: &str) -> Result<Part, ParseSubjectPatternError> {
    let refused = |problem| ParseSubjectPatternError {
        problem,
        next: EXAMPLES,
    };
    if name == "**" {
        return Ok(Part::Any);
    }
    if name.is_empty() || name == "." || name == ".." {
        return Err(refused("has an empty name, `.` or `..` in its path"));
    }
    if name.contains("**") {
        return Err(refused(
            "has `**` beside other characters; it stands alone between `/`",
        ));
    }
    let Some((before, after)) = name.split_once(SUBJECT) else {
        return Ok(Part::Name(name.to_owned()));
    };
    if before.contains('*') || after.starts_with('*') {
        return Err(refused(
            "has `*` before `{subject}` in one name, or right behind it, so that the subject could be several",
        ));
    }
    Ok(Part::Subject(before.to_owned(), after.to_owned()))
}

impl SubjectPattern {
    /// Whose the file at this path below the location is; `None`: nobody's, as is one
    /// whose name is not UTF-8.
    #[must_use]
    pub fn subject_of<'p>(&self, path: &'p [u8]) -> Option<&'p str> {
        let path = std::str::from_utf8(path).ok()?;
        let path = match self.whole {
            true => path,
            false => path.rsplit('/').next()?,
        };
        let names: Vec<&str> = path.split('/').collect();
        let any = self.parts.iter().position(|part| *part == Part::Any);
        let (head, tail) = match any {
            None if names.len() == self.parts.len() => (self.parts.as_slice(), &[][..]),
            None => return None,
            Some(any) => {
                let (head, tail) = (&self.parts[..any], &self.parts[any + 1..]);
                // What ends with `**` is a folder: there is something in it.
                let least = head.len() + tail.len() + usize::from(tail.is_empty());
                if names.len() < least {
                    return None;
                }
                (head, tail)
            }
        };
        let ends = &names[names.len() - tail.len()..];
        let mut subject = None;
        for (part, name) in head.iter().zip(&names).chain(tail.iter().zip(ends)) {
            match part {
                Part::Any => {}
                Part::Name(pattern) if fits(pattern, name) => {}
                Part::Name(_) => return None,
                Part::Subject(before, after) => subject = Some(within(before, after, name)?),
            }
        }
        subject
    }
}

/// The subject in a name.
fn within<'n>(before: &str, after: &str, name: &'n str) -> Option<&'n str> {
    // Without `*`, what stands before has a length of its own.
    let from = name.char_indices().nth(before.chars().count())?.0;
    let (start, rest) = name.split_at(from);
    if !fits(before, start) {
        return None;
    }
    let ends = rest.char_indices().map(|(at, c)| at + c.len_utf8());
    ends.map(|end| rest.split_at(end))
        .find(|(_, left)| fits(after, left))
        .map(|(subject, _)| subject)
}

/// Whether a name fits a pattern of `*`, `?` and characters that mean themselves. In
/// time of the product of their lengths.
fn fits(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), name.chars().collect());
    let (mut p, mut n) = (0, 0);
    // Where the last `*` stands, and what it has taken so far.
    let mut star = None;
    while n < name.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(c) if *c == '?' || *c == name[n] => {
                p += 1;
                n += 1;
            }
            _ => match star {
                Some((at, taken)) => {
                    star = Some((at, taken + 1));
                    p = at + 1;
                    n = taken + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

impl fmt::Display for SubjectPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of<'p>(pattern: &str, path: &'p str) -> Option<&'p str> {
        pattern
            .parse::<SubjectPattern>()
            .unwrap()
            .subject_of(path.as_bytes())
    }

    #[test]
    fn the_part_that_is_meant_and_no_other() {
        for (pattern, path, want) in [
            ("{subject}/**", "anna/b", Some("anna")),
            ("{subject}/**", "anna/b/c/d", Some("anna")),
            ("./{subject}/**", "anna/b", Some("anna")),
            ("/{subject}/**", "anna/b", Some("anna")),
            ("{subject}/**", "anna", None),
            ("{subject}/*", "anna/b/c", None),
            ("people/{subject}/**", "people/Zoë 山/a.jpg", Some("Zoë 山")),
            ("people/{subject}/**", "peoples/a/b", None),
            ("visits/{subject}-*.mp4", "visits/47-11-a.mp4", Some("47")),
            ("visits/{subject}-*.mp4", "visits/-a.mp4", None),
            ("visits/{subject}-*.mp4", "visits/--a.mp4", Some("-")),
            ("visits/{subject}-*.mp4", "visits/4711.mp4", None),
            ("visits/{subject}-*.mp4", "visits/4711-a.mp4.part", None),
            ("visits/{subject}.mp4", "visits/a.mp4.mp4", Some("a.mp4")),
            ("user?-{subject}.jpg", "a/b/user1-7.jpg", Some("7")),
            ("user?-{subject}.jpg", "a/b/user-7.jpg", None),
            ("{subject}.jpg", "7.jpg", Some("7")),
            ("/{subject}.jpg", "a/7.jpg", None),
            ("**/{subject}/*.jpg", "7/a.jpg", Some("7")),
            ("**/{subject}/*.jpg", "x/y/7/a.jpg", Some("7")),
            ("**/{subject}/*.jpg", "a.jpg", None),
            ("by/{subject}/**/raw/*", "by/7/raw/a", Some("7")),
            ("by/{subject}/**/raw/*", "by/7/x/y/raw/a", Some("7")),
            ("by/{subject}/**/raw/*", "by/raw/a", None),
            ("20??/*/{subject}/**", "2026/11/7/a", Some("7")),
        ] {
            assert_eq!(of(pattern, path), want, "{pattern} {path}");
        }
    }

    #[test]
    fn a_name_that_is_no_text_is_nobodys() {
        let pattern: SubjectPattern = "{subject}/**".parse().unwrap();
        assert_eq!(pattern.subject_of(b"anna/\xff"), None);
        assert_eq!(pattern.subject_of(b"an\xffna/a"), None);
        assert_eq!(pattern.subject_of(b""), None);
    }

    #[test]
    fn what_could_mean_several_is_refused() {
        for (pattern, part) in [
            ("", "has no `{subject}`"),
            ("people/**", "has no `{subject}`"),
            ("{subjekt}/**", "has no `{subject}`"),
            ("{subject}/{subject}", "more than once"),
            ("{subject}", "says nothing"),
            ("*{subject}.jpg", "could be several"),
            ("{subject}*.jpg", "could be several"),
            ("**/{subject}/**", "could be several"),
            ("a**/{subject}/b", "stands alone"),
            ("{a,b}/{subject}/**", "`*`, `?` and `**` only"),
            ("[ab]/{subject}/**", "`*`, `?` and `**` only"),
            ("a//{subject}/**", "empty name"),
            ("../{subject}/**", "empty name"),
            ("{subject}/", "empty name"),
        ] {
            let error = pattern.parse::<SubjectPattern>().unwrap_err().to_string();
            assert!(error.contains(part), "{pattern}: {error}");
            assert!(error.contains("write for example"), "{error}");
        }
    }
}
