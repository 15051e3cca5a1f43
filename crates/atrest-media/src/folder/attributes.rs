//! What a new file takes over from the one that it replaces.

use std::ffi::OsStr;
use std::fs::{File, Metadata, Permissions};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

use rustix::fs::{Gid, Timespec, Timestamps, Uid, XattrFlags};
use rustix::io::Errno;

/// Gives `to` the owner, group, mode, extended attributes and times of `from`.
///
/// # Errors
/// Among others, where the owner or group may not be given: whoever read the old file
/// might not be let into the new one.
pub(super) fn carry_over(from: &File, about: &Metadata, to: &File) -> io::Result<()> {
    let new = to.metadata()?;
    let mode = about.mode() & 0o7777;
    let (uid, gid) = (about.uid(), about.gid());
    let owner = (new.uid() != uid).then(|| Uid::from_raw(uid));
    let group = (new.gid() != gid).then(|| Gid::from_raw(gid));
    if owner.is_some() || group.is_some() {
        rustix::fs::fchown(to, owner, group).map_err(|error| match error {
            Errno::PERM => io::Error::new(
                io::ErrorKind::PermissionDenied,
                format!("it belongs to user {uid}, group {gid}, and only root may give a file away; run as root, or as that user"),
            ),
            error => error.into(),
        })?;
    }
    // After the owner, whose change takes the set-id bits away; before the access
    // control lists, which are extended attributes and of which it would change one.
    to.set_permissions(Permissions::from_mode(mode))?;
    extended(from, to)?;
    let times = Timestamps {
        last_access: timespec(about.atime(), about.atime_nsec()),
        last_modification: timespec(about.mtime(), about.mtime_nsec()),
    };
    Ok(rustix::fs::futimens(to, &times)?)
}

const fn timespec(seconds: i64, nanoseconds: i64) -> Timespec {
    Timespec {
        tv_sec: seconds,
        tv_nsec: nanoseconds as _,
    }
}

/// The user's own attributes must come along; those that the system keeps (labels,
/// capabilities) do where it lets us.
fn extended(from: &File, to: &File) -> io::Result<()> {
    let mut names = vec![0; 64 * 1024]; // the most that Linux gives
    let length = match rustix::fs::flistxattr(from, &mut names[..]) {
        Ok(length) => length,
        Err(Errno::NOTSUP) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    let mut value = Vec::new();
    for name in names[..length].split(|byte| *byte == 0) {
        if name.is_empty() {
            continue;
        }
        value.resize(64 * 1024, 0); // likewise
        let name = OsStr::from_bytes(name);
        let done = rustix::fs::fgetxattr(from, name, &mut value[..]).and_then(|length| {
            rustix::fs::fsetxattr(to, name, &value[..length], XattrFlags::empty())
        });
        match done {
            Err(error) if name.as_bytes().starts_with(b"user.") => return Err(error.into()),
            _ => {}
        }
    }
    Ok(())
}
