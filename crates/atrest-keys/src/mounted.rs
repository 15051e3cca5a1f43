//! Files that an orchestrator mounts: where such files lie.

use std::fs;
use std::path::Path;

/// How a file is kept from what else runs on the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Held {
    /// On a mount that nothing can be written to.
    ReadOnly,
    /// In memory (tmpfs, ramfs), or where an orchestrator mounts secrets.
    InMemory,
}

/// Where orchestrators mount secrets.
const FOLDERS: [&str; 2] = ["/run/secrets", "/var/run/secrets"];

/// How the file that was opened at `path` is held; `None`: as any other file.
pub(crate) fn holds(path: &Path, file: &fs::File) -> Option<Held> {
    let place = fs::canonicalize(path).is_ok_and(|path| is_below(&path));
    mount(file).or(place.then_some(Held::InMemory))
}

/// Of a path without symbolic links.
fn is_below(path: &Path) -> bool {
    FOLDERS.iter().any(|folder| path.starts_with(folder))
}

#[cfg(target_os = "linux")]
fn mount(file: &fs::File) -> Option<Held> {
    use rustix::fs::{StatVfsMountFlags, fstatfs, fstatvfs};
    /// `TMPFS_MAGIC` and `RAMFS_MAGIC` of linux/magic.h.
    const IN_MEMORY: [u32; 2] = [0x0102_1994, 0x8584_58f6];
    if fstatvfs(file).is_ok_and(|stat| stat.f_flag.contains(StatVfsMountFlags::RDONLY)) {
        return Some(Held::ReadOnly);
    }
    // The field's type differs from one machine to the next; the number has 32 bits.
    let kind = fstatfs(file).ok()?.f_type.to_le_bytes();
    let kind = kind.first_chunk::<4>().copied().map(u32::from_le_bytes)?;
    IN_MEMORY.contains(&kind).then_some(Held::InMemory)
}

#[cfg(not(target_os = "linux"))]
fn mount(_: &fs::File) -> Option<Held> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orchestrators_mount_secrets_below_two_folders() {
        for (path, want) in [
            ("/run/secrets/key", true),
            ("/var/run/secrets/app/key", true),
            ("/run/secretsx/key", false),
            ("/home/run/secrets/key", false),
            ("/run/key", false),
        ] {
            assert_eq!(is_below(Path::new(path)), want, "{path}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn linux_says_what_a_file_lies_on() {
        let shared = Path::new("/dev/shm");
        let file = tempfile::NamedTempFile::new_in(shared).unwrap();
        assert_eq!(holds(file.path(), file.as_file()), Some(Held::InMemory));
        let file = fs::File::open("/proc/self/status").unwrap();
        assert_eq!(holds(Path::new("/proc/self/status"), &file), None);
    }
}
