//! Secrets that Docker and Kubernetes mount: their mode, their swap, and that a running
//! process sees it.
#![cfg(target_os = "linux")]
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use atrest_core::{Key, KeyId};
use atrest_keys::Primary;
use atrest_keys::keyring::{KeyPurpose, KeyringFile, OpenKeyring};
use atrest_keys::{
    Environment, FileAccess, KeySourceError, LoadedKeyring, Settings, load_keyring, source,
};
use tempfile::TempDir;

/// A folder on tmpfs, as a mounted secret is.
fn in_memory() -> TempDir {
    tempfile::tempdir_in("/dev/shm").unwrap()
}

/// A folder on a disk.
fn on_disk() -> TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

fn write(path: &Path, text: &str, mode: u32) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn hex(byte: u8) -> String {
    format!("{byte:02x}").repeat(32)
}

fn id(byte: u8) -> KeyId {
    Key::from_bytes([byte; 32]).id()
}

fn load(uri: &str) -> Result<LoadedKeyring, KeySourceError> {
    load_keyring(uri, &[], &Environment::default(), &Settings::new("/"))
}

fn primary(loaded: &LoadedKeyring) -> KeyId {
    loaded.keyring.primary().id()
}

/// What Kubernetes makes of a secret with one entry, `key`: a folder of its own for
/// each version, `..data` to the one in force, and the entry through it.
struct Volume(TempDir);

impl Volume {
    fn new(byte: u8) -> Self {
        let folder = in_memory();
        let volume = Self(folder);
        volume.version(byte);
        symlink(format!("..v{byte}"), volume.0.path().join("..data")).unwrap();
        symlink("..data/key", volume.0.path().join("key")).unwrap();
        volume
    }

    fn version(&self, byte: u8) {
        let folder = self.0.path().join(format!("..v{byte}"));
        fs::create_dir(&folder).unwrap();
        write(&folder.join("key"), &hex(byte), 0o444);
    }

    /// kubelet's atomic writer: new folder, new link, rename, old folder gone.
    fn swap(&self, from: u8, to: u8) {
        self.version(to);
        let folder = self.0.path();
        symlink(format!("..v{to}"), folder.join("..data_tmp")).unwrap();
        fs::rename(folder.join("..data_tmp"), folder.join("..data")).unwrap();
        fs::remove_dir_all(folder.join(format!("..v{from}"))).unwrap();
    }

    fn uri(&self, scheme: &str) -> String {
        format!("{scheme}:{}/key", self.0.path().display())
    }
}

#[test]
fn a_secret_in_memory_may_be_readable_by_all_and_writable_by_none() {
    let folder = in_memory();
    let path = folder.path().join("key");
    let uri = format!("secret:{}", path.display());
    for mode in [0o444, 0o400, 0o440, 0o644, 0o600] {
        write(&path, &hex(7), mode);
        assert_eq!(primary(&load(&uri).unwrap()), id(7), "{mode:o}");
        fs::remove_file(&path).unwrap();
    }
    for mode in [0o666, 0o460, 0o446] {
        write(&path, &hex(7), mode);
        let message = load(&uri).unwrap_err().to_string();
        assert!(message.contains(&format!("mode {mode:04o}")), "{message}");
        fs::remove_file(&path).unwrap();
    }
    // `file:` is as strict there as anywhere.
    write(&path, &hex(7), 0o444);
    let error = load(&format!("file:{}", path.display())).unwrap_err();
    assert!(
        matches!(error, KeySourceError::Readable { mode: 0o444, .. }),
        "{error}"
    );
}

#[test]
fn a_file_on_a_disk_is_as_private_as_any_key_file() {
    let folder = on_disk();
    let path = folder.path().join("key");
    let uri = format!("secret:{}", path.display());
    write(&path, &hex(7), 0o444);
    let error = load(&uri).unwrap_err();
    assert!(
        matches!(error, KeySourceError::Readable { mode: 0o444, .. }),
        "{error}"
    );
    let settings = Settings::new("/").with_access(FileAccess::AllowReadable);
    load_keyring(&uri, &[], &Environment::default(), &settings).unwrap();
    write(&path, &hex(7), 0o400);
    load(&uri).unwrap();
}

#[test]
fn names_and_paths() {
    let name = |uri: &str| {
        let source = source::parse(uri, &Settings::new("/srv/app"));
        source.map(|source| source.name().to_owned())
    };
    assert_eq!(
        name("secret:atrest-key").unwrap(),
        "/run/secrets/atrest-key"
    );
    assert_eq!(name("secret:/etc/keys/a").unwrap(), "/etc/keys/a");
    for (uri, want) in [
        ("secret:", "no secret is named"),
        ("secret:app/key", "neither a name nor an absolute path"),
        ("secret:..", "neither a name nor an absolute path"),
        (&*format!("secret:{}", hex(7)), "no place for a key"),
    ] {
        let message = name(uri).unwrap_err().to_string();
        assert!(message.contains(want), "{message}");
        assert!(message.contains("write secret:NAME"), "{message}");
        assert!(!message.contains(&hex(7)), "{message}");
    }
    let error = load("secret:no-such-secret-of-atrest").unwrap_err();
    let message = error.to_string();
    assert!(
        message.starts_with("cannot read /run/secrets/no-such-secret-of-atrest: "),
        "{message}"
    );
}

#[test]
fn a_swap_of_data_is_seen_and_read() {
    for scheme in ["secret", "file"] {
        let volume = Volume::new(1);
        let settings = Settings::new("/").with_access(FileAccess::AllowReadable);
        let load = || {
            let uri = volume.uri(scheme);
            load_keyring(&uri, &[], &Environment::default(), &settings).unwrap()
        };
        let loaded = load();
        assert_eq!(primary(&loaded), id(1));
        assert!(!loaded.changed());
        volume.swap(1, 2);
        assert!(loaded.changed(), "{scheme}");
        let loaded = load();
        assert_eq!(primary(&loaded), id(2));
        assert!(!loaded.changed());
    }
}

/// A secret of the same length, swapped under a reader: each read is one of the
/// versions, whole.
#[test]
fn swaps_under_a_reader_give_one_version_or_the_other() {
    let volume = Volume::new(1);
    let done = AtomicBool::new(false);
    let uri = volume.uri("secret");
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut reads = 0;
            while !done.load(Ordering::SeqCst) {
                let key = primary(&load(&uri).unwrap());
                assert!(key == id(1) || key == id(2), "{key}");
                reads += 1;
            }
            reads
        });
        for _ in 0..500 {
            volume.swap(1, 2);
            volume.swap(2, 1);
        }
        done.store(true, Ordering::SeqCst);
        assert!(reader.join().unwrap() > 0);
    });
}

#[test]
fn every_way_to_change_a_file_is_seen() {
    type Change = fn(&Path);
    let changes: [(&str, Change); 5] = [
        ("written into", |path| fs::write(path, hex(2)).unwrap()),
        ("put in its place", |path| {
            let new = path.with_extension("new");
            write(&new, &hex(2), 0o600);
            fs::rename(new, path).unwrap();
        }),
        ("an old time put back", |path| {
            let time = fs::metadata(path).unwrap().modified().unwrap();
            fs::write(path, hex(2)).unwrap();
            let file = fs::File::options().write(true).open(path).unwrap();
            file.set_modified(time).unwrap();
        }),
        ("another key added", |path| {
            fs::write(path, format!("{}\n{}\n", hex(1), hex(2))).unwrap();
        }),
        ("taken away", |path| fs::remove_file(path).unwrap()),
    ];
    for (name, change) in changes {
        let folder = on_disk();
        let path = folder.path().join("key");
        write(&path, &hex(1), 0o600);
        let loaded = load(&format!("file:{}", path.display())).unwrap();
        assert!(!loaded.changed(), "{name}");
        // The clock of a file system ticks every few milliseconds.
        std::thread::sleep(std::time::Duration::from_millis(20));
        change(&path);
        assert!(loaded.changed(), "{name}");
    }
}

#[test]
fn the_file_of_a_password_is_watched_and_a_variable_is_not() {
    let folder = on_disk();
    let path = folder.path().join("password");
    write(&path, "correct horse battery staple", 0o600);
    let query = "?salt=AAECAwQFBgcICQoLDA0ODw&iterations=600000";
    let loaded = load(&format!("password:file:{}{query}", path.display())).unwrap();
    assert!(!loaded.changed());
    fs::remove_file(&path).unwrap();
    assert!(loaded.changed());

    let env = Environment::new([("KEY".to_owned(), hex(1))]);
    let loaded = load_keyring("env:KEY", &[], &env, &Settings::new("/")).unwrap();
    assert_eq!(loaded.stamps, []);
    assert!(!loaded.changed());
}

/// The file of a keyring, and that of its root.
#[test]
fn a_keyring_that_another_process_changes_is_seen() {
    let folder = on_disk();
    let root = folder.path().join("root");
    write(&root, &hex(1), 0o600);
    let uri = format!("file:{}", root.display());
    let (env, settings) = (Environment::default(), Settings::new("/"));
    let source = source::parse(&uri, &settings).unwrap();
    let file = KeyringFile::new(folder.path().join("atrest.keyring"));
    let now = jiff::Timestamp::now();
    let new = OpenKeyring::create(&*source, &uri, &env, now, &[]).unwrap();
    file.write(new.expected(), new.text()).unwrap();
    let load = || {
        let primary = Primary::File {
            file: &file,
            root: &uri,
        };
        atrest_keys::load(primary, &[], &env, &settings).unwrap()
    };
    let loaded = load();
    assert!(!loaded.changed());
    let opened = loaded.opened.as_ref().unwrap();
    let next = opened.rotate(KeyPurpose::Data, now).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(20));
    file.write(next.expected(), next.text()).unwrap();
    assert!(loaded.changed());
    let loaded = load();
    assert!(!loaded.changed());
    std::thread::sleep(std::time::Duration::from_millis(20));
    write(&root, &format!("{}\n", hex(1)), 0o600);
    assert!(loaded.changed());
}
