//! The name on the disk is what an object is bound to: a folder sealed in place opens
//! through the store, and the other way round.

use std::collections::BTreeMap;
use std::fs;

use futures::TryStreamExt as _;
use object_store::local::LocalFileSystem;
use object_store::{ObjectStore as _, ObjectStoreExt as _};

use super::*;

/// Names that some layer might spell in another way.
const NAMES: [&str; 22] = [
    "plain.txt",
    "with space.txt",
    "späße.txt",
    "日本語.txt",
    "a~b",
    "a#b",
    "a%b",
    "a%41b",
    "a%2Fb",
    "a[b]{c}",
    "a*b?c",
    "a|b^c`d",
    "a<b>c",
    "a\"b'c",
    "a\\b",
    "a+b&c=d",
    "a;b,c:d@e",
    ".hidden",
    "...",
    "a..b",
    "e\u{301}",
    "deep/er/and/more~/x",
];

#[cfg(unix)]
#[tokio::test]
async fn a_folder_sealed_in_place_opens_through_the_store() {
    use atrest_media::folder::{Folder, Operation, Options};

    let dir = tempfile::tempdir().unwrap();
    let mut expected = BTreeMap::new();
    for (number, name) in NAMES.iter().enumerate() {
        let file = dir.path().join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, bytes(20_000 + number)).unwrap();
        expected.insert((*name).to_owned(), bytes(20_000 + number));
    }
    let folder = Folder::new(dir.path(), &[], &[], ObjectBind::Path).unwrap();
    let report = folder
        .run(Operation::Encrypt, keyring(), &Options::default())
        .unwrap();
    assert_eq!(report.changed.files, NAMES.len() as u64);

    let store = sealed(LocalFileSystem::new_with_prefix(dir.path()).unwrap());
    let mut found = BTreeMap::new();
    for meta in store.list(None).try_collect::<Vec<_>>().await.unwrap() {
        let clear = read(&store, &meta.location).await.unwrap();
        assert_eq!(meta.size, clear.len() as u64);
        found.insert(meta.location.to_string(), clear);
    }
    assert!(found == expected, "{:?}", found.keys());
    for name in NAMES {
        assert_eq!(read(&store, &path(name)).await.unwrap(), expected[name]);
    }
}

#[cfg(unix)]
#[tokio::test]
async fn what_the_store_sealed_is_decrypted_in_place_by_the_folder() {
    use atrest_media::folder::{Folder, Operation, Options};

    let dir = tempfile::tempdir().unwrap();
    let store = sealed(LocalFileSystem::new_with_prefix(dir.path()).unwrap());
    for name in NAMES {
        store.put(&path(name), name.into()).await.unwrap();
        assert!(
            fs::read(dir.path().join(name))
                .unwrap()
                .starts_with(b"ATREST"),
            "{name}"
        );
    }
    let folder = Folder::new(dir.path(), &[], &[], ObjectBind::Path).unwrap();
    let report = folder
        .run(Operation::Decrypt, keyring(), &Options::default())
        .unwrap();
    assert!(report.is_clean(), "{report:?}");
    for name in NAMES {
        assert_eq!(
            fs::read(dir.path().join(name)).unwrap(),
            name.as_bytes(),
            "{name}"
        );
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_name_that_is_not_utf8_is_not_reachable_and_says_so() {
    use std::os::unix::ffi::OsStrExt as _;

    let dir = tempfile::tempdir().unwrap();
    let name = std::ffi::OsStr::from_bytes(b"a\xff.mp4");
    fs::write(dir.path().join(name), "clear").unwrap();
    let store = sealed(LocalFileSystem::new_with_prefix(dir.path()).unwrap());
    let listed: Result<Vec<_>> = store.list(None).try_collect().await;
    assert!(
        matches!(listed, Err(Error::InvalidPath { .. })),
        "{listed:?}"
    );
}
