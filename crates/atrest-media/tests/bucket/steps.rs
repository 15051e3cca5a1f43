//! Runs that are killed at every step, and writers that come just then: this test program
//! runs itself. The twin of `folder/steps.rs` and `folder/raced.rs`.

use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use atrest_media::bucket::MoveError;
use atrest_media::failpoints::{self, Point};
use atrest_testing::server;
use object_store::{Attribute, TagSet};

use super::versions::tags_of;
use super::*;

const PREFIX: &str = "ATREST_TEST_STEPS_PREFIX";
const WORK: &str = "ATREST_TEST_STEPS_WORK";
const POINT: &str = "ATREST_TEST_STEPS_POINT";
const NTH: &str = "ATREST_TEST_STEPS_NTH";

/// More than goes in one request, clear or sealed.
const LONG: usize = 8 * MIB + 1;

/// It takes its time.
fn long() -> &'static Vec<u8> {
    static BYTES: OnceLock<Vec<u8>> = OnceLock::new();
    BYTES.get_or_init(|| bytes(LONG))
}

/// Contents by name.
type Clear = BTreeMap<&'static str, Vec<u8>>;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Work {
    Encrypt,
    Rotate,
    Decrypt,
    /// Encrypts what has tags, and removes the clear versions.
    Purge,
    MoveShort,
    MoveLong,
    /// Takes over what an earlier system encrypted; originals go to a folder.
    TakeOver,
}

use Work::{Decrypt, Encrypt, MoveLong, MoveShort, Purge, Rotate, TakeOver};

const ALL: [Work; 7] = [
    Encrypt, Rotate, Decrypt, Purge, MoveShort, MoveLong, TakeOver,
];

impl Work {
    fn place(self, prefix: Option<&str>) -> Place {
        let server = match self {
            Purge => server::s3_versioned(),
            _ => server::s3(),
        };
        match prefix {
            Some(prefix) => Place::at(&server, prefix),
            None => Place::on(&server),
        }
    }

    const fn lengths(self) -> &'static [(&'static str, usize)] {
        match self {
            Encrypt | Rotate | Decrypt => &[
                ("a", 0),
                ("b", 1),
                ("sub/c", 16_384),
                ("sub/d", 100_000),
                ("sub/e", LONG),
            ],
            Purge => &[("a", 10), ("sub/b", 100_000)],
            TakeOver => &[("a", 10), ("sub/b", LONG)],
            MoveShort => &[("old", 100_000)],
            MoveLong => &[("old", LONG)],
        }
    }

    fn clear(self) -> Clear {
        let bytes = |length: usize| match length {
            LONG => long().clone(),
            _ => bytes(length),
        };
        let clear = self.lengths().iter();
        clear
            .map(|(name, length)| (*name, bytes(*length)))
            .collect()
    }

    /// How often the work comes to a point, undisturbed.
    fn meets(self, point: Point) -> u64 {
        let moves = matches!(self, MoveShort | MoveLong);
        let count = self.lengths().len() as u64;
        match (point, self) {
            // One is short, one in parts; both are opened before the first changes.
            (Point::Looked, TakeOver) => 2 * count,
            (Point::ContentBegun, TakeOver) => 2,
            (Point::ContentReady | Point::ContentPut, TakeOver) => 1,
            (
                Point::OriginalFolderMade
                | Point::OriginalMade
                | Point::OriginalCopied
                | Point::OriginalSynced
                | Point::OriginalNamed
                | Point::OriginalFolderSynced,
                TakeOver,
            ) => count,
            // That nothing is overwritten, and nothing removed that was changed.
            (Point::ProbePut | Point::ConditionsTried | Point::ProbeRemoved, _) => {
                1 + u64::from(moves)
            }
            (Point::Looked, _) => {
                if moves {
                    0
                } else {
                    count
                }
            }
            // What is short and to be sealed comes with the look.
            (Point::ContentBegun, Encrypt) => 1,
            (Point::ContentBegun, Purge) => 0,
            (Point::ContentBegun | Point::TagsRead, _) => count,
            (Point::ContentReady | Point::ContentPut, Encrypt | Rotate | Decrypt) => count - 1,
            (Point::ContentReady | Point::ContentPut, MoveLong) => 0,
            (Point::ContentReady | Point::ContentPut, _) => count,
            (Point::PartPut, Encrypt | Rotate | Decrypt | MoveLong | TakeOver) => 2,
            (
                Point::UploadBegun | Point::PartsPut | Point::UploadCompleted,
                Encrypt | Rotate | Decrypt | MoveLong | TakeOver,
            ) => 1,
            (Point::VersionProven | Point::VersionRemoved, Purge) => count,
            (Point::NewNameProven | Point::OldNameRemoved, MoveShort | MoveLong) => 1,
            (Point::LeftOverRemoved, _) => u64::from(!moves),
            _ => 0,
        }
    }

    async fn prepare(self, place: &Place) {
        let sealed = !matches!(self, Encrypt | Purge | TakeOver);
        for (name, content) in self.clear() {
            let mut tags = TagSet::default();
            if self == Purge {
                tags.push("class", "personal data +1=a/b");
            }
            let options = PutOptions {
                attributes: Attributes::from_iter([
                    (Attribute::ContentType, "video/mp4"),
                    (Attribute::Metadata("camera".into()), "gate 1"),
                ]),
                tags,
                ..PutOptions::default()
            };
            let content = match sealed {
                true => {
                    atrest_core::object::seal_object(&keyring(), name.as_bytes(), &content).unwrap()
                }
                false if self == TakeOver => cbc(&content),
                false => content,
            };
            let name = path(name);
            let put = place.store.put_opts(&name, content.into(), options);
            put.await.unwrap();
        }
    }

    /// Gives how many were changed.
    async fn run(self, place: &Place) -> Result<u64, MoveError> {
        let options = Options {
            workers: 1,
            ..Options::default()
        };
        let bucket = place.bucket().purge_versions(self == Purge);
        if self == TakeOver {
            let old = old_files(Some(originals(place)));
            let report = bucket.take_over(&old, &keyring(), &options).await.unwrap();
            assert!(report.is_clean(), "{report:?}");
            return Ok(report.changed.files);
        }
        let (operation, ring) = match self {
            Encrypt | Purge => (Operation::Encrypt, keyring()),
            Rotate => (Operation::Rotate, next_keyring()),
            Decrypt => (Operation::Decrypt, keyring()),
            MoveShort | MoveLong => {
                let to = (&bucket, "new");
                bucket.rename("old", to, &keyring(), &options).await?;
                return Ok(1);
            }
            TakeOver => unreachable!("it returned"),
        };
        let report = bucket.run(operation, &ring, &options).await.unwrap();
        assert!(report.is_clean(), "{report:?}");
        assert_eq!(report.versions.problem, None);
        if self == Purge {
            assert_eq!(report.versions.clear.files, 0, "{report:?}");
        }
        Ok(report.changed.files)
    }
}

/// Where originals go: known by the place's name to the process that is killed, too.
fn originals(place: &Place) -> std::path::PathBuf {
    let prefix = place.store.to_string();
    let name: String = prefix.chars().filter(char::is_ascii_alphanumeric).collect();
    std::env::temp_dir().join(format!("atrest-originals-{name}"))
}

#[tokio::test]
#[ignore = "what the other tests of this file start, to be killed"]
async fn child() {
    let text = |name| std::env::var(name).expect("started by another test");
    let number = |name| text(name).parse::<usize>().unwrap();
    let work = ALL[number(WORK)];
    let place = work.place(Some(&text(PREFIX)));
    let point = Point::BUCKET[number(POINT)];
    failpoints::at(point, number(NTH) as u64, failpoints::kill);
    work.run(&place).await.unwrap();
}

/// Whether the run came to the point, and so was killed.
fn killed_at(place: &Place, work: Work, point: Point, nth: u64) -> bool {
    let index = |at: Option<usize>| at.unwrap().to_string();
    let mut points = Point::BUCKET.iter();
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["steps::child", "--exact", "--ignored"])
        .env(PREFIX, place.url.split_once("atrest/").unwrap().1)
        .env(WORK, index(ALL.iter().position(|it| *it == work)))
        .env(POINT, index(points.position(|it| *it == point)))
        .env(NTH, nth.to_string())
        .stdout(Stdio::null())
        .status()
        .unwrap();
    let killed = status.signal() == Some(9);
    assert!(killed || status.success(), "{work:?} {point:?}: {status}");
    killed
}

type Contents = BTreeMap<String, (Vec<u8>, BTreeMap<String, String>)>;

fn is_probe(name: &str) -> bool {
    name.rsplit('/').next().unwrap().starts_with(".atrest-")
}

/// Each object is what it was, byte for byte, or opens to what is clear, with all that it
/// had; the same work again ends clean, with nothing beside.
async fn check(place: &Place, work: Work, before: &Contents, tags: &[String], case: &str) {
    let clear = work.clear();
    let moves = matches!(work, MoveShort | MoveLong);
    let whole = |name: &str, content: &[u8]| {
        let clear = &clear[if moves { "old" } else { name }];
        if work == Decrypt {
            return content == clear;
        }
        let opened = atrest_core::object::open_object(&next_keyring(), name.as_bytes(), content);
        opened.is_ok_and(|opened| opened == *clear)
    };
    let mut now = place.contents().await;
    let all = now.len();
    now.retain(|name, _| !is_probe(name));
    assert!(all - now.len() <= 1, "{case}: one probe at a time");
    let mut left = 0;
    for (name, (content, attributes)) in &now {
        let was = before.get(name);
        let as_before = was.is_some_and(|(was, _)| was == content);
        left += u64::from(as_before);
        assert!(as_before || whole(name, content), "{case}: {name}");
        let had = &before[if moves { "old" } else { name }].1;
        assert_eq!(attributes, had, "{case}: {name}");
    }
    match moves {
        true => assert!(!now.is_empty(), "{case}"),
        false => assert!(now.keys().eq(before.keys()), "{case}: {:?}", now.keys()),
    }

    match work.run(place).await {
        Ok(done) => assert_eq!(done, left, "{case}: none is done twice"),
        // It was killed when all was done.
        Err(MoveError::Missing { .. }) if left == 0 => {}
        Err(error) => panic!("{case}: {error}"),
    }
    if moves {
        // What was tried on, the next run removes.
        assert!(place.run(Operation::Encrypt).await.is_clean());
    }
    let after = place.contents().await;
    match moves {
        true => assert!(after.keys().eq(["new"]), "{case}: {:?}", after.keys()),
        false => assert!(after.keys().eq(before.keys()), "{case}: {:?}", after.keys()),
    }
    for (name, (content, attributes)) in &after {
        let had = &before[if moves { "old" } else { name }];
        assert!(
            whole(name, content) && *attributes == had.1,
            "{case}: {name}"
        );
        assert!(moves || *content != had.0, "{case}: {name} is not done");
    }
    if work == TakeOver {
        let kept = originals(place);
        for (name, (content, _)) in before {
            assert!(
                std::fs::read(kept.join(name)).unwrap() == *content,
                "{case}: the original of {name}"
            );
        }
        let files = walked(&kept);
        assert_eq!(files.len(), before.len(), "{case}: {files:?}");
        std::fs::remove_dir_all(kept).unwrap();
    }
    if work == Purge {
        assert_eq!(tags_of_all(place, work), tags, "{case}");
    }
}

/// All files below a folder.
fn walked(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .flat_map(|path| match path.is_dir() {
            true => walked(&path),
            false => vec![path],
        })
        .collect()
}

fn tags_of_all(place: &Place, work: Work) -> Vec<String> {
    let names = work.clear().into_keys();
    match work {
        Purge => names.map(|name| tags_of(place, name)).collect(),
        _ => vec![],
    }
}

#[tokio::test]
async fn killed_at_any_step_every_object_is_whole_and_the_same_work_goes_on() {
    let mut kills = 0;
    for work in ALL {
        for point in Point::BUCKET {
            // At the first object, and at the last.
            let meets = work.meets(point);
            for nth in (0..meets).filter(|nth| *nth == 0 || *nth == meets - 1) {
                let case = format!("{work:?}, {point:?}, {nth}");
                let place = work.place(None);
                work.prepare(&place).await;
                let (before, tags) = (place.contents().await, tags_of_all(&place, work));
                if point == Point::LeftOverRemoved {
                    assert!(killed_at(&place, work, Point::ProbePut, 0));
                }
                assert!(killed_at(&place, work, point, nth), "{case}: not met");
                kills += 1;
                check(&place, work, &before, &tags, &case).await;
            }
        }
    }
    // Each point of each work that comes to it.
    assert_eq!(kills, 128);
}

/// Whether this is the process of its own; if it is not, there was one, and it passed.
fn alone(name: &str) -> bool {
    const ALONE: &str = "ATREST_TEST_ALONE";
    if std::env::var_os(ALONE).is_some() {
        return true;
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .args([&format!("steps::{name}"), "--exact"])
        .env(ALONE, "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{text}"
    );
    false
}

/// Has somebody put something when this process comes to the point, once.
fn put_at(point: Point, place: &Place, name: &'static str) {
    let store = place.store.clone();
    failpoints::at(point, 0, move || {
        let put = async move { store.put(&path(name), "somebody's".into()).await };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let put = move || runtime.unwrap().block_on(put).unwrap();
        std::thread::spawn(put).join().unwrap();
    });
}

#[tokio::test]
async fn what_is_written_in_the_last_moment_is_not_overwritten() {
    if !alone("what_is_written_in_the_last_moment_is_not_overwritten") {
        return;
    }
    for (length, point) in [(1_000, Point::ContentReady), (LONG, Point::PartsPut)] {
        let place = Place::on(&server::s3());
        place.put("a", bytes(length)).await;
        put_at(point, &place, "a");
        let report = place.run(Operation::Encrypt).await;
        assert_eq!(skipped(&report), [("a", &Why::Changed)]);
        assert_eq!(place.get("a").await, b"somebody's");
    }
}

#[tokio::test]
async fn a_new_name_that_is_taken_in_the_last_moment_is_not_overwritten() {
    if !alone("a_new_name_that_is_taken_in_the_last_moment_is_not_overwritten") {
        return;
    }
    for (work, point) in [
        (MoveShort, Point::ContentReady),
        (MoveLong, Point::PartsPut),
    ] {
        let place = work.place(None);
        work.prepare(&place).await;
        let before = place.get("old").await;
        put_at(point, &place, "new");
        let error = work.run(&place).await.unwrap_err();
        assert!(matches!(error, MoveError::Exists { .. }), "{error}");
        assert_eq!(place.get("new").await, b"somebody's");
        assert!(place.get("old").await == before);
    }
}

#[tokio::test]
async fn what_is_written_under_the_old_name_in_the_last_moment_stays() {
    if !alone("what_is_written_under_the_old_name_in_the_last_moment_stays") {
        return;
    }
    for server in [server::s3(), server::s3_versioned()] {
        let place = Place::on(&server);
        MoveShort.prepare(&place).await;
        put_at(Point::NewNameProven, &place, "old");
        let error = MoveShort.run(&place).await.unwrap_err();
        assert!(matches!(error, MoveError::Changed { .. }), "{error}");
        assert_eq!(place.get("old").await, b"somebody's");
        assert!(place.open("new").await == bytes(100_000));
    }
}
