//! The steps of work in place, where a test can have something happen: the end of its
//! process, a writer that comes just then. Without the feature `failpoints`, which
//! nothing that is shipped has on, nothing of it is in the program.
#![cfg_attr(
    not(all(unix, feature = "failpoints")),
    allow(unreachable_pub, dead_code, reason = "public only with the feature")
)]

/// What was done a moment ago.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Point {
    /// A file that is to be replaced was opened, and nothing done.
    Opened,
    /// The temporary file beside it was made, and is empty.
    TemporaryMade,
    /// Its bytes were written.
    Written,
    /// It was given the attributes of the old file.
    AttributesCarried,
    /// It was made durable.
    Synced,
    /// The old file was found unchanged: the last moment before the exchange.
    Checked,
    /// The two files have changed names.
    Exchanged,
    /// What had the name was removed.
    OldRemoved,
    /// The folder was made durable.
    FolderSynced,
    /// The folder for an original was made.
    OriginalFolderMade,
    /// The temporary file for an original was made, and is empty.
    OriginalMade,
    /// The original was copied into it.
    OriginalCopied,
    /// The copy was made durable.
    OriginalSynced,
    /// The copy was given its name.
    OriginalNamed,
    /// Its folder was made durable.
    OriginalFolderSynced,
    /// What a killed run left was removed.
    LeftOverRemoved,
    /// The object that conditions are tried on was put.
    ProbePut,
    /// They were tried.
    ConditionsTried,
    /// What they were tried on was removed.
    ProbeRemoved,
    /// An object was looked at, and nothing done.
    Looked,
    /// Its content begins to come.
    ContentBegun,
    /// The tags that it has were read.
    TagsRead,
    /// All of its new content is at hand: the last moment before it is put.
    ContentReady,
    /// It was put, in one request.
    ContentPut,
    /// An upload in parts was begun.
    UploadBegun,
    /// A part was put.
    PartPut,
    /// All of them were: the last moment before they are put together.
    PartsPut,
    /// They were put together.
    UploadCompleted,
    /// An object was found to open, so that an old version of it may go.
    VersionProven,
    /// The old version was removed.
    VersionRemoved,
    /// An object was found to open under its new name: the last moment before it goes
    /// under the old one.
    NewNameProven,
    /// What had the old name was removed.
    OldNameRemoved,
    /// Keys of subjects were made, and no file was sealed under them.
    KeysMade,
}

#[cfg(all(unix, feature = "failpoints"))]
mod armed {
    use std::sync::{Mutex, PoisonError};

    use super::Point;

    type Armed = (Point, u64, Box<dyn FnOnce() + Send>);

    static ARMED: Mutex<Option<Armed>> = Mutex::new(None);

    impl Point {
        /// Those of work in a folder.
        pub const FOLDER: [Self; 17] = [
            Self::Opened,
            Self::TemporaryMade,
            Self::Written,
            Self::AttributesCarried,
            Self::Synced,
            Self::Checked,
            Self::Exchanged,
            Self::OldRemoved,
            Self::FolderSynced,
            Self::OriginalFolderMade,
            Self::OriginalMade,
            Self::OriginalCopied,
            Self::OriginalSynced,
            Self::OriginalNamed,
            Self::OriginalFolderSynced,
            Self::LeftOverRemoved,
            Self::KeysMade,
        ];

        /// Those of work in a bucket.
        pub const BUCKET: [Self; 23] = [
            Self::OriginalFolderMade,
            Self::OriginalMade,
            Self::OriginalCopied,
            Self::OriginalSynced,
            Self::OriginalNamed,
            Self::OriginalFolderSynced,
            Self::ProbePut,
            Self::ConditionsTried,
            Self::ProbeRemoved,
            Self::Looked,
            Self::ContentBegun,
            Self::TagsRead,
            Self::ContentReady,
            Self::ContentPut,
            Self::UploadBegun,
            Self::PartPut,
            Self::PartsPut,
            Self::UploadCompleted,
            Self::VersionProven,
            Self::VersionRemoved,
            Self::NewNameProven,
            Self::OldNameRemoved,
            Self::LeftOverRemoved,
        ];
    }

    /// Has `act` happen when this process comes to `point` for the `nth` time (the
    /// first is 0), once. In place of what was to happen before.
    pub fn at(point: Point, nth: u64, act: impl FnOnce() + Send + 'static) {
        let mut armed = ARMED.lock().unwrap_or_else(PoisonError::into_inner);
        *armed = Some((point, nth, Box::new(act)));
    }

    /// Ends this process with `SIGKILL`: nothing is unwound, flushed or removed.
    pub fn kill() {
        let _ =
            rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    }

    pub(crate) fn reached(point: Point) {
        let mut armed = ARMED.lock().unwrap_or_else(PoisonError::into_inner);
        let due = match &mut *armed {
            Some((at, 0, _)) if *at == point => armed.take(),
            Some((at, left, _)) if *at == point => {
                *left -= 1;
                None
            }
            _ => None,
        };
        drop(armed); // what happens may come to a point, too
        if let Some((_, _, act)) = due {
            act();
        }
    }
}

#[cfg(all(unix, feature = "failpoints"))]
pub(crate) use armed::reached;
#[cfg(all(unix, feature = "failpoints"))]
pub use armed::{at, kill};

#[cfg(not(all(unix, feature = "failpoints")))]
pub(crate) const fn reached(_: Point) {}
