//! A store whose objects are of subjects.

use atrest_core::KeyId;
use atrest_core::object::ObjectHeader;
use atrest_engine::subjects::{SubjectKeyring, Subjects};
use atrest_media::{Keys, MediaError, SubjectKeyrings};
use atrest_testing::ScratchDatabase;
use jiff::Timestamp;

use super::*;

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

type Store = SealedStore<Arc<InMemory>>;

async fn store(scratch: &ScratchDatabase, inner: &Arc<InMemory>, bind: ObjectBind) -> Store {
    let pattern = "{subject}/**".parse().unwrap();
    let keys = SubjectKeyrings::new(subjects(scratch).await, pattern);
    SealedStore::new(Arc::clone(inner), Keys::new(Arc::new(keys)), bind)
}

async fn named(inner: &InMemory, at: &str) -> KeyId {
    let object = inner.get(&path(at)).await.unwrap().bytes().await.unwrap();
    ObjectHeader::read(&object).unwrap().key
}

async fn read(store: &Store, at: &str) -> Result<Vec<u8>> {
    Ok(store.get(&path(at)).await?.bytes().await?.to_vec())
}

#[tokio::test]
async fn each_subjects_objects_are_under_its_own_key_and_copies_under_the_others() {
    for bind in [ObjectBind::Path, ObjectBind::None] {
        let scratch = ScratchDatabase::sqlite().await;
        let inner = Arc::new(InMemory::new());
        let store = store(&scratch, &inner, bind).await;
        for at in ["anna/a", "anna/b", "bert/a", "nobodys"] {
            store.put(&path(at), at.into()).await.unwrap();
        }
        let mut upload = store.put_multipart(&path("bert/large")).await.unwrap();
        for _ in 0..3 {
            upload.put_part(vec![7; PART].into()).await.unwrap();
        }
        upload.complete().await.unwrap();

        let (anna, bert) = (named(&inner, "anna/a").await, named(&inner, "bert/a").await);
        assert_eq!(named(&inner, "anna/b").await, anna);
        assert_eq!(named(&inner, "bert/large").await, bert);
        assert_eq!(named(&inner, "nobodys").await, key(1).id());
        assert!(anna != bert && anna != key(1).id() && bert != key(1).id());
        for at in ["anna/a", "anna/b", "bert/a", "nobodys"] {
            assert_eq!(read(&store, at).await.unwrap(), at.as_bytes());
        }
        let range = store
            .get_range(&path("bert/large"), 100..200)
            .await
            .unwrap();
        assert_eq!(range[..], [7; 100]);

        store.copy(&path("anna/a"), &path("anna/c")).await.unwrap();
        store.copy(&path("anna/a"), &path("bert/c")).await.unwrap();
        store
            .rename(&path("nobodys"), &path("bert/d"))
            .await
            .unwrap();
        store
            .rename(&path("bert/large"), &path("anna/large"))
            .await
            .unwrap();
        for (at, key) in [
            ("anna/c", anna),
            ("bert/c", bert),
            ("bert/d", bert),
            ("anna/large", anna),
        ] {
            assert_eq!(named(&inner, at).await, key, "{at} {bind:?}");
        }
        assert_eq!(read(&store, "bert/c").await.unwrap(), b"anna/a");
        assert_eq!(read(&store, "anna/large").await.unwrap(), vec![7; 3 * PART]);
    }
}

#[tokio::test]
async fn a_key_that_another_process_made_is_found_and_one_that_it_destroyed_is_gone() {
    let scratch = ScratchDatabase::sqlite().await;
    let inner = Arc::new(InMemory::new());
    let one = store(&scratch, &inner, ObjectBind::Path).await;
    // So that it remembers that she has none.
    assert!(matches!(
        read(&one, "anna/a").await,
        Err(Error::NotFound { .. })
    ));
    sealed(Arc::clone(&inner))
        .put(&path("anna/old"), "old".into())
        .await
        .unwrap();
    assert_eq!(read(&one, "anna/old").await.unwrap(), b"old");
    let two = store(&scratch, &inner, ObjectBind::Path).await;
    two.put(&path("anna/a"), "hers".into()).await.unwrap();
    assert_eq!(read(&one, "anna/a").await.unwrap(), b"hers");
    // A key of nobody, and one of another subject.
    let other = Arc::new(Keyring::new(key(9), vec![]).unwrap());
    let other = SealedStore::new(Arc::clone(&inner), other, ObjectBind::Path);
    other.put(&path("anna/x"), "x".into()).await.unwrap();
    two.put(&path("bert/a"), "his".into()).await.unwrap();
    inner.copy(&path("bert/a"), &path("anna/y")).await.unwrap();
    for at in ["anna/x", "anna/y"] {
        let error = read(&one, at).await.unwrap_err();
        let refused = &StoreError::of(&error).unwrap().error;
        assert!(matches!(refused, MediaError::Object(_)), "{refused}");
    }

    let subjects = subjects(&scratch).await;
    let (tag, now) = (subjects.tag("anna"), Timestamp::now());
    subjects.forget("anna", now, now).await.unwrap();
    subjects.destroy(&tag, now).await.unwrap();
    let three = store(&scratch, &inner, ObjectBind::Path).await;
    let error = read(&three, "anna/a").await.unwrap_err();
    let refused = &StoreError::of(&error).unwrap().error;
    assert!(matches!(refused, MediaError::Forgotten(_)), "{refused}");
    assert!(
        refused.is_forgotten() && !refused.to_string().contains("anna"),
        "{refused}"
    );
    assert_eq!(read(&three, "bert/a").await.unwrap(), b"his");
    // A new life, a new key.
    three.put(&path("anna/new"), "new".into()).await.unwrap();
    assert_eq!(read(&three, "anna/new").await.unwrap(), b"new");
    assert!(read(&three, "anna/a").await.is_err());

    let tag = subjects.tag("bert");
    let later = now + jiff::SignedDuration::from_hours(1);
    subjects.forget("bert", later, now).await.unwrap();
    let four = store(&scratch, &inner, ObjectBind::Path).await;
    for error in [
        four.put(&path("bert/b"), "more".into()).await.unwrap_err(),
        four.put_multipart(&path("bert/b"))
            .await
            .map(drop)
            .unwrap_err(),
        read(&four, "bert/a").await.unwrap_err(),
    ] {
        assert!(
            StoreError::of(&error).unwrap().error.is_forgotten(),
            "{error}"
        );
    }
    assert!(inner.head(&path("bert/b")).await.is_err());
    subjects.undo(&tag).await.unwrap();
    let five = store(&scratch, &inner, ObjectBind::Path).await;
    assert_eq!(read(&five, "bert/a").await.unwrap(), b"his");

    scratch.execute("UPDATE atrest_keys SET mac = 'x'").await;
    let six = store(&scratch, &inner, ObjectBind::Path).await;
    let error = six.put(&path("bert/b"), "more".into()).await.unwrap_err();
    let refused = &StoreError::of(&error).unwrap().error;
    assert!(matches!(refused, MediaError::Keys(_)), "{refused}");
    assert!(inner.head(&path("bert/b")).await.is_err());
}
