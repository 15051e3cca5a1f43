//! A store in whose place another can be put while requests go on.

use std::fmt;
use std::future::ready;
use std::ops::Range;
use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{BoxStream, StreamExt as _, once};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, Result,
};

/// A store that passes everything on to the one that is in force: the same objects, opened
/// with other keys. What was begun goes on with the one that it was begun with: contents
/// that are being read, uploads, lists. With none in force every request is answered with
/// 503.
///
/// ```
/// use std::sync::Arc;
/// use atrest_server::Switch;
/// use object_store::memory::InMemory;
///
/// let switch = Arc::new(Switch::new(Arc::new(InMemory::new())));
/// let store = Arc::clone(&switch); // for Server::builder
/// switch.put(Arc::new(InMemory::new())); // from now on
/// # let _ = store;
/// ```
pub struct Switch {
    in_force: RwLock<Option<Arc<dyn ObjectStore>>>,
}

/// Why nothing is done: the keys may not be used now.
#[derive(Debug, thiserror::Error)]
#[error("the keys may not be used now, since their source does not give them any more")]
pub(crate) struct WithoutKeys;

impl Switch {
    /// With a first store.
    #[must_use]
    pub fn new(store: Arc<dyn ObjectStore>) -> Self {
        Self {
            in_force: RwLock::new(Some(store)),
        }
    }

    /// Puts a store in the place of the one before: what is begun from now on, it does.
    pub fn put(&self, store: Arc<dyn ObjectStore>) {
        self.set(Some(store));
    }

    /// Lets go of the store: nothing is begun from now on, until one is put.
    pub fn close(&self) {
        self.set(None);
    }

    /// Whether a store is in force.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.now().is_ok()
    }

    fn set(&self, store: Option<Arc<dyn ObjectStore>>) {
        // A pointer cannot be half written.
        let mut in_force = self
            .in_force
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        *in_force = store;
    }

    fn now(&self) -> Result<Arc<dyn ObjectStore>> {
        let in_force = self.in_force.read().unwrap_or_else(PoisonError::into_inner);
        in_force.clone().ok_or_else(|| Error::Generic {
            store: "Switch",
            source: Box::new(WithoutKeys),
        })
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl ObjectStore for Switch {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        self.now()?.put_opts(location, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.now()?.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.now()?.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.now()?.get_ranges(location, ranges).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        match self.now() {
            Ok(store) => store.delete_stream(locations),
            Err(error) => once(ready(Err(error))).boxed(),
        }
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        match self.now() {
            Ok(store) => store.list(prefix),
            Err(error) => once(ready(Err(error))).boxed(),
        }
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        match self.now() {
            Ok(store) => store.list_with_offset(prefix, offset),
            Err(error) => once(ready(Err(error))).boxed(),
        }
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.now()?.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.now()?.copy_opts(from, to, options).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        self.now()?.rename_opts(from, to, options).await
    }
}

impl fmt::Display for Switch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.now() {
            Ok(store) => write!(f, "Switch({store})"),
            Err(_) => f.write_str("Switch"),
        }
    }
}

impl fmt::Debug for Switch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Switch")
            .field("in_force", &self.now().ok())
            .finish()
    }
}
