//! A keyring's life: made, opened, changed, and what it refuses.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod keyring_support;

use std::sync::atomic::{AtomicUsize, Ordering};

use atrest_core::{Context, FieldOpener, FieldSealer, Form, Key, KeyId, Stored, Suite};
use atrest_keys::keyring::{KeyPurpose, KeyState, KeyringError, KeyringFile, OpenKeyring};
use atrest_keys::{Environment, KeySource, KeySourceError};
use keyring_support::{Place, at};

const COLUMN: &str = "people.email";

fn seal(keyring: &OpenKeyring, text: &str) -> Vec<u8> {
    let mut token = Vec::new();
    FieldSealer::new(keyring.data(), Suite::default(), 0)
        .unwrap()
        .seal(
            Form::Text,
            &Context::new(COLUMN),
            text.as_bytes(),
            &mut token,
        )
        .unwrap();
    token
}

fn opens(keyring: &OpenKeyring, token: &[u8]) -> bool {
    let mut clear = Vec::new();
    let mut read = FieldOpener::new(keyring.data());
    let stored = read.read(Form::Text, &Context::new(COLUMN), token, &mut clear);
    matches!(stored, Stored::Sealed(_))
}

#[tokio::test]
async fn made_rotated_rewrapped_and_every_value_opens() {
    let place = Place::new();
    let first = place.create().await;
    assert_eq!((first.generation(), first.entries().len()), (1, 1));
    let old = seal(&first, "old");

    let second = place
        .store(first.rotate(KeyPurpose::Data, at(100)).unwrap())
        .await;
    assert_eq!(second.generation(), 2);
    assert_ne!(second.data().primary().id(), first.data().primary().id());
    let states: Vec<_> = second.entries().iter().map(|e| e.state).collect();
    assert_eq!(states, [KeyState::DecryptOnly, KeyState::Active]);
    let new = seal(&second, "new");
    assert!(opens(&second, &old) && opens(&second, &new) && !opens(&first, &new));

    let other = place.root("other");
    let (root, uri) = (other.source(), other.uri());
    let change = second.rewrap(&*root, &uri, &place.env, at(200)).unwrap();
    let third = change.store(&place.file, &*root, &place.env).await.unwrap();
    assert_eq!((third.generation(), third.root()), (3, uri.as_str()));
    assert_eq!(third.id(), second.id());
    assert!(opens(&third, &old) && opens(&third, &new));
    // The old root no longer opens it, and the error says where it went.
    let error = place.try_open().unwrap_err().to_string();
    assert!(error.contains(&uri), "{error}");
}

#[tokio::test]
async fn a_new_keyring_key_wraps_the_same_keys() {
    let place = Place::new();
    let first = place.create().await;
    let token = seal(&first, "x");
    let (root, uri) = (place.root.source(), place.root.uri());
    let change = first.renew(&*root, &uri, &place.env, at(5)).unwrap();
    let second = change.store(&place.file, &*root, &place.env).await.unwrap();
    assert_ne!(second.id(), first.id());
    assert!(opens(&second, &token));
}

#[tokio::test]
async fn states_are_only_what_leaves_one_active_key() {
    let place = Place::new();
    let first = place.create().await;
    let one = first.data().primary().id();
    let second = place
        .store(first.rotate(KeyPurpose::Data, at(1)).unwrap())
        .await;
    let two = second.data().primary().id();
    assert!(matches!(
        second.destroy(two, at(2)),
        Err(KeyringError::State {
            state: KeyState::Active,
            ..
        })
    ));
    assert!(matches!(
        second.set_state(two, KeyState::DecryptOnly, at(2)),
        Err(KeyringError::State { .. })
    ));
    assert!(matches!(
        second.destroy(KeyId([0; 4]), at(2)),
        Err(KeyringError::NoSuchKey { .. })
    ));
    let back = place
        .store(second.set_state(one, KeyState::Active, at(3)).unwrap())
        .await;
    assert_eq!(back.data().primary().id(), one);
    let gone = place.store(back.destroy(two, at(4)).unwrap()).await;
    assert_eq!(gone.entry(two).unwrap().state, KeyState::Destroyed);
    assert!(gone.data().get(two).is_none());
    assert!(gone.set_state(two, KeyState::Active, at(5)).is_err());
    // No copy beside it still has it.
    for path in place.file.files().unwrap() {
        let text = std::fs::read_to_string(path).unwrap();
        let line = text.lines().find(|l| l.contains(&two.to_string()));
        assert!(line.is_none_or(|l| !l.contains("wrapped")), "{line:?}");
    }
}

#[tokio::test]
async fn purposes_are_made_when_first_asked_for() {
    let place = Place::new();
    let first = place.create().await;
    assert!(first.subjects().is_none() && first.index().is_none());
    let second = place
        .store(first.ensure(KeyPurpose::Subjects, at(1)).unwrap().unwrap())
        .await;
    let third = place
        .store(second.ensure(KeyPurpose::Index, at(2)).unwrap().unwrap())
        .await;
    assert!(third.subjects().is_some() && third.index().is_some());
    assert!(third.ensure(KeyPurpose::Index, at(3)).unwrap().is_none());
    assert!(matches!(
        third.rotate(KeyPurpose::Index, at(3)),
        Err(KeyringError::NotRotated(KeyPurpose::Index))
    ));
    assert_eq!(third.data().keys().count(), 1, "purposes are kept apart");
}

#[tokio::test]
async fn forgotten_subjects_are_remembered() {
    let place = Place::new();
    let first = place.create().await;
    let ids = [KeyId([1; 4]), KeyId([2; 4])];
    let second = place
        .store(first.forget("0a0b", &ids, at(9)).unwrap())
        .await;
    assert_eq!(second.forgotten().len(), 1);
    assert_eq!(second.forgotten()[0].keys, ids);
    let again = place
        .store(second.forget("0a0b", &[KeyId([3; 4])], at(10)).unwrap())
        .await;
    assert_eq!(
        (again.forgotten().len(), again.forgotten()[0].keys.len()),
        (1, 3)
    );
    assert_eq!(again.forgotten()[0].at, at(9));
    let undone = place.store(again.unforget("0a0b", at(11)).unwrap()).await;
    assert!(undone.forgotten().is_empty());
    assert!(undone.unforget("0a0b", at(12)).is_err());
    assert!(undone.forget("Person@example.org", &ids, at(12)).is_err());
}

#[tokio::test]
async fn a_clock_that_goes_backwards_breaks_nothing() {
    let place = Place::new();
    let first = place.create_at(at(1000)).await;
    let second = place
        .store(first.rotate(KeyPurpose::Data, at(10)).unwrap())
        .await;
    let created: Vec<_> = second.entries().iter().map(|e| e.created).collect();
    assert_eq!(created, [at(1000), at(1000)]);
    assert_eq!(second.written(), at(1000));
    assert_eq!(second.entries()[1].age(at(10)), 0);
    assert_eq!(second.entries()[1].age(at(1007)), 7);
    assert_eq!(place.try_open().unwrap().data().keys().count(), 2);
}

#[tokio::test]
async fn of_two_changes_of_one_generation_the_second_is_told() {
    let place = Place::new();
    let first = place.create().await;
    let (a, b) = (
        first.rotate(KeyPurpose::Data, at(1)).unwrap(),
        first.rotate(KeyPurpose::Data, at(1)).unwrap(),
    );
    let winner = place.store(a).await;
    let lost = b
        .store(&place.file, &*place.root.source(), &place.env)
        .await;
    assert!(matches!(
        lost,
        Err(KeyringError::Changed {
            expected: 1,
            found: 2,
            ..
        })
    ));
    let now = place.try_open().unwrap();
    assert_eq!(now.data().primary().id(), winner.data().primary().id());
}

#[tokio::test]
async fn a_keyring_is_never_overwritten() {
    let place = Place::new();
    place.create().await;
    let (root, uri) = (place.root.source(), place.root.uri());
    let new = || OpenKeyring::create(&*root, &uri, &place.env, at(0), &[]).unwrap();
    let error = new()
        .store(&place.file, &*root, &place.env)
        .await
        .unwrap_err();
    assert!(matches!(error, KeyringError::Exists { .. }), "{error}");
    // Nor is one that was lost, while a copy of it is there.
    std::fs::remove_file(place.file.path()).unwrap();
    let error = new()
        .store(&place.file, &*root, &place.env)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("atrest.keyring.1"), "{error}");
}

#[tokio::test]
async fn an_old_file_put_back_is_refused_until_it_is_accepted() {
    let place = Place::new();
    let first = place.create().await;
    let old = std::fs::read(place.file.path()).unwrap();
    let second = place
        .store(first.rotate(KeyPurpose::Data, at(1)).unwrap())
        .await;
    std::fs::write(place.file.path(), &old).unwrap();
    let error = place.try_open().unwrap_err();
    assert!(
        matches!(
            error,
            KeyringError::Older {
                found: 1,
                newest: 2,
                ..
            }
        ),
        "{error}"
    );
    // Accepted, the next change lies above what was lost, and all is well again.
    let file = place.file.clone().accept_older(true);
    let text = file.read().unwrap().unwrap();
    let root = place.root.source();
    let opened = OpenKeyring::open(&text, "k", &*root, &place.root.uri(), &place.env)
        .unwrap()
        .above(file.newest().unwrap());
    let change = opened.rotate(KeyPurpose::Data, at(2)).unwrap();
    let third = change.store(&file, &*root, &place.env).await.unwrap();
    assert_eq!(third.generation(), second.generation() + 1);
    place.try_open().unwrap();
}

#[tokio::test]
async fn few_copies_are_kept_and_all_are_private() {
    let place = Place::new();
    let mut keyring = place.create().await;
    for n in 1..10 {
        keyring = place
            .store(keyring.rotate(KeyPurpose::Data, at(n)).unwrap())
            .await;
    }
    let files = place.file.files().unwrap();
    assert_eq!(files.len(), 1 + 1 + 5, "{files:?}");
    assert_eq!(place.file.newest().unwrap(), 10);
    for path in files {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", path.display());
    }
}

#[tokio::test]
async fn a_wrong_root_is_refused() {
    let place = Place::new();
    place.create().await;
    let other = place.root("other");
    let text = place.file.read().unwrap().unwrap();
    let error =
        OpenKeyring::open(&text, "k", &*other.source(), &other.uri(), &place.env).unwrap_err();
    assert!(matches!(error, KeyringError::Root { .. }), "{error}");
}

#[tokio::test]
async fn no_debug_output_or_error_shows_a_key() {
    let place = Place::new();
    let keyring = place.create().await;
    let secret = |key: &Key| key.to_base64url().trim_end_matches('=').to_owned();
    let shown = format!("{keyring:?} {:?}", keyring.rotate(KeyPurpose::Data, at(1)));
    assert!(!shown.contains(&secret(keyring.data().primary())));
    assert!(!shown.contains(&secret(keyring.expose_keyring_key())));
}

#[test]
fn a_folder_that_cannot_be_written_changes_nothing() {
    let file = KeyringFile::new("/proc/atrest.keyring");
    let error = file.write(0, "x").unwrap_err().to_string();
    assert!(
        error.contains("cannot lock /proc/atrest.keyring.lock"),
        "{error}"
    );
}

#[tokio::test]
async fn behind_a_symbolic_link_the_file_is_replaced_and_not_the_link() {
    let place = Place::new();
    let keyring = place.create().await;
    let link = place.folder.path().join("link");
    std::os::unix::fs::symlink(place.file.path(), &link).unwrap();
    let root = place.root.source();
    let change = keyring.rotate(KeyPurpose::Data, at(1)).unwrap();
    let file = KeyringFile::new(&link);
    change.store(&file, &*root, &place.env).await.unwrap();
    assert!(link.is_symlink());
    assert_eq!(place.try_open().unwrap().generation(), 2);
}

/// Readers that open the keyring all the while it is changed see a whole one, and none
/// that looks old.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_see_a_whole_keyring_while_it_is_changed() {
    let place = Place::new();
    let mut keyring = place.create().await;
    let file = place.file.clone();
    let done = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let stop = std::sync::Arc::clone(&done);
    let reader = std::thread::spawn(move || {
        let mut read = 0;
        while !stop.load(std::sync::atomic::Ordering::Relaxed) {
            let text = file.read().unwrap().unwrap();
            atrest_keys::keyring::check(&text, "k").unwrap();
            read += 1;
        }
        read
    });
    for n in 0..100 {
        keyring = place
            .store(keyring.rotate(KeyPurpose::Data, at(n)).unwrap())
            .await;
    }
    done.store(true, std::sync::atomic::Ordering::Relaxed);
    assert!(reader.join().unwrap() > 10);
}

#[tokio::test]
async fn a_new_file_that_cannot_be_written_changes_nothing() {
    let place = Place::new();
    place.create().await;
    let before = std::fs::read(place.file.path()).unwrap();
    // The temporary file cannot be made: something that cannot be removed has its name.
    let new = place.folder.path().join("atrest.keyring.new");
    std::fs::create_dir(&new).unwrap();
    let keyring = place.try_open().unwrap();
    let change = keyring.rotate(KeyPurpose::Data, at(1)).unwrap();
    let root = place.root.source();
    let error = change
        .store(&place.file, &*root, &place.env)
        .await
        .unwrap_err();
    assert!(matches!(error, KeyringError::File { .. }), "{error}");
    assert_eq!(std::fs::read(place.file.path()).unwrap(), before);
    std::fs::remove_dir(&new).unwrap();
    place
        .store(keyring.rotate(KeyPurpose::Data, at(1)).unwrap())
        .await;
}

/// A root that counts what it is asked.
#[derive(Debug)]
struct Counting {
    inner: Box<dyn KeySource>,
    wraps: AtomicUsize,
    unwraps: AtomicUsize,
}

impl Counting {
    fn new(inner: Box<dyn KeySource>) -> Self {
        let (wraps, unwraps) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Self {
            inner,
            wraps,
            unwraps,
        }
    }

    /// Since the last time that this was asked.
    fn asked(&self) -> (usize, usize) {
        let take = |counter: &AtomicUsize| counter.swap(0, Ordering::Relaxed);
        (take(&self.wraps), take(&self.unwraps))
    }
}

impl KeySource for Counting {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn keys(&self, _: &Environment) -> Result<Vec<Key>, KeySourceError> {
        Err(KeySourceError::WrapsOnly {
            origin: self.name().to_owned(),
        })
    }

    fn wrap_key(
        &self,
        key: &Key,
        context: &Context,
        env: &Environment,
    ) -> Result<Vec<u8>, KeySourceError> {
        self.wraps.fetch_add(1, Ordering::Relaxed);
        self.inner.wrap_key(key, context, env)
    }

    fn unwrap_key(
        &self,
        wrapped: &[u8],
        context: &Context,
        env: &Environment,
    ) -> Result<Key, KeySourceError> {
        self.unwraps.fetch_add(1, Ordering::Relaxed);
        self.inner.unwrap_key(wrapped, context, env)
    }

    fn delivers(&self) -> bool {
        false
    }
}

#[tokio::test]
async fn the_root_is_asked_once_whatever_the_number_of_keys() {
    let place = Place::new();
    let mut keyring = place.create().await;
    for n in 0..30 {
        keyring = place
            .store(keyring.rotate(KeyPurpose::Data, at(n)).unwrap())
            .await;
    }
    let (old, new) = (
        Counting::new(place.root.source()),
        Counting::new(place.root("other").source()),
    );
    let text = place.file.read().unwrap().unwrap();
    let opened = OpenKeyring::open(&text, "k", &old, &place.root.uri(), &place.env).unwrap();
    assert_eq!(opened.data().keys().count(), 31);
    assert_eq!(old.asked(), (0, 1));
    // The new one wraps, unwraps to prove it, and opens what was read back.
    let change = opened
        .rewrap(&new, "file:other", &place.env, at(99))
        .unwrap();
    change.store(&place.file, &new, &place.env).await.unwrap();
    assert_eq!((old.asked(), new.asked()), ((0, 0), (1, 2)));
}
