//! A folder with a keyring file and roots for it.

#![allow(clippy::unwrap_used, dead_code, reason = "a test fails by panicking")]

use std::path::Path;

use atrest_core::Key;
use atrest_keys::keyring::{KeyringError, KeyringFile, NewKeyring, OpenKeyring};
use atrest_keys::{Environment, KeySource, Settings, source};
use jiff::Timestamp;

/// So many seconds after the start of 2026.
pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_767_225_600 + seconds).unwrap()
}

/// A root key in a file.
pub(crate) struct Root {
    folder: std::path::PathBuf,
    name: String,
}

impl Root {
    pub(crate) fn new(folder: &Path, name: &str) -> Self {
        let path = folder.join(name);
        if !path.exists() {
            std::fs::write(&path, Key::generate().unwrap().to_base64url().as_bytes()).unwrap();
            use std::os::unix::fs::PermissionsExt as _;
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        }
        Self {
            folder: folder.to_owned(),
            name: name.to_owned(),
        }
    }

    pub(crate) fn uri(&self) -> String {
        format!("file:{}", self.name)
    }

    pub(crate) fn source(&self) -> Box<dyn KeySource> {
        source::parse(&self.uri(), &Settings::new(&self.folder)).unwrap()
    }
}

/// A folder with a keyring.
pub(crate) struct Place {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) file: KeyringFile,
    pub(crate) root: Root,
    pub(crate) env: Environment,
}

impl Place {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self {
            file: KeyringFile::new(folder.path().join("atrest.keyring")),
            root: Root::new(folder.path(), "root.key"),
            env: Environment::default(),
            folder,
        }
    }

    pub(crate) fn root(&self, name: &str) -> Root {
        Root::new(self.folder.path(), name)
    }

    pub(crate) async fn create(&self) -> OpenKeyring {
        self.create_at(at(0)).await
    }

    pub(crate) async fn create_at(&self, now: Timestamp) -> OpenKeyring {
        let (root, uri) = (self.root.source(), self.root.uri());
        self.store(OpenKeyring::create(&*root, &uri, &self.env, now, &[]).unwrap())
            .await
    }

    pub(crate) async fn store(&self, new: NewKeyring) -> OpenKeyring {
        new.store(&self.file, &*self.root.source(), &self.env)
            .await
            .unwrap()
    }

    pub(crate) fn try_open(&self) -> Result<OpenKeyring, KeyringError> {
        let text = self.file.read()?.unwrap();
        OpenKeyring::open(
            &text,
            "atrest.keyring",
            &*self.root.source(),
            &self.root.uri(),
            &self.env,
        )
    }
}
