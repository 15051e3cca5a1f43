//! What whoever uses the store sees, over memory and over the disk.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use atrest_core::object::{ObjectBind, open_object, seal_object, sealed_len};
use atrest_core::{Key, Keyring};
use atrest_media::store::SealedStore;
use atrest_media::{MediaError, Observe};
use futures::TryStreamExt as _;
use object_store::local::LocalFileSystem;
use object_store::{
    Attribute, Attributes, Error, GetOptions, ObjectStore, ObjectStoreExt as _, PutMode,
    PutOptions, UpdateVersion,
};

use super::*;

/// Lengths at which something is different.
const LENGTHS: [usize; 8] = [
    0,
    1,
    CHUNK - 1,
    CHUNK,
    CHUNK + 1,
    3 * CHUNK,
    100_000,
    3 << 20,
];

async fn holds_the_contract(store: impl ObjectStore) {
    let clip = path("gate/2026/clip.mp4");
    assert!(is_not_found(store.get(&clip).await));
    for length in LENGTHS {
        let clear = bytes(length);
        store.put(&clip, clear.clone().into()).await.unwrap();
        assert_eq!(read(&store, &clip).await.unwrap(), clear);
        assert_eq!(store.head(&clip).await.unwrap().size, length as u64);
        let listed: Vec<_> = store.list(None).try_collect().await.unwrap();
        assert_eq!((listed.len(), listed[0].size), (1, length as u64));
        let folder = store.list_with_delimiter(Some(&path("gate/2026"))).await;
        assert_eq!(folder.unwrap().objects[0].size, length as u64);
        let offset = store.list_with_offset(None, &path("gate"));
        let listed: Vec<_> = offset.try_collect().await.unwrap();
        assert_eq!(listed[0].size, length as u64);
    }
    let create = PutOptions::from(PutMode::Create);
    let again = store.put_opts(&clip, "new".into(), create).await;
    assert!(
        matches!(again, Err(Error::AlreadyExists { .. })),
        "{again:?}"
    );
    assert_eq!(read(&store, &clip).await.unwrap(), bytes(3 << 20));
    store.delete(&clip).await.unwrap();
    assert!(is_not_found(store.head(&clip).await));
}

#[tokio::test]
async fn a_store_in_memory_gives_back_what_was_put() {
    holds_the_contract(in_memory().0).await;
}

#[tokio::test]
async fn a_store_on_the_disk_gives_back_what_was_put() {
    let dir = tempfile::tempdir().unwrap();
    holds_the_contract(sealed(
        LocalFileSystem::new_with_prefix(dir.path()).unwrap(),
    ))
    .await;
}

#[tokio::test]
async fn the_inner_store_holds_objects_bound_to_their_path() {
    let (store, inner) = in_memory();
    store
        .put(&path("a/b"), bytes(100_000).into())
        .await
        .unwrap();
    let object = read(&inner, &path("a/b")).await.unwrap();
    assert_eq!(object.len() as u64, sealed_len(100_000).unwrap());
    assert_eq!(
        open_object(&keyring(), b"a/b", &object).unwrap(),
        bytes(100_000)
    );
    // And what was sealed elsewhere opens here.
    let object = seal_object(&keyring(), b"x/y", b"made elsewhere").unwrap();
    inner.put(&path("x/y"), object.into()).await.unwrap();
    assert_eq!(read(&store, &path("x/y")).await.unwrap(), b"made elsewhere");
}

#[tokio::test]
async fn objects_bound_to_nothing_open_under_any_name() {
    let inner = Arc::new(InMemory::new());
    let store = SealedStore::new(Arc::clone(&inner), keyring(), ObjectBind::None);
    store.put(&path("a"), "made up".into()).await.unwrap();
    inner.rename(&path("a"), &path("b")).await.unwrap();
    assert_eq!(read(&store, &path("b")).await.unwrap(), b"made up");
}

#[tokio::test]
async fn conditions_and_etags_are_those_of_the_sealed_object() {
    let (store, inner) = in_memory();
    let at = path("a");
    let put = store.put(&at, "one".into()).await.unwrap();
    let meta = store.head(&at).await.unwrap();
    assert_eq!(meta.e_tag, inner.head(&at).await.unwrap().e_tag);
    assert_eq!(meta.e_tag, put.e_tag);

    for range in [None, Some(GetRange::Suffix(2))] {
        let same = GetOptions::new()
            .with_range(range.clone())
            .with_if_none_match(put.e_tag.clone());
        let got = store.get_opts(&at, same).await;
        assert!(matches!(got, Err(Error::NotModified { .. })), "{got:?}");
        let other = GetOptions::new()
            .with_range(range)
            .with_if_match(Some("other"));
        let got = store.get_opts(&at, other).await;
        assert!(matches!(got, Err(Error::Precondition { .. })), "{got:?}");
    }
    let update = |version: UpdateVersion| PutOptions::from(PutMode::Update(version));
    let updated = store
        .put_opts(&at, "two".into(), update(put.clone().into()))
        .await;
    assert!(updated.is_ok());
    let late = store
        .put_opts(&at, "three".into(), update(put.into()))
        .await;
    assert!(matches!(late, Err(Error::Precondition { .. })), "{late:?}");
    assert_eq!(read(&store, &at).await.unwrap(), b"two");
}

#[tokio::test]
async fn attributes_come_along() {
    let (store, _) = in_memory();
    let attributes = Attributes::from_iter([
        (Attribute::ContentType, "video/mp4"),
        (Attribute::Metadata("camera".into()), "gate"),
    ]);
    let put = PutOptions::from(attributes.clone());
    store
        .put_opts(&path("a"), bytes(50_000).into(), put)
        .await
        .unwrap();
    assert_eq!(store.get(&path("a")).await.unwrap().attributes, attributes);
    let part = GetOptions::new().with_range(Some(20_000..20_010));
    let part = store.get_opts(&path("a"), part).await.unwrap();
    assert_eq!((part.attributes, part.meta.size), (attributes, 50_000));
}

#[tokio::test]
async fn lists_go_on_past_what_is_no_object() {
    let (store, inner) = in_memory();
    inner.put(&path("a"), "clear".into()).await.unwrap();
    inner.put(&path("b"), "".into()).await.unwrap();
    store.put(&path("c"), "sealed".into()).await.unwrap();
    let listed: Vec<_> = store.list(None).try_collect().await.unwrap();
    let listed: Vec<_> = listed
        .iter()
        .map(|it| (it.location.as_ref(), it.size))
        .collect();
    assert_eq!(listed, [("a", 5), ("b", 0), ("c", 6)]);
    for (name, says) in [("a", "no object is 5 bytes"), ("b", "no object is 0 bytes")] {
        let refused = refusal(store.head(&path(name)).await, &path(name));
        assert!(refused.contains(says), "{refused}");
        for range in [
            GetRange::Offset(0),
            (3..4).into(),
            (30_000..30_001).into(),
            GetRange::Suffix(1),
        ] {
            let refused = refusal(read_range(&store, &path(name), range).await, &path(name));
            assert!(
                refused.contains("it is no encrypted object of atrest"),
                "{refused}"
            );
        }
    }
}

#[tokio::test]
async fn old_keys_open_and_the_primary_one_seals() {
    let (old, inner) = in_memory();
    old.put(&path("a"), "old".into()).await.unwrap();
    let both = Arc::new(Keyring::new(key(2), vec![key(1)]).unwrap());
    let store = SealedStore::new(Arc::clone(&inner), both, ObjectBind::Path);
    assert_eq!(read(&store, &path("a")).await.unwrap(), b"old");
    store.put(&path("b"), "new".into()).await.unwrap();
    let refused = refusal(old.get(&path("b")).await, &path("b"));
    let id = Key::from_bytes([2; 32]).id();
    assert!(
        refused.contains(&format!("its key {id} is not in the keyring")),
        "{refused}"
    );
}

#[derive(Default)]
struct Totals {
    sealed: AtomicU64,
    opened: AtomicU64,
    refused: AtomicU64,
}

impl Observe for Totals {
    fn sealed(&self, bytes: u64, _: Duration) {
        self.sealed.fetch_add(bytes, Ordering::Relaxed);
    }
    fn opened(&self, bytes: u64, _: Duration) {
        self.opened.fetch_add(bytes, Ordering::Relaxed);
    }
    fn refused(&self, _: &MediaError) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test]
async fn an_observer_is_told_of_bytes_and_refusals() {
    let (store, inner) = in_memory();
    let totals = Arc::new(Totals::default());
    let store = store.observed(totals.clone());
    let told = || {
        let of = |it: &AtomicU64| it.load(Ordering::Relaxed);
        (of(&totals.sealed), of(&totals.opened), of(&totals.refused))
    };
    store
        .put(&path("a"), bytes(2_000_000).into())
        .await
        .unwrap();
    assert_eq!(told(), (2_000_000, 0, 0));
    read(&store, &path("a")).await.unwrap();
    assert_eq!(told(), (2_000_000, 2_000_000, 0));
    let mut upload = store.put_multipart(&path("b")).await.unwrap();
    upload.put_part(bytes(50_000).into()).await.unwrap();
    upload.complete().await.unwrap();
    assert_eq!(told(), (2_050_000, 2_000_000, 0));
    inner.rename(&path("a"), &path("c")).await.unwrap();
    assert!(read(&store, &path("c")).await.is_err());
    assert_eq!(told(), (2_050_000, 2_000_000, 1));
}
