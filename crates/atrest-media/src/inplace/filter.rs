use std::path::Path;

use atrest_engine::policy::SubjectPattern;
use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

/// A glob that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{glob}` is no pattern: {problem}; write for example `*.mp4` or `clips/**`")]
pub struct GlobError {
    /// As it was given.
    pub glob: String,
    /// What is wrong with it.
    pub problem: String,
}

/// Which paths below the root are meant.
#[derive(Debug, Clone)]
pub(crate) struct Filter {
    /// None: all.
    include: Option<GlobSet>,
    exclude: GlobSet,
    /// Of one subject alone.
    of: Option<(SubjectPattern, String)>,
}

impl Filter {
    pub(crate) fn new(include: &[String], exclude: &[String]) -> Result<Self, GlobError> {
        let include = match include {
            [] => None,
            globs => Some(set(globs)?),
        };
        let exclude = set(exclude)?;
        Ok(Self {
            include,
            exclude,
            of: None,
        })
    }

    /// Whether this file is meant.
    pub(crate) fn takes(&self, path: &Path) -> bool {
        let included = self.include.as_ref().is_none_or(|set| set.is_match(path));
        included && !self.exclude.is_match(path) && self.is_theirs(path)
    }

    /// Only the files of this subject.
    pub(crate) fn of_subject(self, pattern: &SubjectPattern, subject: &str) -> Self {
        let of = Some((pattern.clone(), subject.to_owned()));
        Self { of, ..self }
    }

    fn is_theirs(&self, path: &Path) -> bool {
        self.of.as_ref().is_none_or(|(pattern, subject)| {
            let path = path.as_os_str().as_encoded_bytes();
            pattern.subject_of(path) == Some(subject)
        })
    }

    /// Whether there may be files in this folder that are meant.
    pub(crate) fn may_hold(&self, folder: &Path) -> bool {
        !self.exclude.is_match(folder)
    }
}

fn set(globs: &[String]) -> Result<GlobSet, GlobError> {
    let bad = |glob: &str, error: &globset::Error| GlobError {
        glob: glob.to_owned(),
        problem: error.kind().to_string(),
    };
    let mut set = GlobSetBuilder::new();
    for glob in globs {
        let path = glob.trim_end_matches('/');
        // A mere name stands at any depth.
        let path = match path.trim_start_matches("./").strip_prefix('/') {
            Some(anchored) => anchored.to_owned(),
            None if path.contains('/') => path.trim_start_matches("./").to_owned(),
            None => format!("**/{path}"),
        };
        // What names a folder means what is in it.
        for path in [format!("{path}/**"), path] {
            let built = GlobBuilder::new(&path).literal_separator(true).build();
            set.add(built.map_err(|error| bad(glob, &error))?);
        }
    }
    set.build().map_err(|error| bad(&globs.join(", "), &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn takes(include: &[&str], exclude: &[&str], path: &str) -> bool {
        let owned = |globs: &[&str]| globs.iter().map(|glob| (*glob).to_owned()).collect();
        let (include, exclude): (Vec<String>, Vec<String>) = (owned(include), owned(exclude));
        Filter::new(&include, &exclude)
            .unwrap()
            .takes(Path::new(path))
    }

    #[test]
    fn a_name_stands_at_any_depth_and_a_path_below_the_root() {
        assert!(takes(&[], &[], "a/b"));
        assert!(takes(&["*.mp4"], &[], "a.mp4"));
        assert!(takes(&["*.mp4"], &[], "x/y/a.mp4"));
        assert!(!takes(&["*.mp4"], &[], "x/y/a.mp4x"));
        assert!(takes(&["x/*.mp4"], &[], "x/a.mp4"));
        assert!(!takes(&["x/*.mp4"], &[], "x/y/a.mp4"));
        assert!(!takes(&["x/*.mp4"], &[], "y/x/a.mp4"));
        assert!(takes(&["x/**/*.mp4"], &[], "x/y/z/a.mp4"));
        assert!(takes(&["/a.mp4"], &[], "a.mp4"));
        assert!(!takes(&["/a.mp4"], &[], "x/a.mp4"));
    }

    #[test]
    fn a_folder_means_what_is_in_it() {
        for glob in ["cache", "cache/", "./x/cache", "/x/cache", "x/cache/**"] {
            assert!(!takes(&[], &[glob], "x/cache/y/a"), "{glob}");
            assert!(takes(&[glob], &[], "x/cache/y/a"), "{glob}");
            assert!(takes(&[], &[glob], "x/cached"), "{glob}");
        }
    }

    #[test]
    fn what_is_no_pattern_is_refused_by_its_name() {
        let error = Filter::new(&["[a".to_owned()], &[]).unwrap_err();
        assert!(error.to_string().starts_with("`[a` is no pattern: "));
    }
}
