//! Runs over files of subjects that are killed at every step: this test program runs
//! itself.

use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, Stdio};

use atrest_media::Keys;
use atrest_media::failpoints::{self, Point};

use super::subjects::{Place, content, pattern, subjects_of};
use super::*;

const ROOT: &str = "ATREST_TEST_SUBJECT_STEPS_ROOT";
const URL: &str = "ATREST_TEST_SUBJECT_STEPS_URL";
const WORK: &str = "ATREST_TEST_SUBJECT_STEPS_WORK";
const POINT: &str = "ATREST_TEST_SUBJECT_STEPS_POINT";
const NTH: &str = "ATREST_TEST_SUBJECT_STEPS_NTH";

const ALL: [Operation; 3] = [Operation::Encrypt, Operation::Rotate, Operation::Decrypt];

#[test]
#[ignore = "what the other test of this file starts, to be killed"]
fn child() {
    let number = |name| std::env::var(name).unwrap().parse::<usize>().unwrap();
    let root = std::env::var_os(ROOT).expect("started by the other test");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let subjects = subjects_of(&runtime, &std::env::var(URL).unwrap(), Vec::new());
    let _in = runtime.enter();
    let keyrings = atrest_media::SubjectKeyrings::new(subjects, pattern());
    let keys = Keys::new(std::sync::Arc::new(keyrings));
    failpoints::at(
        Point::FOLDER[number(POINT)],
        number(NTH) as u64,
        failpoints::kill,
    );
    let options = Options {
        workers: 1,
        ..Options::default()
    };
    let folder = folder(Path::new(&root));
    let report = folder.run(ALL[number(WORK)], &keys, &options).unwrap();
    assert!(report.is_clean(), "{report:?}");
}

fn killed_at(place: &Place, work: usize, point: usize, nth: usize) -> bool {
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["subject_steps::child", "--exact", "--ignored"])
        .env(ROOT, place.root())
        .env(URL, place.scratch.url())
        .env(WORK, work.to_string())
        .env(POINT, point.to_string())
        .env(NTH, nth.to_string())
        .stdout(Stdio::null())
        .status()
        .unwrap();
    let killed = status.signal() == Some(9);
    assert!(killed || status.success(), "{work} {point} {nth}: {status}");
    killed
}

#[test]
fn killed_at_any_step_every_file_opens_and_the_same_run_goes_on() {
    let mut met = 0;
    for (work, operation) in ALL.into_iter().enumerate() {
        for (at, point) in Point::FOLDER.into_iter().enumerate() {
            for nth in [0, 3] {
                let place = Place::with(3, 2);
                match operation {
                    Operation::Encrypt => {}
                    // From the key that everybody shares to those of each.
                    Operation::Rotate => assert!(run(place.root(), Operation::Encrypt).is_clean()),
                    _ => assert!(place.run(Operation::Encrypt, &place.keys()).is_clean()),
                }
                if !killed_at(&place, work, at, nth) {
                    continue;
                }
                met += 1;
                let case = format!("{operation:?}, {point:?}, {nth}");
                let keys = place.keys();
                let report = place.run(Operation::Verify, &keys);
                assert!(report.undecryptable.is_empty(), "{case}: {report:?}");
                assert_eq!(report.total, 7, "{case}");
                let report = place.run(operation, &keys);
                assert!(report.is_clean(), "{case}: {report:?}");
                let report = place.run(Operation::Verify, &keys);
                match operation {
                    Operation::Decrypt => assert_eq!(report.clear.files, 7, "{case}"),
                    _ => assert_eq!(
                        (
                            report.by_subject.files,
                            report.to_rotate.files,
                            report.clear.files
                        ),
                        (6, 0, 0),
                        "{case}"
                    ),
                }
                place.run(Operation::Decrypt, &keys);
                for person in 0..3 {
                    for number in 0..2 {
                        let name = format!("people/p{person}/{number}/{number}");
                        let now = fs::read(place.root().join(name)).unwrap();
                        assert!(now == content(person, number), "{case}");
                    }
                }
                assert_eq!(
                    contents(place.root()).len(),
                    7,
                    "{case}: nothing is left over"
                );
            }
        }
    }
    // Nine steps of a file, of three operations, at two files; and keys that were made
    // by two of them, once.
    assert_eq!(met, 9 * 3 * 2 + 2, "not every step was met");
}
