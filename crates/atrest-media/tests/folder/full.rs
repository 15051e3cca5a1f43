//! Disks that are full: a small file system in a namespace of its own, in which this
//! test program runs itself.

use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::process::Command;

use super::steps::{ALL, Work, files, is_temporary, prepare};
use super::*;

const DISK: &str = "ATREST_TEST_FULL_DISK";
const LARGE: &str = "sub/sub/e";

/// Takes all but 300,000 bytes of the disk.
fn fill(disk: &Path) {
    let mut filler = File::create(disk.join("filler")).unwrap();
    let mut length = 0;
    let error = loop {
        match filler.write(&[7; 4096]) {
            Ok(written) => length += written as u64,
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), ErrorKind::StorageFull);
    filler.set_len(length - 300_000).unwrap();
}

/// Where the disk ends: below the files themselves, or below the originals.
fn without_room(work: Work, disk: &Path, dir: &Path) {
    let (_, before) = prepare(dir, work);
    fill(disk);
    let report = work.run(dir);
    assert_eq!(report.changed.files, 4, "{work:?}: {report:?}");
    let [(name, why)] = &skipped(&report)[..] else {
        panic!("{work:?}: {report:?}")
    };
    let text = why.to_string();
    assert_eq!(*name, LARGE);
    assert!(text.contains("No space left on device"), "{work:?}: {text}");
    assert!(text.ends_with("; it is as it was"), "{work:?}: {text}");
    assert!(!report.is_clean());
    let after = files(&dir.join("root"));
    assert!(after.keys().eq(before.keys()), "{work:?}: nothing beside");
    assert!(after[LARGE] == before[LARGE], "{work:?}");
    if work == Work::TakeOver {
        let kept = files(&dir.join("kept"));
        assert!(
            !kept.keys().any(|name| is_temporary(name)),
            "{:?}",
            kept.keys()
        );
        assert!(kept.iter().all(|(name, content)| *content == before[name]));
    }

    fs::remove_file(disk.join("filler")).unwrap();
    let report = work.run(dir);
    assert!(
        report.is_clean() && report.changed.files == 1,
        "{work:?}: {report:?}"
    );
    if work == Work::TakeOver {
        assert!(files(&dir.join("kept")) == before);
    }
}

#[test]
#[ignore = "what the next test starts, on a disk of 4 MiB"]
fn child() {
    let disk = std::env::var_os(DISK).expect("started by the other test");
    let disk = Path::new(&disk);
    for work in ALL {
        let dir = disk.join("here");
        fs::create_dir(&dir).unwrap();
        without_room(work, disk, &dir);
        fs::remove_dir_all(dir).unwrap();
    }
    // The files have room, and their originals have none.
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(disk.join("kept")).unwrap();
    std::os::unix::fs::symlink(disk.join("kept"), dir.path().join("kept")).unwrap();
    without_room(Work::TakeOver, disk, dir.path());
    println!("all of it was done");
}

#[test]
#[cfg(target_os = "linux")]
fn on_a_full_disk_a_file_stays_as_it_was_and_the_others_are_done() {
    let disk = tempfile::tempdir().unwrap();
    let run = |script: &str| {
        let mut command = Command::new("unshare");
        command.args(["--map-root-user", "--mount", "bash", "-ec", script]);
        command
            .arg(disk.path())
            .arg(std::env::current_exe().unwrap());
        command.env(DISK, disk.path()).output().unwrap()
    };
    let mount = "mount -t tmpfs -o size=4m none \"$0\"";
    let possible = run(mount);
    if !possible.status.success() {
        // Past what the test harness keeps to itself.
        let told = "NOT TESTED: a full disk; no file system can be mounted here";
        writeln!(std::io::stderr(), "{told}: {possible:?}").unwrap();
        return;
    }
    let output = run(&format!(
        "{mount}; exec \"$1\" full::child --exact --ignored --nocapture"
    ));
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("all of it was done"),
        "{text}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
