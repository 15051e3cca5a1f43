//! Core dumps of the command, and who may read its memory.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

/// Somebody who is not root.
const NOBODY: u32 = 65_534;

/// What the kernel says of `atrest file seal` at work: the limit of its core file, and
/// who owns its entry in `/proc`, which is root where a process is not dumpable.
fn at_work(allow: Option<&str>) -> (String, u32) {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let policy = "[keys]\nprimary = \"env:KEY\"\n";
    fs::write(folder.path().join("atrest.toml"), policy).unwrap();
    // Somebody who is not root may not get to where it was built.
    let binary = folder.path().join("atrest");
    let built = env!("CARGO_BIN_EXE_atrest");
    if fs::hard_link(built, &binary).is_err() {
        fs::copy(built, &binary).unwrap();
        fs::set_permissions(&binary, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let mut command = Command::new(binary);
    command
        .args(["file", "seal", "-", "-"])
        .current_dir(folder.path())
        .env_clear()
        .env("KEY", "07".repeat(32))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    if let Some(value) = allow {
        command.env("ATREST_ALLOW_CORE_DUMPS", value);
    }
    if rustix::process::geteuid().is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    let mut child = command.spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    // It is at work when something comes out; it ends when its input is closed.
    let writer = std::thread::spawn(move || {
        input.write_all(&vec![7; 16 << 20]).unwrap();
        input
    });
    let mut output = child.stdout.take().unwrap();
    output.read_exact(&mut [0; 72]).unwrap();
    let pid = child.id();
    let limits = fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    let owner = fs::metadata(format!("/proc/{pid}/mem")).unwrap().uid();
    let rest = std::thread::spawn(move || output.read_to_end(&mut Vec::new()).unwrap());
    drop(writer.join().unwrap());
    rest.join().unwrap();
    assert!(child.wait().unwrap().success());
    let core = limits.lines().find(|l| l.starts_with("Max core file size"));
    let core = core.unwrap().split_whitespace().skip(4).take(2);
    (core.collect::<Vec<_>>().join(" "), owner)
}

#[test]
fn core_dumps_are_off_unless_the_environment_asks_for_them() {
    let me = match rustix::process::geteuid().as_raw() {
        0 => NOBODY,
        me => me,
    };
    for value in [None, Some(""), Some("0"), Some("yes")] {
        assert_eq!(at_work(value), ("0 0".to_owned(), 0), "{value:?}");
    }
    let (limit, owner) = at_work(Some("1"));
    assert_eq!(owner, me);
    let own = fs::read_to_string("/proc/self/limits").unwrap();
    let own = own.lines().find(|l| l.starts_with("Max core file size"));
    let own: Vec<_> = own.unwrap().split_whitespace().skip(4).take(2).collect();
    assert_eq!(limit, own.join(" "), "it is as it was");
}
