//! Buckets whose objects are sealed in place, on real S3 servers: there and back, what
//! is left alone, and what must not happen.
#![cfg(feature = "s3")]
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

mod conditions;
mod faults;
mod killed;
mod left_alone;
mod meanwhile;
mod old;
mod renamed;
#[cfg(unix)]
mod restored;
mod rounds;
#[cfg(unix)]
mod steps;
mod subjects;
mod versions;

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::path::PathBuf;
use std::sync::Arc;

use atrest_core::object::ObjectBind;
use atrest_core::{Key, KeyId, Keyring};
use atrest_media::OldFormat;
use atrest_media::bucket::{Bucket, BucketError, OldFiles, Operation, Options, Report, Why};
use atrest_media::store::SealedStore;
use atrest_testing::earlier::aes_256_cbc;
use futures::TryStreamExt as _;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{Attributes, ObjectStore, ObjectStoreExt as _, PutOptions};

const MIB: usize = 1 << 20;

fn key(byte: u8) -> Key {
    Key::from_bytes([byte; 32])
}

fn keyring() -> Arc<Keyring> {
    Arc::new(Keyring::new(key(1), vec![]).unwrap())
}

/// Key 2 seals, key 1 opens.
fn next_keyring() -> Arc<Keyring> {
    Arc::new(Keyring::new(key(2), vec![key(1)]).unwrap())
}

fn primary() -> KeyId {
    key(1).id()
}

fn path(path: &str) -> Path {
    Path::parse(path).unwrap()
}

/// Bytes of which no two chunks are the same.
fn bytes(length: usize) -> Vec<u8> {
    let count = (0_u64..).flat_map(|n| n.wrapping_mul(6_364_136_223_846_793_005).to_be_bytes());
    count.take(length).collect()
}

/// A prefix of its own in the bucket of a server's URL.
struct Place {
    url: String,
    config: Vec<(String, String)>,
    /// What is there, as the server has it.
    store: PrefixStore<AmazonS3>,
}

impl Place {
    fn on(server: &str) -> Self {
        let prefix = format!(
            "bucket-{:016x}/a ü~",
            RandomState::new().build_hasher().finish()
        );
        Self::at(server, &prefix)
    }

    fn at(server: &str, prefix: &str) -> Self {
        let server = url::Url::parse(server).unwrap();
        let bucket = server.path().trim_matches('/');
        let endpoint = format!(
            "http://{}:{}",
            server.host_str().unwrap(),
            server.port().unwrap()
        );
        let config = [
            ("AWS_ENDPOINT_URL", endpoint.as_str()),
            ("AWS_ALLOW_HTTP", "true"),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", server.username()),
            ("AWS_SECRET_ACCESS_KEY", server.password().unwrap()),
        ];
        let s3 = config
            .iter()
            .fold(AmazonS3Builder::new(), |s3, (name, value)| {
                s3.with_config(name.to_ascii_lowercase().parse().unwrap(), *value)
            });
        let s3 = s3.with_bucket_name(bucket).build().unwrap();
        Self {
            url: format!("s3://{bucket}/{prefix}"),
            config: config
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .to_vec(),
            store: PrefixStore::new(s3, path(prefix)),
        }
    }

    fn bucket(&self) -> Bucket {
        Bucket::open(&self.url, self.config.clone(), &[], &[], ObjectBind::Path).unwrap()
    }

    async fn try_run(&self, operation: Operation) -> Result<Report, BucketError> {
        self.bucket()
            .run(operation, &keyring(), &Options::default())
            .await
    }

    async fn run(&self, operation: Operation) -> Report {
        self.try_run(operation).await.unwrap()
    }

    async fn put(&self, name: &str, content: impl Into<Vec<u8>>) {
        self.store
            .put(&path(name), content.into().into())
            .await
            .unwrap();
    }

    async fn get(&self, name: &str) -> Vec<u8> {
        self.store
            .get(&path(name))
            .await
            .unwrap()
            .bytes()
            .await
            .unwrap()
            .to_vec()
    }

    /// The clear content of what is sealed under a name.
    async fn open(&self, name: &str) -> Vec<u8> {
        let store = SealedStore::new(self.store.clone(), next_keyring(), ObjectBind::Path);
        let content = store.get(&path(name)).await.unwrap();
        content.bytes().await.unwrap().to_vec()
    }

    async fn is_object(&self, name: &str) -> bool {
        self.get(name).await.starts_with(b"ATREST\x01\x03")
    }

    /// What is there, by name.
    async fn contents(&self) -> BTreeMap<String, (Vec<u8>, BTreeMap<String, String>)> {
        let mut found = BTreeMap::new();
        for meta in self.store.list(None).try_collect::<Vec<_>>().await.unwrap() {
            let got = self.store.get(&meta.location).await.unwrap();
            let attributes = got.attributes.iter();
            let attributes =
                attributes.map(|(name, value)| (format!("{name:?}"), value.to_string()));
            let attributes = attributes.collect();
            found.insert(
                meta.location.to_string(),
                (got.bytes().await.unwrap().to_vec(), attributes),
            );
        }
        found
    }
}

/// As an earlier system wrote it, under key 9.
fn cbc(clear: &[u8]) -> Vec<u8> {
    aes_256_cbc(&[9; 32], clear)
}

fn old_files(originals: Option<PathBuf>) -> OldFiles {
    OldFiles {
        format: OldFormat::Aes256Cbc,
        keyring: Keyring::new(key(9), vec![]).unwrap(),
        originals,
    }
}

fn skipped(report: &Report) -> Vec<(&str, &Why)> {
    let name = |name| std::str::from_utf8(name).unwrap();
    report
        .skipped
        .iter()
        .map(|it| (name(&it.name), &it.why))
        .collect()
}

fn put_options(attributes: &Attributes) -> PutOptions {
    PutOptions::from(attributes.clone())
}
