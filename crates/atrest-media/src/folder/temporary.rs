use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use rustix::fs::{AtFlags, Mode, OFlags, openat, renameat, statat, unlinkat};
use rustix::io::Errno;

use super::Why;
use super::place::Source;
use crate::failpoints::{Point, reached};
use crate::inplace::{Failure, temporary};

/// What tells files apart (the first two), and what a write changes. Not the time of
/// the last change of status: an exchange of names is one.
type Mark = [i128; 8];

/// A file beside a [`Source`] that is to take its place. Removed unless it did.
pub(super) struct Temporary<'s> {
    source: &'s Source,
    name: String,
    pub(super) file: File,
    remove: bool,
}

impl<'s> Temporary<'s> {
    /// An empty file that only its owner can read, locked as long as it is open: so
    /// that no other run takes it for one that was left over.
    pub(super) fn beside(source: &'s Source) -> Result<Self, Failure> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let name = temporary();
        let file = openat(&source.folder, &name, flags, Mode::RUSR | Mode::WUSR);
        let file = file.map_err(|error| Failure::io("making a temporary file")(error.into()))?;
        let temporary = Self {
            source,
            name,
            file: File::from(file),
            remove: true,
        };
        // Where files cannot be locked, the lock of the root has to do.
        let _ = temporary.file.try_lock();
        Ok(temporary)
    }

    /// Gives it the source's name, durably. The source must have been checked just
    /// now, and this file be durable.
    ///
    /// The two exchange names, so that what a writer put there or removed since the
    /// check is not lost: it is seen, and has its name back. Where the file system
    /// knows no exchange, such a write is lost.
    pub(super) fn place(mut self) -> Result<(), Failure> {
        let failed = |error: Errno| Failure::io("putting the new file in its place")(error.into());
        match self.exchange() {
            Ok(()) => {
                reached(Point::Exchanged);
                self.settle()?;
                // The old file is under the temporary name now.
                self.remove = false;
                self.unlink().map_err(|error| {
                    Failure::Skipped(Why::Failed(format!(
                        "its new form is there, and removing the old one, {}, failed: {error}",
                        self.name
                    )))
                })?;
            }
            Err(Errno::NOENT) => return Err(Failure::Skipped(Why::Vanished)),
            Err(Errno::NOSYS | Errno::INVAL | Errno::NOTSUP) => {
                let folder = &self.source.folder;
                renameat(folder, &self.name, folder, self.source_name()).map_err(failed)?;
                self.remove = false;
                reached(Point::Exchanged);
            }
            Err(error) => return Err(failed(error)),
        }
        reached(Point::OldRemoved);
        // Too late to say that nothing was done; a crash may still undo the exchange.
        let _ = self.source.folder.sync_all();
        reached(Point::FolderSynced);
        Ok(())
    }

    /// Looks at what this file took the place of. If it is not the source, a writer
    /// came first: it has its name back, and so has any that comes meanwhile.
    fn settle(&mut self) -> Result<(), Failure> {
        // What is under the temporary name may be the only copy of what a writer wrote.
        self.remove = false;
        let name = self.name.clone();
        let lost = |error: Errno| {
            Failure::Skipped(Why::Failed(format!(
                "a program replaced it meanwhile, and giving that file its name back failed \
                 ({error}): it is {name} now; move it before the next run"
            )))
        };
        let mut other = self.mark().map_err(lost)?;
        if other == self.source_mark() {
            return Ok(());
        }
        let own = self.file.metadata();
        let own = own.map_err(Failure::io("looking at the new file"))?;
        let mut placed: Mark = [0; 8];
        (placed[0], placed[1]) = (own.dev().into(), own.ino().into());
        loop {
            match self.exchange() {
                Ok(()) => {}
                // Removed since: with what was there before, whatever that was.
                Err(Errno::NOENT) => {
                    self.remove = true;
                    return Err(Failure::Skipped(Why::Vanished));
                }
                Err(error) => return Err(lost(error)),
            }
            let back = self.mark().map_err(lost)?;
            if back[..2] == placed[..2] {
                self.remove = true;
                return Err(Failure::Skipped(Why::Changed));
            }
            (placed, other) = (other, back);
        }
    }

    fn source_name(&self) -> &OsStr {
        self.source.name.as_os_str()
    }

    fn source_mark(&self) -> Mark {
        let about = &self.source.about;
        [
            about.dev().into(),
            about.ino().into(),
            about.len().into(),
            about.mtime().into(),
            about.mtime_nsec().into(),
            about.mode().into(),
            about.uid().into(),
            about.gid().into(),
        ]
    }

    /// Of what has the temporary name.
    fn mark(&self) -> rustix::io::Result<Mark> {
        let name = Path::new(&self.name);
        let stat = statat(&self.source.folder, name, AtFlags::SYMLINK_NOFOLLOW)?;
        Ok([
            stat.st_dev.into(),
            stat.st_ino.into(),
            stat.st_size.into(),
            stat.st_mtime.into(),
            stat.st_mtime_nsec.into(),
            stat.st_mode.into(),
            stat.st_uid.into(),
            stat.st_gid.into(),
        ])
    }

    /// Whatever has the temporary name and what has the source's exchange their names.
    #[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
    fn exchange(&self) -> rustix::io::Result<()> {
        use rustix::fs::{RenameFlags, renameat_with};
        let folder = &self.source.folder;
        let name = self.source_name();
        renameat_with(folder, &self.name, folder, name, RenameFlags::EXCHANGE)
    }

    #[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
    fn exchange(&self) -> rustix::io::Result<()> {
        Err(Errno::NOSYS)
    }

    fn unlink(&self) -> rustix::io::Result<()> {
        unlinkat(&self.source.folder, &self.name, AtFlags::empty())
    }
}

impl Drop for Temporary<'_> {
    fn drop(&mut self) {
        if self.remove {
            let _ = self.unlink();
        }
    }
}
