//! The encrypting store over real ones: what whoever uses it sees, what the inner
//! store holds and is asked for, and everything that must be refused.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]
#![allow(
    clippy::single_range_in_vec_init,
    reason = "lists of ranges, and one of them may be alone"
)]

mod contract;
mod copies;
mod counting;
mod damage;
mod names;
mod ranges;
mod replaced;
#[cfg(feature = "s3")]
mod s3;
mod streams;
mod subjects;
mod uploads;

use std::sync::Arc;

use atrest_core::object::ObjectBind;
use atrest_core::{Key, Keyring};
use atrest_media::store::{SealedStore, StoreError};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{Error, GetOptions, GetRange, ObjectStore, ObjectStoreExt as _, Result};

const CHUNK: usize = 16_384;
const SLOT: usize = CHUNK + 16;
const PROLOGUE: usize = 72;
/// What S3 wants of a part.
const PART: usize = 5 << 20;

fn key(byte: u8) -> Key {
    Key::from_bytes([byte; 32])
}

fn keyring() -> Arc<Keyring> {
    Arc::new(Keyring::new(key(1), vec![]).unwrap())
}

fn path(path: &str) -> Path {
    Path::parse(path).unwrap()
}

fn sealed<S: ObjectStore>(inner: S) -> SealedStore<S> {
    SealedStore::new(inner, keyring(), ObjectBind::Path)
}

/// A sealed store and the one that it stands on.
fn in_memory() -> (SealedStore<Arc<InMemory>>, Arc<InMemory>) {
    let inner = Arc::new(InMemory::new());
    (sealed(Arc::clone(&inner)), inner)
}

/// Bytes of which no two chunks are the same.
fn bytes(length: usize) -> Vec<u8> {
    let count = (0_u64..).flat_map(|n| n.wrapping_mul(6_364_136_223_846_793_005).to_be_bytes());
    count.take(length).collect()
}

async fn read(store: &impl ObjectStore, at: &Path) -> Result<Vec<u8>> {
    Ok(store.get(at).await?.bytes().await?.to_vec())
}

async fn read_range(
    store: &impl ObjectStore,
    at: &Path,
    range: impl Into<GetRange>,
) -> Result<Vec<u8>> {
    let options = GetOptions::new().with_range(Some(range));
    let result = store.get_opts(at, options).await?;
    let length = result.range.end - result.range.start;
    let bytes = result.bytes().await?.to_vec();
    assert_eq!(bytes.len() as u64, length);
    Ok(bytes)
}

/// What the refusal of the object at `at` says.
fn refusal<T: std::fmt::Debug>(done: Result<T>, at: &Path) -> String {
    let error = done.unwrap_err();
    let refused = StoreError::of(&error).unwrap_or_else(|| panic!("not refused: {error:?}"));
    assert_eq!(&refused.location, at);
    assert!(error.to_string().contains(at.as_ref()), "{error}");
    refused.error.to_string()
}

fn is_not_found<T: std::fmt::Debug>(done: Result<T>) -> bool {
    matches!(done, Err(Error::NotFound { .. }))
}
