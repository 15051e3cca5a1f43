//! The keys of a server that runs.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use anyhow::bail;
use atrest_core::Keyring;
use atrest_core::object::{open_object, seal_object};
use atrest_engine::policy::FilesPolicy;
use atrest_keys::LoadedKeyring;
use atrest_keys::keyring::KeyPurpose;
use atrest_media::Observe;
use atrest_media::bucket::Bucket;
use atrest_media::store::SealedStore;
use atrest_server::Metrics;
use object_store::ObjectStore;

use super::{names, own_files};
use crate::args::{Global, ServeArgs};
use crate::session::Session;

/// Where the sealed objects are.
pub(super) enum Inner {
    Disk(Arc<dyn ObjectStore>),
    Bucket(Box<Bucket>),
}

/// Keys, and the files that must not be served.
pub(super) struct Keys {
    pub(super) keyring: Arc<Keyring>,
    /// By the names of files, where they are of subjects.
    pub(super) of_files: atrest_media::Keys,
    /// None for a bucket.
    pub(super) own: Vec<PathBuf>,
    /// As they were read.
    pub(super) loaded: LoadedKeyring,
}

/// What is in force now.
pub(super) struct InForce(RwLock<Arc<Keys>>);

impl InForce {
    pub(super) fn new(keys: Keys) -> Self {
        Self(RwLock::new(Arc::new(keys)))
    }

    pub(super) fn now(&self) -> Arc<Keys> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn put(&self, keys: Arc<Keys>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = keys;
    }
}

/// A location that is served, and all that its keys are in.
pub(super) struct Served<'a> {
    pub(super) global: &'a Global,
    pub(super) args: &'a ServeArgs,
    /// As it was at the start.
    pub(super) session: &'a Session,
    pub(super) files: &'a FilesPolicy,
    pub(super) inner: Inner,
    pub(super) metrics: Metrics,
}

impl Served<'_> {
    /// The keys of a session.
    ///
    /// # Errors
    /// When one of atrest's files lies in the folder that is served.
    pub(super) fn keys(&self, session: &Session) -> anyhow::Result<Keys> {
        let mut own = Vec::new();
        if let Inner::Disk(_) = self.inner {
            own = own_files(session, self.args)?;
            names::holds_none_of(&own, self.files, self.session.policy.directory())?;
        }
        let keyring = Arc::new(session.keyring().clone());
        let of_files = session.keys_of_now(self.files)?;
        Ok(Keys {
            keyring,
            of_files,
            own,
            loaded: session.keys.clone(),
        })
    }

    /// The location in clear, under these keys; the metrics name them.
    pub(super) fn store(&self, keys: &Keys) -> Arc<dyn ObjectStore> {
        self.tell(keys, true);
        let of_files = &keys.of_files;
        let observer: Arc<dyn Observe> = Arc::new(self.metrics.clone());
        match &self.inner {
            Inner::Disk(disk) => {
                let store = SealedStore::new(Arc::clone(disk), of_files, self.files.bind);
                Arc::new(store.observed(observer))
            }
            Inner::Bucket(bucket) => Arc::new(bucket.sealed_store(of_files).observed(observer)),
        }
    }

    pub(super) fn tell(&self, keys: &Keys, at_hand: bool) {
        let keyring = &*keys.keyring;
        let primary = keyring.primary().id();
        for key in keyring.keys() {
            let role = if key.id() == primary {
                "primary"
            } else {
                "previous"
            };
            self.metrics.key(&key.id(), role, at_hand);
        }
        let entries = keys.loaded.opened.iter().flat_map(|it| it.entries());
        for entry in entries.filter(|entry| entry.purpose == KeyPurpose::Data) {
            #[allow(
                clippy::cast_precision_loss,
                reason = "seconds since 1970 are far below 2^52"
            )]
            let created = entry.created.as_second() as f64;
            self.metrics.key_created(&entry.id, created);
        }
    }

    pub(super) fn again(&self, in_force: &InForce) -> anyhow::Result<Keys> {
        let (session, warnings) = Session::read_again(self.global)?;
        for warning in warnings {
            tracing::warn!(warning, "of the keys");
        }
        let (before, now) = (&self.session.policy, &session.policy);
        if before.files != now.files || before.serve != now.serve {
            tracing::warn!(
                "[[files]] or [serve] of the policy changed, too; that needs a restart of the server"
            );
        }
        let mut keys = self.keys(&session)?;
        let old = in_force.now();
        if let Inner::Disk(_) = self.inner {
            // The certificate, and what else needs a restart, is still in use.
            keys.own.extend(own_files(self.session, self.args)?);
        }
        let sealed = old.keyring.primary().id();
        if !keys.keyring.keys().any(|key| key.id() == sealed) {
            bail!(
                "the new keys lack {sealed}, under which this server seals, so what it sealed would not open; put that key into keys.previous until atrest rotate and atrest status say that nothing needs it, or restart the server to do without"
            );
        }
        if !works(&keys.keyring) {
            bail!("what the new primary key seals does not open; choose another key");
        }
        Ok(keys)
    }
}

/// What the primary key seals, the keyring opens.
pub(super) fn works(keyring: &Keyring) -> bool {
    let sealed = seal_object(keyring, b"ready", b"?");
    sealed.is_ok_and(|object| {
        open_object(keyring, b"ready", &object).is_ok_and(|clear| *clear == *b"?")
    })
}
