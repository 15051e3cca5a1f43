//! Copies and renames: an object that is bound to its name is sealed anew for the
//! other one, and what is not bound is copied as it is.

use futures::TryStreamExt as _;
use object_store::local::LocalFileSystem;
use object_store::{Attribute, Attributes, ObjectStoreExt as _, PutOptions};

use super::*;

async fn names(store: &impl ObjectStore) -> Vec<String> {
    let listed: Vec<_> = store.list(None).try_collect().await.unwrap();
    let mut names: Vec<String> = listed.iter().map(|it| it.location.to_string()).collect();
    names.sort();
    names
}

async fn copies_and_renames(store: impl ObjectStore) {
    let [a, b, c] = ["x/a", "y/b", "c"].map(path);
    for length in [0, 100_000, 2 * PART + 5] {
        let clear = bytes(length);
        store.put(&a, clear.clone().into()).await.unwrap();
        store.copy(&a, &b).await.unwrap();
        assert!(read(&store, &b).await.unwrap() == clear);
        let again = store.copy_if_not_exists(&a, &b).await;
        assert!(
            matches!(again, Err(Error::AlreadyExists { .. })),
            "{again:?}"
        );
        store.copy_if_not_exists(&a, &c).await.unwrap();
        assert!(read(&store, &c).await.unwrap() == clear);
        store.delete(&c).await.unwrap();

        store.rename(&b, &c).await.unwrap();
        assert!(read(&store, &c).await.unwrap() == clear);
        assert!(is_not_found(store.get(&b).await));
        let again = store.rename_if_not_exists(&c, &a).await;
        assert!(
            matches!(again, Err(Error::AlreadyExists { .. })),
            "{again:?}"
        );
        store.rename(&c, &c).await.unwrap();
        assert!(read(&store, &c).await.unwrap() == clear);
        store.delete(&c).await.unwrap();
        assert_eq!(names(&store).await, ["x/a"], "nothing is left over");
    }
    assert!(is_not_found(store.copy(&b, &c).await));
    assert!(is_not_found(store.rename(&b, &b).await));
}

#[tokio::test]
async fn bound_objects_open_under_their_new_name_in_memory() {
    copies_and_renames(in_memory().0).await;
}

#[tokio::test]
async fn bound_objects_open_under_their_new_name_on_the_disk() {
    let dir = tempfile::tempdir().unwrap();
    copies_and_renames(sealed(
        LocalFileSystem::new_with_prefix(dir.path()).unwrap(),
    ))
    .await;
}

#[tokio::test]
async fn unbound_objects_are_copied_as_they_are() {
    let inner = Arc::new(InMemory::new());
    let store = SealedStore::new(Arc::clone(&inner), keyring(), ObjectBind::None);
    let [a, b, c] = ["a", "b", "c"].map(path);
    store.put(&a, bytes(50_000).into()).await.unwrap();
    store.copy(&a, &b).await.unwrap();
    assert!(read(&inner, &a).await.unwrap() == read(&inner, &b).await.unwrap());
    store.rename(&b, &c).await.unwrap();
    assert!(read(&store, &c).await.unwrap() == bytes(50_000));
}

#[tokio::test]
async fn content_type_and_metadata_come_along() {
    let (store, _) = in_memory();
    let attributes = Attributes::from_iter([
        (Attribute::ContentType, "video/mp4"),
        (Attribute::Metadata("camera".into()), "gate"),
    ]);
    for length in [10, 2 * PART] {
        let put = PutOptions::from(attributes.clone());
        store
            .put_opts(&path("a"), bytes(length).into(), put)
            .await
            .unwrap();
        store.copy(&path("a"), &path("b")).await.unwrap();
        assert_eq!(store.get(&path("b")).await.unwrap().attributes, attributes);
    }
}

#[tokio::test]
async fn what_does_not_open_is_not_copied_and_not_removed() {
    let (store, inner) = in_memory();
    for length in [100_000, 2 * PART] {
        store.put(&path("a"), bytes(length).into()).await.unwrap();
        let mut object = read(&inner, &path("a")).await.unwrap();
        let end = object.len() - 1;
        object[end] ^= 1;
        inner.put(&path("a"), object.into()).await.unwrap();
        for done in [
            store.copy(&path("a"), &path("b")).await,
            store.copy_if_not_exists(&path("a"), &path("b")).await,
            store.rename(&path("a"), &path("b")).await,
        ] {
            refusal(done, &path("a"));
        }
        assert_eq!(names(&inner).await, ["a"]);
    }
}
