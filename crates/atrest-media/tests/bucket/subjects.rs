//! Objects of subjects, in place.

use atrest_core::object::ObjectHeader;
use atrest_engine::policy::{FilesPolicy, SubjectPattern};
use atrest_engine::restore::RestoreMode;
use atrest_engine::subjects::{SubjectError, SubjectKeyring, Subjects};
use atrest_media::Keys;
use atrest_media::bucket::ExportFolder;
use atrest_testing::ScratchDatabase;
use jiff::Timestamp;

use super::*;

fn pattern() -> SubjectPattern {
    "people/{subject}/**".parse().unwrap()
}

fn policy() -> FilesPolicy {
    FilesPolicy {
        location: "s3://bucket".into(),
        include: vec![],
        exclude: vec![],
        bind: ObjectBind::Path,
        subject: Some(pattern()),
        line: 1,
    }
}

async fn subjects(scratch: &ScratchDatabase) -> Arc<Subjects> {
    let database = atrest_sql::connect(scratch.url()).await.unwrap();
    let wrapping = Keyring::new(key(100), vec![]).unwrap();
    let keys = SubjectKeyring {
        wrapping: &wrapping,
        index: &key(101),
        forgotten: Vec::new(),
    };
    Arc::new(Subjects::new(database, &keyring(), keys))
}

async fn keys(scratch: &ScratchDatabase) -> Keys {
    Keys::of(&policy(), &keyring(), Some(&subjects(scratch).await)).unwrap()
}

async fn done(place: &Place, operation: Operation, keys: &Keys) -> Report {
    let options = Options::default();
    // One of the servers ignores conditions where parts are put together.
    let bucket = place.bucket().assume_quiet(true);
    bucket.run(operation, keys, &options).await.unwrap()
}

async fn there_and_back(server: &str, keeps_versions: bool) {
    let place = Place::on(server);
    let scratch = ScratchDatabase::sqlite().await;
    let mut clear = BTreeMap::new();
    for person in 0..4 {
        for (number, length) in [0, 100, 20_000, 9 * MIB].into_iter().enumerate() {
            // One large object is enough.
            let length = if person > 0 { length.min(1000) } else { length };
            let name = format!("people/p{person}/{number}");
            let content = bytes(length + person);
            place
                .store
                .put(&path(&name), content.clone().into())
                .await
                .unwrap();
            clear.insert(name, content);
        }
    }
    place
        .store
        .put(&path("readme"), "nobody's".into())
        .await
        .unwrap();

    let all = keys(&scratch).await;
    let look = done(&place, Operation::Look, &all).await;
    assert_eq!((look.clear.files, look.nobodys), (17, 1));
    let report = done(&place, Operation::Encrypt, &all).await;
    assert!(report.is_clean(), "{report:?}");
    assert_eq!((report.changed.files, report.by_subject.files), (17, 16));
    assert_eq!(report.sealed[&primary()].files, 1);
    let records = scratch.scalar("SELECT count(*) FROM atrest_keys").await;
    assert_eq!(records.as_deref(), Some("4"));
    let mut named = BTreeMap::new();
    for name in clear.keys() {
        let object = place
            .store
            .get(&path(name))
            .await
            .unwrap()
            .bytes()
            .await
            .unwrap();
        let key = ObjectHeader::read(&object).unwrap().key;
        let person = pattern().subject_of(name.as_bytes()).unwrap().to_owned();
        assert_eq!(*named.entry(person).or_insert(key), key, "{name}");
    }
    let different: std::collections::BTreeSet<_> = named.values().collect();
    assert_eq!(different.len(), 4);

    // With nothing in memory.
    let all = keys(&scratch).await;
    let report = done(&place, Operation::Verify, &all).await;
    assert_eq!((report.by_subject.files, report.to_rotate.files), (16, 0));
    assert!(report.is_clean());
    let one = place.bucket().inspect("people/p1/2", &all).await.unwrap();
    assert_eq!((one.by_subject.files, one.only_key), (1, Some(named["p1"])));

    let out = tempfile::tempdir().unwrap();
    let mut export = ExportFolder::new(out.path()).unwrap();
    let theirs = place.bucket().of_subject(&pattern(), "p0");
    let given = theirs.export(&all, &mut export).await.unwrap();
    assert_eq!(given.len(), 4);
    for one in &given {
        assert_eq!(one.state, "clear", "{one:?}");
        assert!(std::fs::read(out.path().join(&one.file)).unwrap() == clear[&one.file]);
    }

    let copy = tempfile::tempdir().unwrap();
    for name in clear.keys() {
        let file = copy.path().join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, place.get(name).await).unwrap();
    }

    let subjects = subjects(&scratch).await;
    let (tag, now) = (subjects.tag("p2"), Timestamp::now());
    subjects.forget("p2", now, now).await.unwrap();
    subjects.destroy(&tag, now).await.unwrap();
    let all = keys(&scratch).await;
    let report = done(&place, Operation::Verify, &all).await;
    assert!(report.is_clean(), "{report:?}");
    assert_eq!((report.by_subject.files, report.forgotten), (12, 4));
    let theirs = place.bucket().of_subject(&pattern(), "p2");
    let look = theirs
        .run(Operation::Look, &all, &Options::default())
        .await
        .unwrap();
    let erased = look.erased(&policy(), &[named["p2"]]);
    assert_eq!((erased.files, erased.unreadable, erased.shared), (4, 4, 0));
    // As they were put there in clear: a bucket that keeps versions has them still.
    let old = erased.old_versions.unwrap();
    assert_eq!((old.unreadable, old.problem), (0, None));
    assert_eq!(old.readable, if keeps_versions { 4 } else { 0 });

    // A copy of before does not bring them back.
    place.put("people/p1/2", "newer").await;
    let (bucket, options) = (place.bucket().assume_quiet(true), Options::default());
    let restored = bucket.restore(copy.path(), RestoreMode::Force, &all, &options);
    let restored = restored.await.unwrap();
    let counts = (restored.forgotten, restored.same, restored.changed);
    assert_eq!(counts, (4, 11, 1), "{restored:?}");
    assert!(restored.is_clean(), "{restored:?}");
    let one = place.bucket().inspect("people/p1/2", &all).await.unwrap();
    assert_eq!((one.by_subject.files, one.only_key), (1, Some(named["p1"])));

    let report = done(&place, Operation::Decrypt, &all).await;
    assert_eq!(
        (report.changed.files, report.clear.files, report.forgotten),
        (13, 13, 4)
    );
    for (name, content) in &clear {
        let now = place
            .store
            .get(&path(name))
            .await
            .unwrap()
            .bytes()
            .await
            .unwrap();
        assert_eq!(*content == now, !name.contains("p2"), "{name}");
    }
}

#[tokio::test]
async fn every_persons_objects_have_a_key_of_their_own() {
    there_and_back(&atrest_testing::server::s3(), false).await;
}

#[tokio::test]
async fn every_persons_objects_have_a_key_of_their_own_with_versions() {
    there_and_back(&atrest_testing::server::s3_versioned(), true).await;
}

#[tokio::test]
async fn rotating_moves_objects_and_a_damaged_record_changes_nothing() {
    let place = Place::on(&atrest_testing::server::s3());
    let scratch = ScratchDatabase::sqlite().await;
    for person in 0..3 {
        let name = format!("people/p{person}/a");
        place
            .store
            .put(&path(&name), "made up".into())
            .await
            .unwrap();
    }
    assert!(place.run(Operation::Encrypt).await.is_clean());
    let all = keys(&scratch).await;
    let look = done(&place, Operation::Look, &all).await;
    assert_eq!(
        look.plan(atrest_engine::Operation::Rotate, &policy()).due,
        3
    );
    let report = done(&place, Operation::Rotate, &all).await;
    assert_eq!((report.changed.files, report.by_subject.files), (3, 3));
    assert_eq!(done(&place, Operation::Rotate, &all).await.changed.files, 0);

    // New ones sort before those whose record is damaged.
    place
        .store
        .put(&path("a"), "new and nobody's".into())
        .await
        .unwrap();
    scratch
        .execute(
            "UPDATE atrest_keys SET mac = 'x' WHERE name = (SELECT max(name) FROM atrest_keys)",
        )
        .await;
    let all = keys(&scratch).await;
    let refused = place
        .bucket()
        .run(Operation::Encrypt, &all, &Options::default())
        .await;
    let error = refused.unwrap_err();
    assert!(
        matches!(error, BucketError::Keys(SubjectError::Damaged { .. })),
        "{error}"
    );
    let now = place
        .store
        .get(&path("a"))
        .await
        .unwrap()
        .bytes()
        .await
        .unwrap();
    assert_eq!(now, "new and nobody's");
}
