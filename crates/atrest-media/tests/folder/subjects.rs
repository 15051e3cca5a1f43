//! Files of subjects: each one's under a key of its own, and what becomes of them when
//! one is forgotten.

use std::ffi::OsStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use atrest_core::object::{ObjectHeader, open_object};
use atrest_engine::policy::{FilesPolicy, SubjectPattern};
use atrest_engine::restore::RestoreMode;
use atrest_engine::subjects::{SubjectError, SubjectKeyring, Subjects};
use atrest_engine::target::Database;
use atrest_media::folder::{ExportFolder, Restored};
use atrest_media::{FileKeys, Keyrings, Keys, SubjectKeyrings};
use atrest_testing::ScratchDatabase;
use jiff::Timestamp;

use super::*;

/// A folder, a database for keys, and a runtime for both.
pub(crate) struct Place {
    pub(crate) runtime: tokio::runtime::Runtime,
    pub(crate) scratch: ScratchDatabase,
    pub(crate) dir: tempfile::TempDir,
}

pub(crate) fn pattern() -> SubjectPattern {
    "people/{subject}/**".parse().unwrap()
}

fn policy() -> FilesPolicy {
    FilesPolicy {
        location: "clips".into(),
        include: vec![],
        exclude: vec![],
        bind: ObjectBind::Path,
        subject: Some(pattern()),
        line: 1,
    }
}

impl Place {
    pub(crate) fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let scratch = runtime.block_on(ScratchDatabase::sqlite());
        let dir = tempfile::tempdir().unwrap();
        Self {
            runtime,
            scratch,
            dir,
        }
    }

    /// Files of people, and of nobody.
    pub(crate) fn with(people: usize, each: usize) -> Self {
        let place = Self::new();
        for person in 0..people {
            for number in 0..each {
                place.put(
                    &format!("people/p{person}/{}/{number}", number % 3),
                    &content(person, number),
                );
            }
        }
        place.put("readme", b"nobody's");
        place
    }

    pub(crate) fn root(&self) -> &Path {
        self.dir.path()
    }

    fn put(&self, name: &str, content: &[u8]) {
        let path = self.root().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    pub(crate) fn subjects(&self, forgotten: Vec<(String, Vec<KeyId>)>) -> Arc<Subjects> {
        subjects_of(&self.runtime, self.scratch.url(), forgotten)
    }

    pub(crate) fn keys(&self) -> Keys {
        self.keys_of(self.subjects(Vec::new()))
    }

    fn keys_of(&self, subjects: Arc<Subjects>) -> Keys {
        let _in = self.runtime.enter();
        Keys::of(&policy(), &keyring(), Some(&subjects)).unwrap()
    }

    pub(crate) fn run(&self, operation: Operation, keys: &Keys) -> Report {
        folder(self.root())
            .run(operation, keys, &Options::default())
            .unwrap()
    }

    fn forget(&self, subject: &str) -> (String, Vec<KeyId>) {
        let subjects = self.subjects(Vec::new());
        let (tag, now) = (subjects.tag(subject), Timestamp::now());
        self.runtime.block_on(async {
            let state = subjects.forget(subject, now, now).await.unwrap();
            let keys = state.alive();
            subjects.destroy(&tag, now).await.unwrap();
            (tag.clone(), keys)
        })
    }

    fn records(&self) -> usize {
        let count = self.scratch.scalar("SELECT count(*) FROM atrest_keys");
        self.runtime.block_on(count).unwrap().parse().unwrap()
    }

    fn execute(&self, sql: &str) {
        self.runtime.block_on(self.scratch.execute(sql));
    }

    /// The keys that files name, by person.
    fn named(&self) -> BTreeMap<Option<String>, std::collections::BTreeSet<KeyId>> {
        let mut named: BTreeMap<_, std::collections::BTreeSet<_>> = BTreeMap::new();
        for (name, (content, ..)) in contents(self.root()) {
            let subject = pattern().subject_of(&name).map(str::to_owned);
            let header = ObjectHeader::read(&content).unwrap();
            named.entry(subject).or_default().insert(header.key);
        }
        named
    }
}

pub(crate) fn subjects_of(
    runtime: &tokio::runtime::Runtime,
    url: &str,
    forgotten: Vec<(String, Vec<KeyId>)>,
) -> Arc<Subjects> {
    let database: Arc<dyn Database> = runtime.block_on(atrest_sql::connect(url)).unwrap();
    let wrapping = Keyring::new(key(100), vec![]).unwrap();
    let keys = SubjectKeyring {
        wrapping: &wrapping,
        index: &key(101),
        forgotten,
    };
    Arc::new(Subjects::new(database, &keyring(), keys))
}

pub(crate) fn content(person: usize, number: usize) -> Vec<u8> {
    format!("secret of {person}, {number} ")
        .repeat(1 + number * 700)
        .into_bytes()
}

#[test]
fn every_person_has_a_key_of_their_own_and_all_comes_back() {
    let place = Place::with(30, 7);
    let before = contents(place.root());
    let keys = place.keys();

    let look = place.run(Operation::Look, &keys);
    assert_eq!((look.clear.files, look.nobodys), (211, 1));
    let plan = look.plan(atrest_engine::Operation::Encrypt, &policy());
    assert_eq!(plan.due, 211);
    let [warning] = &plan.warnings[..] else {
        panic!("{:?}", plan.warnings)
    };
    assert!(
        warning
            .what
            .contains("1 files do not fit the subject `people/{subject}/**`")
    );
    assert!(fs::exists(place.scratch.path()).unwrap());

    let report = place.run(Operation::Encrypt, &keys);
    assert!(report.is_clean(), "{report:?}");
    assert_eq!((report.changed.files, report.by_subject.files), (211, 210));
    assert_eq!(report.sealed[&primary()].files, 1);
    assert_eq!(place.records(), 30);
    let named = place.named();
    assert_eq!(named.len(), 31);
    assert!(named.values().all(|keys| keys.len() == 1));
    let all: std::collections::BTreeSet<_> = named.values().flatten().collect();
    assert_eq!(all.len(), 31, "no two persons share a key");

    // With nothing in memory.
    let keys = place.keys();
    let report = place.run(Operation::Verify, &keys);
    assert!(report.is_clean());
    assert_eq!((report.by_subject.files, report.to_rotate.files), (210, 0));
    let words = report.of(&policy());
    assert_eq!((words.sealed_by_subject, words.sealed_total()), (210, 211));
    assert!(words.is_clean(None));
    let one = folder(place.root())
        .inspect(Path::new("people/p3/0/0"), &keys)
        .unwrap();
    assert_eq!(one.by_subject.files, 1);

    // The shared key alone opens nobody's file, and no other.
    let shared = run(place.root(), Operation::Verify);
    assert_eq!(
        (shared.sealed[&primary()].files, shared.undecryptable.len()),
        (1, 210)
    );

    assert_eq!(place.run(Operation::Encrypt, &keys).changed.files, 0);
    assert_eq!(place.run(Operation::Rotate, &keys).changed.files, 0);
    let report = place.run(Operation::Decrypt, &keys);
    assert_eq!((report.changed.files, report.clear.files), (211, 211));
    assert_eq!(contents(place.root()), before);
}

#[test]
fn rotating_moves_files_from_the_shared_key_to_their_persons() {
    let place = Place::with(5, 4);
    assert!(run(place.root(), Operation::Encrypt).is_clean());
    let keys = place.keys();
    let look = place.run(Operation::Look, &keys);
    assert_eq!(
        (look.sealed[&primary()].files, look.by_subject.files),
        (21, 0)
    );
    let plan = look.plan(atrest_engine::Operation::Rotate, &policy());
    assert_eq!((plan.due, plan.now.sealed_by_subject), (20, 0));
    // Nothing is made for what is not due.
    assert_eq!(place.run(Operation::Encrypt, &keys).changed.files, 0);
    let tables = place.runtime.block_on(
        place
            .scratch
            .scalar("SELECT count(*) FROM sqlite_master WHERE name = 'atrest_keys'"),
    );
    assert_eq!(tables.as_deref(), Some("0"), "no key was made");

    let report = place.run(Operation::Rotate, &keys);
    assert_eq!((report.changed.files, report.by_subject.files), (20, 20));
    assert_eq!(report.sealed[&primary()].files, 1);
    assert_eq!(place.run(Operation::Rotate, &keys).changed.files, 0);
    let named = place.named();
    assert_eq!(named[&None].iter().collect::<Vec<_>>(), [&primary()]);
    assert!(
        named
            .iter()
            .all(|(who, keys)| who.is_none() || !keys.contains(&primary()))
    );
}

#[test]
fn keys_are_made_for_who_has_a_file_that_is_due() {
    let place = Place::with(4, 2);
    place.put("people/p9/kept", b"made up");
    let mut only = folder(place.root());
    only.keep(&place.root().join("people/p9/kept")).unwrap();
    let some = Folder::new(place.root(), &[], &["people/p3".into()], ObjectBind::Path).unwrap();
    let report = some.run(Operation::Encrypt, place.keys(), &Options::default());
    // `some` keeps nothing, so that p9's is due, and p3's is not meant.
    assert_eq!(report.unwrap().by_subject.files, 7);
    assert_eq!(place.records(), 4);
    let report = only.run(Operation::Encrypt, place.keys(), &Options::default());
    assert_eq!(report.unwrap().changed.files, 2);
    assert_eq!(place.records(), 5);
}

#[test]
fn names_that_are_no_text_are_nobodys() {
    let place = Place::new();
    place.put("people/anna/a", b"hers");
    let odd = place
        .root()
        .join("people")
        .join(OsStr::from_bytes(b"an\xffna"));
    fs::create_dir_all(&odd).unwrap();
    fs::write(odd.join("a"), "whose?").unwrap();
    let report = place.run(Operation::Encrypt, &place.keys());
    assert_eq!((report.by_subject.files, report.nobodys), (1, 1));
    assert_eq!(report.sealed[&primary()].files, 1);
}

#[test]
fn a_forgotten_persons_files_are_gone_and_nothing_brings_them_back() {
    let place = Place::with(4, 3);
    assert!(place.run(Operation::Encrypt, &place.keys()).is_clean());
    let copy = tempfile::tempdir().unwrap();
    copy_tree(place.root(), copy.path());
    let records = place.runtime.block_on(
        place
            .scratch
            .rows("SELECT name, body, mac FROM atrest_keys"),
    );
    let gone = place.forget("p2");

    let keys = place.keys();
    let report = place.run(Operation::Verify, &keys);
    assert!(report.is_clean(), "{report:?}");
    assert_eq!((report.by_subject.files, report.forgotten), (9, 3));
    let words = report.of(&policy());
    assert_eq!(
        (words.forgotten, words.undecryptable, words.total),
        (3, 0, 13)
    );
    assert!(words.is_clean(None) && words.unknown_keys.is_empty());
    for operation in [Operation::Encrypt, Operation::Rotate] {
        let report = place.run(operation, &keys);
        assert_eq!((report.changed.files, report.forgotten), (0, 3));
    }

    let restored = restore(&place, copy.path(), RestoreMode::Force);
    assert_eq!((restored.forgotten, restored.changed), (3, 0));
    assert!(
        restored.skipped.is_empty() && restored.is_clean(),
        "{restored:?}"
    );

    // Somebody puts the table back.
    for row in &records {
        let text = |i: usize| String::from_utf8(row[i].clone().unwrap()).unwrap();
        place.execute(&format!(
            "UPDATE atrest_keys SET body = '{}', mac = '{}' WHERE name = '{}'",
            text(1),
            text(2),
            text(0)
        ));
    }
    let subjects = place.subjects(vec![gone.clone()]);
    let keys = place.keys_of(Arc::clone(&subjects));
    let report = place.run(Operation::Verify, &keys);
    assert_eq!((report.by_subject.files, report.forgotten), (9, 3));
    assert_eq!(subjects.back(), [gone.0]);

    // And the person comes back: what is new is sealed under a new key.
    place.put("people/p2/new", b"new life");
    let report = place.run(Operation::Encrypt, &keys);
    assert_eq!((report.changed.files, report.forgotten), (1, 3));
    let content = fs::read(place.root().join("people/p2/new")).unwrap();
    let now = ObjectHeader::read(&content).unwrap().key;
    assert!(!gone.1.contains(&now) && now != primary());
    // What an older copy holds under the shared key is not hers any more either.
    let old = Keyring::new(key(1), vec![]).unwrap();
    assert!(open_object(&old, b"people/p2/new", &content).is_err());
}

#[test]
fn who_is_being_forgotten_gets_nothing_sealed() {
    let place = Place::with(2, 2);
    let subjects = place.subjects(Vec::new());
    let keys = place.keys_of(Arc::clone(&subjects));
    assert!(place.run(Operation::Encrypt, &keys).is_clean());
    let (tag, now) = (subjects.tag("p1"), Timestamp::now());
    let later = now + jiff::SignedDuration::from_hours(24);
    place
        .runtime
        .block_on(subjects.forget("p1", later, now))
        .unwrap();
    place.put("people/p1/new", b"made up");
    let report = place.run(Operation::Encrypt, &keys);
    assert_eq!((report.changed.files, report.clear.files), (0, 1));
    assert_eq!((report.forgotten, report.to_be_forgotten), (0, 2));
    assert_eq!(report.withheld.files, 1);
    let plan = report.plan(atrest_engine::Operation::Encrypt, &policy());
    assert_eq!(plan.due, 0);
    assert!(
        plan.now
            .notes
            .iter()
            .any(|note| note.contains("being forgotten"))
    );
    place.runtime.block_on(subjects.undo(&tag)).unwrap();
    let report = place.run(Operation::Encrypt, &keys);
    assert_eq!((report.changed.files, report.by_subject.files), (1, 5));
}

#[test]
fn a_damaged_record_or_wrong_keyring_changes_nothing() {
    for sql in [
        "UPDATE atrest_keys SET body = replace(body, 'created', 'Created') WHERE name = (SELECT max(name) FROM atrest_keys)",
        "UPDATE atrest_keys SET name = name || '0', mac = mac WHERE 1",
        "UPDATE atrest_keys SET mac = (SELECT max(mac) FROM atrest_keys)",
    ] {
        let place = Place::with(3, 2);
        assert!(place.run(Operation::Encrypt, &place.keys()).is_clean());
        // A subject whose keys are all right comes first.
        place.put("a", b"new and nobody's");
        for person in 0..3 {
            place.put(&format!("people/p{person}/new"), b"made up");
        }
        place.execute(sql);
        let before = contents(place.root());
        for operation in [Operation::Encrypt, Operation::Rotate, Operation::Decrypt] {
            let done = folder(place.root()).run(operation, place.keys(), &Options::default());
            if sql.contains("name ||") && done.is_ok() {
                // Records of nobody: keys are not found, and files do not open.
                continue;
            }
            let error = done.unwrap_err();
            assert!(
                matches!(error, FolderError::Keys(SubjectError::Damaged { .. })),
                "{error}"
            );
            assert!(
                error.to_string().contains("nothing of it is used"),
                "{error}"
            );
            assert_eq!(contents(place.root()), before, "{operation:?}");
        }
    }

    let place = Place::with(3, 2);
    assert!(place.run(Operation::Encrypt, &place.keys()).is_clean());
    place.put("people/p1/new", b"made up");
    let before = contents(place.root());
    let database = place
        .runtime
        .block_on(atrest_sql::connect(place.scratch.url()))
        .unwrap();
    let wrapping = Keyring::new(key(99), vec![]).unwrap();
    let wrong = SubjectKeyring {
        wrapping: &wrapping,
        index: &key(101),
        forgotten: Vec::new(),
    };
    let keys = place.keys_of(Arc::new(Subjects::new(database, &keyring(), wrong)));
    let report = folder(place.root())
        .run(Operation::Encrypt, &keys, &Options::default())
        .unwrap();
    let told: Vec<&str> = report
        .undecryptable
        .iter()
        .map(|one| one.problem.as_str())
        .collect();
    let lost = |problem: &&str| problem.contains("are wrapped under key");
    assert!(told.len() == 6 && told.iter().all(lost), "{told:#?}");
    assert!(!report.is_clean());
    assert_eq!((report.changed.files, report.skipped.len()), (0, 1));
    assert!(lost(&report.skipped[0].why.to_string().as_str()));
    assert_eq!(contents(place.root()), before);
    assert!(matches!(
        Keys::of(&policy(), &keyring(), None),
        Err(SubjectError::NoKeyring)
    ));
}

#[test]
fn two_runs_that_make_the_same_keys_at_once_agree() {
    for _ in 0..5 {
        let place = Place::with(20, 2);
        let other = tempfile::tempdir().unwrap();
        copy_tree(place.root(), other.path());
        let (one, two) = (place.keys(), place.keys());
        std::thread::scope(|scope| {
            let one = scope.spawn(|| place.run(Operation::Encrypt, &one));
            let two = scope.spawn(|| {
                let options = Options::default();
                folder(other.path())
                    .run(Operation::Encrypt, &two, &options)
                    .unwrap()
            });
            assert!(one.join().unwrap().is_clean() && two.join().unwrap().is_clean());
        });
        assert_eq!(place.records(), 20);
        let keys = place.keys();
        for root in [place.root(), other.path()] {
            let report = folder(root).run(Operation::Verify, &keys, &Options::default());
            let report = report.unwrap();
            assert!(report.is_clean(), "{report:?}");
            assert_eq!((report.by_subject.files, report.to_rotate.files), (40, 0));
        }
    }
}

/// Counts how often the database may be asked.
struct Counted {
    inner: SubjectKeyrings,
    asked: AtomicUsize,
}

#[async_trait::async_trait]
impl Keyrings for Counted {
    async fn keyrings(&self, names: &[&[u8]], make: bool) -> Result<Vec<FileKeys>, SubjectError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        self.inner.keyrings(names, make).await
    }

    fn wait(&self, names: &[&[u8]], make: bool) -> Result<Vec<FileKeys>, SubjectError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        self.inner.wait(names, make)
    }

    fn subject_of<'n>(&self, name: &'n [u8]) -> Option<&'n str> {
        self.inner.subject_of(name)
    }
}

#[test]
fn keys_are_asked_for_many_at_a_time() {
    let place = Place::new();
    for person in 0..2500 {
        place.put(&format!("people/p{person}/a"), b"made up");
    }
    let subjects = place.subjects(Vec::new());
    let counted = {
        let _in = place.runtime.enter();
        Arc::new(Counted {
            inner: SubjectKeyrings::new(subjects, pattern()),
            asked: AtomicUsize::new(0),
        })
    };
    let keys = Keys::new(Arc::clone(&counted) as Arc<dyn Keyrings>);
    assert_eq!(place.run(Operation::Encrypt, &keys).by_subject.files, 2500);
    // To prove, to look, and to make: 3 batches each, and the ends.
    let asked = counted.asked.swap(0, Ordering::Relaxed);
    assert!(asked <= 3 * 3 + 6, "{asked}");
    assert_eq!(place.run(Operation::Verify, &keys).by_subject.files, 2500);
    let asked = counted.asked.load(Ordering::Relaxed);
    assert!(asked <= 3 + 2, "{asked}");
}

#[test]
fn what_is_kept_of_a_person_is_counted_and_given() {
    let place = Place::with(3, 5);
    let keys = place.keys();
    assert!(place.run(Operation::Encrypt, &keys).is_clean());
    place.put("people/p1/clear", b"in clear");
    let out = tempfile::tempdir().unwrap();
    let theirs = || folder(place.root()).of_subject(&pattern(), "p1");
    let damaged = place.root().join("people/p1/0/3");
    let mut bytes = fs::read(&damaged).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&damaged, bytes).unwrap();

    let mut export = ExportFolder::new(out.path().join("p1")).unwrap();
    let given = theirs().export(&keys, &mut export).unwrap();
    let states: Vec<_> = given
        .iter()
        .map(|one| (one.file.as_str(), one.state))
        .collect();
    assert_eq!(
        states,
        [
            ("people/p1/0/0", "clear"),
            ("people/p1/0/3", "undecryptable"),
            ("people/p1/1/1", "clear"),
            ("people/p1/1/4", "clear"),
            ("people/p1/2/2", "clear"),
            ("people/p1/clear", "clear"),
        ]
    );
    let exported = contents(&out.path().join("p1"));
    assert_eq!(exported.len(), 5);
    assert_eq!(exported[&b"people/p1/1/4"[..]].0, content(1, 4));
    assert!(exported.values().all(|(_, mode, ..)| mode & 0o777 == 0o600));

    let look = || {
        let look = theirs().run(Operation::Look, place.keys(), &Options::default());
        look.unwrap().erased(&policy(), &[])
    };
    let before = look();
    assert_eq!(
        (before.files, before.unreadable, before.plaintext),
        (6, 0, 1)
    );
    assert_eq!(
        (before.shared, before.undecryptable, before.skipped),
        (0, 1, 0)
    );
    fs::hard_link(
        place.root().join("people/p1/clear"),
        place.root().join("other"),
    )
    .unwrap();
    place.forget("p1");
    let after = look();
    assert_eq!((after.files, after.unreadable, after.skipped), (5, 5, 1));
    let mut export = ExportFolder::new(out.path().join("after")).unwrap();
    let given = theirs().export(place.keys(), &mut export).unwrap();
    assert_eq!(
        given.iter().filter(|one| one.state == "forgotten").count(),
        5
    );
}

#[test]
fn a_copy_is_put_back_under_the_persons_key() {
    let place = Place::with(2, 2);
    assert!(run(place.root(), Operation::Encrypt).is_clean());
    let copy = tempfile::tempdir().unwrap();
    copy_tree(place.root(), copy.path());
    let keys = place.keys();
    assert!(place.run(Operation::Rotate, &keys).is_clean());
    let compared = restore(&place, copy.path(), RestoreMode::Compare);
    assert_eq!((compared.same, compared.entries), (5, 5));
    let damaged = place.root().join("people/p1/0/0");
    let mut bytes = fs::read(&damaged).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&damaged, bytes).unwrap();
    let restored = restore(&place, copy.path(), RestoreMode::Restore);
    assert_eq!((restored.changed, restored.same), (1, 4), "{restored:?}");
    let report = place.run(Operation::Verify, &keys);
    assert_eq!((report.by_subject.files, report.to_rotate.files), (4, 0));

    // Of who was forgotten, not even a copy under the shared key comes back.
    place.forget("p1");
    let restored = restore(&place, copy.path(), RestoreMode::Force);
    assert_eq!((restored.forgotten, restored.changed), (2, 0));
    assert_eq!(place.run(Operation::Verify, &place.keys()).forgotten, 2);
}

fn restore(place: &Place, copy: &Path, mode: RestoreMode) -> Restored {
    let restored = folder(place.root()).restore(copy, mode, place.keys(), &Options::default());
    restored.unwrap()
}

fn copy_tree(from: &Path, to: &Path) {
    for (name, (content, ..)) in contents(from) {
        let path = to.join(OsStr::from_bytes(&name));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
}
