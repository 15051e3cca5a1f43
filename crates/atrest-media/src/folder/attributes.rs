//! What a new file takes over from the one that it replaces.

use std::ffi::OsStr;
use std::fs::{File, Metadata, Permissions};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

use rustix::fs::{Gid, Timespec, Timestamps, Uid, XattrFlags};
use rustix::io::Errno;

/// Gives `to` the owner and group (where that is allowed), mode, extended attributes
/// and times of `from`.
pub(super) fn carry_over(from: &File, about: &Metadata, to: &File) -> io::Result<()> {
    let new = to.metadata()?;
    let mut mode = about.mode() & 0o7777;
    if new.gid() != about.gid() && !allowed(group(to, about.gid()))? {
        mode &= !0o2000; // it would run as another group's
    }
    if new.uid() != about.uid() && !allowed(owner(to, about.uid()))? {
        mode &= !0o4000;
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

fn owner(file: &File, id: u32) -> rustix::io::Result<()> {
    rustix::fs::fchown(file, Some(Uid::from_raw(id)), None)
}

fn group(file: &File, id: u32) -> rustix::io::Result<()> {
    rustix::fs::fchown(file, None, Some(Gid::from_raw(id)))
}

fn allowed(done: rustix::io::Result<()>) -> io::Result<bool> {
    match done {
        Ok(()) => Ok(true),
        Err(Errno::PERM) => Ok(false),
        Err(error) => Err(error.into()),
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
