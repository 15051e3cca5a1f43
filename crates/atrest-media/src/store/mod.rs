//! An encrypting store over any store of the crate [`object_store`]: whoever uses it
//! sees clear content and clear lengths, and the inner store holds objects.
//!
//! It composes as [`PrefixStore`](object_store::prefix::PrefixStore) does. What goes
//! through unchanged: conditions, ETags and versions (they are those of the sealed
//! object), attributes, tags, times.
//!
//! **Lengths** of [`head`](object_store::ObjectStoreExt::head) and lists are computed
//! from what the inner store says, and nobody has authenticated that; a read does. In
//! lists, what has a length that no object has is given with the length that it has;
//! `head` and reads refuse it.
//!
//! **Reads.** No byte leaves that was not authenticated. A range reads the object's
//! first 72 bytes and the chunks that it overlaps; and first of all the last chunk,
//! if the end matters: for the last `n` bytes, for all from an offset on, and for a
//! range that ends beyond the end. Of a whole object the last bytes come when its
//! last chunk has opened. An object that is replaced while it is read is read anew,
//! or the read fails.
//!
//! **Names.** With [`ObjectBind::Path`] an object is bound to its [`Path`] as this
//! store is given it, byte for byte. That is its name in a bucket and on the disk, so
//! what [`folder`](crate::folder) sealed opens through a store over that folder, and
//! the other way round. Make paths of existing names with [`Path::parse`]:
//! `Path::from` replaces some characters (`~`, `#`, `[`), which names something else.
//!
//! **Subjects.** With keys by name ([`Keys`]), an object is sealed under a key of whose
//! its name says it is, and a copy under another subject's name under that one's. A
//! server that runs on opens what another process had forgotten for 30 s at most.
//!
//! **Copies** of bound objects are opened and sealed anew under the other name; tags
//! do not come along, since [`ObjectStore`] has no way to read them. One of more than
//! 5 MiB that must not overwrite is sealed beside and then copied by the inner store on
//! that condition: it needs to know how (S3: `with_copy_if_not_exists`).
//!
//! **Time.** `object_store` ends each request after 30 s unless it is told otherwise,
//! long reads too: give the inner store `ClientOptions::with_timeout_disabled` and a read
//! timeout.
//!
//! ```
//! use std::sync::Arc;
//! use atrest_core::object::ObjectBind;
//! use atrest_core::{Key, Keyring};
//! use atrest_media::store::SealedStore;
//! use object_store::{ObjectStoreExt as _, memory::InMemory, path::Path};
//!
//! # futures::executor::block_on(async {
//! let inner = Arc::new(InMemory::new());
//! let keyring = Arc::new(Keyring::new(Key::generate()?, vec![])?);
//! let store = SealedStore::new(Arc::clone(&inner), keyring, ObjectBind::Path);
//!
//! let clip = Path::parse("gate/a.mp4")?;
//! store.put(&clip, vec![7; 100_000].into()).await?;
//! assert_eq!(store.get_range(&clip, 50_000..50_003).await?[..], [7; 3]);
//! assert_eq!(store.head(&clip).await?.size, 100_000);
//! assert_eq!(&inner.get(&clip).await?.bytes().await?[..6], b"ATREST");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```

mod begun;
mod copy;
mod error;
mod get;
mod lengths;
mod put;
mod ranges;
mod source;
mod upload;

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use atrest_core::object::{ObjectBind, ObjectOpener, PROLOGUE_LEN};
use bytes::Bytes;
use futures::stream::{BoxStream, StreamExt as _, TryStreamExt as _};
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, Result,
};

pub use error::StoreError;

use crate::observe::Unobserved;
use crate::{FileKeys, Keys, MediaError, Observe};
use lengths::clear_meta;

/// A store whose objects are sealed in an inner one; see [the module](self).
///
/// Errors of the inner store come as they are. What is no object, or does not open,
/// is an [`Error::Generic`](object_store::Error::Generic) with a [`StoreError`] inside
/// that names the object.
pub struct SealedStore<S> {
    inner: S,
    keys: Keys,
    bind: ObjectBind,
    observe: Arc<dyn Observe>,
}

impl<S: ObjectStore> SealedStore<S> {
    /// Seals under the primary key of the keyring that is an object's, and opens what is
    /// under any of its keys. With keys by name ([`Keys::by_name`]), an object of a
    /// subject without a key has one made when it is put.
    pub fn new(inner: S, keys: impl Into<Keys>, bind: ObjectBind) -> Self {
        let observe = Arc::new(Unobserved);
        Self {
            inner,
            keys: keys.into(),
            bind,
            observe,
        }
    }

    /// The same store, telling `observe` of what it does.
    #[must_use]
    pub fn observed(self, observe: Arc<dyn Observe>) -> Self {
        Self { observe, ..self }
    }

    /// The store that holds the sealed objects.
    pub const fn inner(&self) -> &S {
        &self.inner
    }

    /// What the object at `location` is bound to.
    fn id<'a>(&self, location: &'a Path) -> &'a [u8] {
        self.bind.logical_id(location.as_ref().as_bytes())
    }

    /// The keys of the object at `location`; with `make`, one to seal it under.
    async fn keys(&self, location: &Path, make: bool) -> Result<FileKeys> {
        let keys = self.keys.one(location.as_ref().as_bytes(), make).await;
        keys.map_err(|error| self.refuse(location, error))
    }

    /// The opener of the object at `location`, by its first bytes.
    async fn opener(&self, location: &Path, prologue: &[u8; PROLOGUE_LEN]) -> Result<ObjectOpener> {
        let mut keys = self.keys(location, false).await?;
        let id = self.id(location);
        let mut opener = ObjectOpener::new(keys.keyring(), id, prologue);
        // Another process may have made it a key since.
        if matches!(&opener, Err(error) if keys.may_lack(error)) {
            let again = self.keys.again(location.as_ref().as_bytes()).await;
            keys = again.map_err(|error| self.refuse(location, error))?;
            opener = ObjectOpener::new(keys.keyring(), id, prologue);
        }
        opener.map_err(|error| self.refuse(location, keys.explain(error)))
    }

    /// Whether what is at the one is sealed as it would be at the other.
    fn is_same(&self, one: &Path, other: &Path) -> bool {
        let subject = |path: &Path| {
            self.keys
                .subject_of(path.as_ref().as_bytes())
                .map(str::to_owned)
        };
        self.bind == ObjectBind::None && subject(one) == subject(other)
    }

    /// The error that names the object; it is observed.
    fn refuse(&self, location: &Path, error: impl Into<MediaError>) -> object_store::Error {
        let error = error.into();
        self.observe.refused(&error);
        StoreError::new(location.clone(), error).into()
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<S: ObjectStore> ObjectStore for SealedStore<S> {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        let object = self.seal_payload(location, payload).await?;
        self.inner.put_opts(location, object, options).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let upload = self.upload(location, location, options).await?;
        Ok(Box::new(upload))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        if options.head {
            self.head(location, options).await
        } else {
            self.get(location, options).await
        }
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.ranges(location, ranges).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix).map_ok(clear_meta).boxed()
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        let list = self.inner.list_with_offset(prefix, offset);
        list.map_ok(clear_meta).boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let list = self.inner.list_with_delimiter(prefix).await?;
        let objects = list.objects.into_iter().map(clear_meta).collect();
        Ok(ListResult { objects, ..list })
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        match self.is_same(from, to) {
            true => self.inner.copy_opts(from, to, options).await,
            false => self.copy_bound(from, to, options).await,
        }
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        match self.is_same(from, to) {
            true => self.inner.rename_opts(from, to, options).await,
            false => self.rename_bound(from, to, options).await,
        }
    }
}

impl<S: fmt::Display> fmt::Display for SealedStore<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealedStore({})", self.inner)
    }
}

impl<S: fmt::Debug> fmt::Debug for SealedStore<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealedStore")
            .field("inner", &self.inner)
            .field("bind", &self.bind)
            .finish_non_exhaustive()
    }
}
