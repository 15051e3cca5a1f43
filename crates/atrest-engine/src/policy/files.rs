//! One `[[files]]` of the policy.

use std::path::{Component, Path, PathBuf};

use atrest_core::object::ObjectBind;

use super::SubjectPattern;

/// A folder whose files are to be kept encrypted, and which of them. They are
/// objects of the suite `cobblestone-256`, the only one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilesPolicy {
    /// The folder, or `s3://bucket/prefix`, as the policy writes it: what `--only` takes and messages show. See
    /// [`FilesPolicy::path`].
    pub location: String,
    /// Globs of the files that are meant; none: all.
    pub include: Vec<String>,
    /// Globs of files that are not.
    pub exclude: Vec<String>,
    /// What the objects are bound to.
    pub bind: ObjectBind,
    /// Which part of a file's path says whose it is: each subject's files are sealed
    /// under a key of its own.
    pub subject: Option<SubjectPattern>,
    /// Where the entry starts in the policy, from 1.
    pub line: usize,
}

impl FilesPolicy {
    /// The suite that objects are sealed with.
    pub const SUITE: &'static str = "cobblestone-256";

    /// Whether this is a name of it, with or without a slash at the end.
    #[must_use]
    pub fn is_called(&self, name: &str) -> bool {
        self.location.trim_end_matches('/') == name.trim_end_matches('/')
    }

    /// The bucket and prefix, if that is where the files are.
    #[must_use]
    pub fn bucket(&self) -> Option<&str> {
        self.location
            .starts_with(Self::BUCKET)
            .then_some(self.location.as_str())
    }

    /// How the location of a bucket begins.
    pub(super) const BUCKET: &'static str = "s3://";

    /// The folder, of files on the local disk; `directory` is the policy's.
    #[must_use]
    pub fn path(&self, directory: &Path) -> PathBuf {
        directory.join(&self.location)
    }

    /// Whether one of the two locations is the other, or in it, going by their names.
    /// Links to folders are not looked at.
    pub(super) fn overlaps(&self, other: &Self, directory: &Path) -> bool {
        match (self.bucket(), other.bucket()) {
            (None, None) => {}
            (Some(one), Some(two)) => {
                let (one, two) = (Path::new(one), Path::new(two));
                return one.starts_with(two) || two.starts_with(one);
            }
            _ => return false,
        }
        let (one, two) = (plain(&self.path(directory)), plain(&other.path(directory)));
        one.starts_with(&two) || two.starts_with(&one) || climbs(&one, &two) || climbs(&two, &one)
    }
}

/// Without `.`, and without `..` as far as there is a name before it.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match (part, plain.components().next_back()) {
            (Component::CurDir, _) | (Component::ParentDir, Some(Component::RootDir)) => {}
            (Component::ParentDir, Some(Component::Normal(_))) => {
                plain.pop();
            }
            _ => plain.push(part),
        }
    }
    plain
}

/// Whether `above` is nothing but steps upwards, more than `below` begins with: a
/// folder that `below` is somewhere in.
fn climbs(above: &Path, below: &Path) -> bool {
    let ups = |path: &Path| {
        let is_up = |part: &Component<'_>| *part == Component::ParentDir;
        path.components().take_while(is_up).count()
    };
    let relative = above.is_relative() && below.is_relative();
    relative && ups(above) == above.components().count() && ups(above) >= ups(below)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_overlap_whatever_way_they_are_written() {
        let files = |location: &str| FilesPolicy {
            location: location.to_owned(),
            include: vec![],
            exclude: vec![],
            bind: ObjectBind::Path,
            subject: None,
            line: 1,
        };
        let overlap = |one, two, directory| {
            let (one, two) = (files(one), files(two));
            let both = one.overlaps(&two, Path::new(directory));
            assert_eq!(two.overlaps(&one, Path::new(directory)), both);
            both
        };
        for (one, two) in [
            ("clips", "clips"),
            ("clips", "clips/"),
            ("clips", "./clips"),
            ("clips", "clips/gate"),
            ("clips", "data/../clips/gate"),
            (".", "clips"),
            ("..", "clips"),
            ("../..", "../clips"),
            ("/srv/a/clips", "/srv/a/b/../clips"),
            ("/", "/srv"),
            ("/..", "/srv"),
            ("s3://a", "s3://a/b"),
            ("s3://a/b/", "s3://a/b"),
        ] {
            assert!(overlap(one, two, "."), "{one} {two}");
            assert!(overlap(one, two, "/srv/a"), "{one} {two}");
        }
        for (one, two) in [
            ("clips", "clips2"),
            ("clips/gate", "clips/door"),
            ("../clips", "clips"),
            ("/srv", "/srv2"),
            ("s3://a/b", "s3://a/bc"),
            ("s3://a", "s3:/a"),
        ] {
            assert!(!overlap(one, two, "."), "{one} {two}");
            assert!(!overlap(one, two, "/app/a"), "{one} {two}");
        }
        assert!(overlap("clips", "/srv/a/clips/gate", "/srv/a"));
        assert!(!overlap("clips", "/srv/a/clips/gate", "/srv/b"));
    }
}
