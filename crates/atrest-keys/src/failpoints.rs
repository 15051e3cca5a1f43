//! The steps of replacing a keyring file, where a test can have something happen: the
//! end of its process, a copy of the folder as it is then. Without the feature
//! `failpoints`, which nothing that is shipped has on, nothing of it is in the program.
#![cfg_attr(
    not(feature = "failpoints"),
    allow(unreachable_pub, reason = "public only with the feature")
)]

/// What was done a moment ago.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Point {
    /// The lock was taken, and nothing done.
    Locked,
    /// The document that is there was found to be the expected one.
    Compared,
    /// The copy of the old document is there.
    OldCopied,
    /// The temporary file was made, and is empty.
    TemporaryMade,
    /// Half of its bytes were written.
    HalfWritten,
    /// Its bytes were written.
    Written,
    /// It was made durable.
    Synced,
    /// It has the keyring's name.
    Renamed,
    /// The folder was made durable.
    FolderSynced,
    /// The copy of the new document is there.
    NewCopied,
    /// A copy of an older document was removed.
    CopyRemoved,
}

#[cfg(feature = "failpoints")]
mod armed {
    use std::sync::{Mutex, PoisonError};

    use super::Point;

    type Armed = (Point, u64, Box<dyn FnOnce() + Send>);

    static ARMED: Mutex<Option<Armed>> = Mutex::new(None);

    impl Point {
        /// Every point.
        pub const ALL: [Self; 11] = [
            Self::Locked,
            Self::Compared,
            Self::OldCopied,
            Self::TemporaryMade,
            Self::HalfWritten,
            Self::Written,
            Self::Synced,
            Self::Renamed,
            Self::FolderSynced,
            Self::NewCopied,
            Self::CopyRemoved,
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

#[cfg(feature = "failpoints")]
pub(crate) use armed::reached;
#[cfg(feature = "failpoints")]
pub use armed::{at, kill};

#[cfg(not(feature = "failpoints"))]
pub(crate) const fn reached(_: Point) {}
