//! Runs that are killed at every step: this test program runs itself.

use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, Stdio};

use atrest_media::OldFormat;
use atrest_media::failpoints::{self, Point};
use atrest_media::folder::OldFiles;
use atrest_testing::earlier::aes_256_cbc;

use super::*;

const DIR: &str = "ATREST_TEST_STEPS_DIR";
const WORK: &str = "ATREST_TEST_STEPS_WORK";
const POINT: &str = "ATREST_TEST_STEPS_POINT";
const NTH: &str = "ATREST_TEST_STEPS_NTH";

/// Contents by name.
pub(crate) type Files = BTreeMap<String, Vec<u8>>;

const FILES: [(&str, usize); 5] = [
    ("a", 0),
    ("b", 1),
    ("sub/c", 16_384),
    ("sub/d", 100_000),
    ("sub/sub/e", 600_000),
];

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Work {
    Encrypt,
    Rotate,
    Decrypt,
    TakeOver,
}

pub(crate) const ALL: [Work; 4] = [Work::Encrypt, Work::Rotate, Work::Decrypt, Work::TakeOver];

impl Work {
    /// Does it with `root` in a folder; originals go to `kept` beside.
    pub(crate) fn run(self, dir: &Path) -> Report {
        let folder = folder(&dir.join("root"));
        let options = Options {
            workers: 1,
            ..Options::default()
        };
        let old = OldFiles {
            format: OldFormat::Aes256Cbc,
            keyring: Keyring::new(key(9), vec![]).unwrap(),
            originals: Some(dir.join("kept")),
        };
        let done = match self {
            Self::Encrypt => folder.run(Operation::Encrypt, keyring(), &options),
            Self::Rotate => folder.run(Operation::Rotate, next_keyring(), &options),
            Self::Decrypt => folder.run(Operation::Decrypt, keyring(), &options),
            Self::TakeOver => folder.take_over(&old, keyring(), &options),
        };
        done.unwrap()
    }

    /// Has it passed over a file, so that it has the new form?
    fn is_done(self, content: &[u8]) -> bool {
        match self {
            Self::Encrypt | Self::TakeOver => content.starts_with(b"ATREST"),
            Self::Rotate => content[8..12] == key(2).id().0,
            Self::Decrypt => !content.starts_with(b"ATREST"),
        }
    }
}

/// A folder in which this work is to be done. Gives what is clear, and what is there.
pub(crate) fn prepare(dir: &Path, work: Work) -> (Files, Files) {
    let root = dir.join("root");
    let mut clear = BTreeMap::new();
    for (name, length) in FILES {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let content = bytes(length);
        fs::write(
            &path,
            if work == Work::TakeOver {
                aes_256_cbc(&[9; 32], &content)
            } else {
                content.clone()
            },
        )
        .unwrap();
        clear.insert(name.to_owned(), content);
    }
    if matches!(work, Work::Rotate | Work::Decrypt) {
        assert!(run(&root, Operation::Encrypt).is_clean());
    }
    (clear, files(&root))
}

pub(crate) fn files(root: &Path) -> Files {
    let files = contents(root).into_iter();
    files
        .map(|(name, (content, ..))| (String::from_utf8(name).unwrap(), content))
        .collect()
}

pub(crate) fn is_temporary(name: &str) -> bool {
    name.rsplit('/').next().unwrap().starts_with(".atrest-")
}

#[test]
#[ignore = "what the other tests of this file start, to be killed"]
fn child() {
    let number = |name| std::env::var(name).unwrap().parse::<usize>().unwrap();
    let dir = std::env::var_os(DIR).expect("started by another test");
    let nth = number(NTH) as u64;
    failpoints::at(Point::FOLDER[number(POINT)], nth, failpoints::kill);
    ALL[number(WORK)].run(Path::new(&dir));
}

/// Whether the run came to the point, and so was killed.
fn killed_at(dir: &Path, work: Work, point: Point, nth: u64) -> bool {
    let place = |at: Option<usize>| at.unwrap().to_string();
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["steps::child", "--exact", "--ignored"])
        .env(DIR, dir)
        .env(WORK, place(ALL.iter().position(|it| *it == work)))
        .env(
            POINT,
            place(Point::FOLDER.iter().position(|it| *it == point)),
        )
        .env(NTH, nth.to_string())
        .stdout(Stdio::null())
        .status()
        .unwrap();
    let killed = status.signal() == Some(9);
    assert!(killed || status.success(), "{work:?} {point:?}: {status}");
    killed
}

/// Each file is what it was, byte for byte, or opens to what is clear; the same work
/// again ends clean, with nothing beside.
fn check(dir: &Path, work: Work, (clear, before): &(Files, Files), case: &str) {
    let root = dir.join("root");
    let whole = |name: &str, content: &Vec<u8>| {
        if work == Work::Decrypt {
            *content == clear[name]
        } else {
            let ring = next_keyring();
            let opened = atrest_core::object::open_object(&ring, name.as_bytes(), content);
            opened.is_ok_and(|opened| opened == clear[name])
        }
    };
    let mut now = files(&root);
    let all = now.len();
    now.retain(|name, _| !is_temporary(name));
    assert!(all - now.len() <= 1, "{case}: one worker, one file");
    assert!(now.keys().eq(before.keys()), "{case}: {:?}", now.keys());
    let mut left = 0;
    for (name, content) in &now {
        let as_before = *content == before[name];
        left += u64::from(as_before);
        assert!(as_before || whole(name, content), "{case}: {name}");
    }

    let report = work.run(dir);
    assert!(report.is_clean(), "{case}: {report:?}");
    assert_eq!(report.changed.files, left, "{case}: none is done twice");
    let after = files(&root);
    assert!(after.keys().eq(before.keys()), "{case}: {:?}", after.keys());
    for (name, content) in &after {
        assert!(
            work.is_done(content) && whole(name, content),
            "{case}: {name}"
        );
    }
    if work == Work::TakeOver {
        let kept = files(&dir.join("kept"));
        assert!(kept == *before, "{case}: originals {:?}", kept.keys());
    }
}

#[test]
fn killed_at_any_step_every_file_is_whole_and_the_same_run_goes_on() {
    let mut met = [0; Point::FOLDER.len()];
    for work in ALL {
        for (at, point) in Point::FOLDER.into_iter().enumerate() {
            // At the first file, and in the middle of the run.
            for nth in [0, 3] {
                // Where there is one, in memory: `kill -9` loses nothing that was written.
                let memory = Path::new("/dev/shm");
                let dir = match memory.is_dir() {
                    true => tempfile::tempdir_in(memory).unwrap(),
                    false => tempfile::tempdir().unwrap(),
                };
                let prepared = prepare(dir.path(), work);
                if point == Point::LeftOverRemoved {
                    assert!(killed_at(dir.path(), work, Point::Written, nth));
                }
                if killed_at(dir.path(), work, point, nth) {
                    met[at] += 1;
                }
                check(
                    dir.path(),
                    work,
                    &prepared,
                    &format!("{work:?}, {point:?}, {nth}"),
                );
            }
        }
    }
    // Originals are for files taken over alone; there was one left-over file.
    let expected = Point::FOLDER.map(|point| match point {
        Point::LeftOverRemoved => 4,
        Point::KeysMade => 0, // subject_steps.rs
        _ if format!("{point:?}").starts_with("Original") => 2,
        _ => 8,
    });
    assert_eq!(met, expected, "not every step was met");
}
