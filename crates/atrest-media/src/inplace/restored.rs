//! What came of holding a copy against a location, or putting it back.

use std::fmt::Display;

use atrest_core::object::ObjectError;
use atrest_engine::policy::FilesPolicy;
use atrest_engine::report::{FileNote, FilesRestoreReport};
use atrest_engine::restore::RestoreMode;
use atrest_engine::subjects::Erasure;

use super::{Failure, NAMED, Skipped, Undecryptable, Why, readable};
use crate::keyrings::FileKeys;

/// What a restore or a comparison came to. Names are those below the root or the prefix,
/// as raw bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Restored {
    /// Files of the copy that are meant and open there.
    pub entries: u64,
    /// Those whose content is the same in the folder.
    pub same: u64,
    /// Those that hold something else in the folder: changed since. Of these, none was
    /// touched unless forced.
    pub changed_since: Vec<Vec<u8>>,
    /// Those that are gone from the folder. They are never made anew.
    pub missing: Vec<Vec<u8>>,
    /// Those that do not open in the folder, for which the copy is there.
    pub undecryptable: Vec<Undecryptable>,
    /// Those that were written, encrypted.
    pub changed: u64,
    /// Those of subjects that were forgotten: they are not brought back.
    pub forgotten: u64,
    /// Those of subjects that are to be forgotten, which can be taken back: only then are
    /// they compared and brought back.
    pub to_be_forgotten: u64,
    /// Parts of the copy that cannot be read, are no objects or do not open, or are links
    /// where the folder holds files; and files of the folder that could not be read or
    /// written.
    pub skipped: Vec<Skipped>,
    /// Whether it was stopped before its end.
    pub stopped: bool,
}

impl Restored {
    /// Every file of the copy has the same content in the folder.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        let differ = self.changed_since.len() + self.missing.len() + self.undecryptable.len();
        !self.stopped && differ == 0 && self.skipped.is_empty() && self.to_be_forgotten == 0
    }

    pub(crate) const fn erased(&mut self, erasure: Erasure) {
        match erasure {
            Erasure::Done => self.forgotten += 1,
            Erasure::Asked => self.to_be_forgotten += 1,
        }
    }

    /// Takes down what became of one file, whose copy was found whole.
    pub(crate) fn count(&mut self, name: &[u8], done: Compared) {
        let name = name.to_vec();
        match done {
            Compared::Same => self.same += 1,
            Compared::Changed => self.changed_since.push(name),
            Compared::Missing => self.missing.push(name),
            Compared::Undecryptable(error) => {
                self.undecryptable.push(Undecryptable::new(name, &error));
            }
            Compared::Written => self.changed += 1,
        }
    }

    /// Takes down that nothing came of one file, whose keys these are.
    pub(crate) fn fail(&mut self, name: &[u8], keys: &FileKeys, failure: Failure) {
        let closed =
            |problem: &dyn Display| Why::Failed(format!("the copy of it does not open: {problem}"));
        let why = match failure {
            Failure::Stopped => {
                self.stopped = true;
                return;
            }
            Failure::Forgotten(erasure) => return self.erased(erasure),
            Failure::Object(error) => match keys.erasure(&error) {
                Some(erasure) => return self.erased(erasure),
                None => closed(&keys.explain(error)),
            },
            Failure::Closed(error) => closed(&error),
            Failure::NeedsKey => Why::Failed("its subject got no key; run again".to_owned()),
            Failure::Skipped(why) => why,
        };
        let name = name.to_vec();
        self.skipped.push(Skipped { name, why });
    }

    /// In the engine's words; `policy` is the folder's.
    #[must_use]
    pub fn of(&self, policy: &FilesPolicy) -> FilesRestoreReport {
        let note = |name: &[u8], why, problem: &str| FileNote {
            file: readable(name),
            why,
            problem: problem.to_owned(),
        };
        let changed = self.changed_since.iter().map(|name| {
            let problem = "it holds something else than the copy: changed since";
            note(name, "changed-since", problem)
        });
        let missing = self.missing.iter().map(|name| {
            let problem = "it is gone; to have it back, copy the file from there to here";
            note(name, "missing", problem)
        });
        let refused = self.undecryptable.iter();
        let refused = refused.map(|one| note(&one.name, "undecryptable", &one.problem));
        let skipped = self.skipped.iter();
        let skipped = skipped.map(|one| note(&one.name, one.why.word(), &one.why.to_string()));
        FilesRestoreReport {
            location: policy.location.clone(),
            entries: self.entries,
            same: self.same,
            changed_since: self.changed_since.len() as u64,
            missing: self.missing.len() as u64,
            undecryptable: self.undecryptable.len() as u64,
            forgotten: self.forgotten,
            to_be_forgotten: self.to_be_forgotten,
            changed: self.changed,
            skipped: self.skipped.len() as u64,
            files: refused
                .chain(skipped)
                .chain(missing)
                .chain(changed)
                .take(NAMED)
                .collect(),
            seconds: 0.0,
        }
    }
}

/// What a file is beside its copy.
pub(crate) enum Compared {
    Same,
    /// It holds something else, and was left.
    Changed,
    Missing,
    /// It does not open, and was left.
    Undecryptable(ObjectError),
    /// It holds what the copy does by now.
    Written,
}

/// Whether what does not open is written again from the copy: what a key that is not at
/// hand opens may be newer than that.
pub(crate) const fn writes(mode: RestoreMode, error: &ObjectError) -> bool {
    match mode {
        RestoreMode::Compare => false,
        RestoreMode::Restore => !matches!(
            error,
            ObjectError::UnknownKey(_) | ObjectError::NewerKind(_)
        ),
        RestoreMode::Force => true,
    }
}

impl Skipped {
    /// A part of the copy that is no file, or cannot be read.
    pub(crate) fn unread(name: &[u8], why: Why) -> Self {
        let problem = match why {
            Why::Symlink | Why::Special => format!("the copy of it is {why}"),
            Why::Failed(problem) => format!("the copy of it cannot be read: {problem}"),
            why => format!("the copy of it cannot be read: {why}"),
        };
        Self {
            name: name.to_vec(),
            why: Why::Failed(problem),
        }
    }
}
