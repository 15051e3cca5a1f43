use atrest_core::KeyId;
use atrest_core::object::{ObjectHeader, clear_len};
use bytes::Bytes;
use futures::stream::{BoxStream, StreamExt as _, TryStreamExt as _};
use object_store::path::Path;
use object_store::{
    Attributes, Error, GetOptions, GetRange, GetResult, ObjectMeta, ObjectStore as _,
};
use zeroize::Zeroizing;

use super::Operation;
use super::error::failed;
use super::object::Job;
use crate::failpoints::{Point, reached};
use crate::inplace::{Failure, HEADER, begins_object};
use crate::keyrings::{FileKeys, ToSeal};
use crate::store::StoreError;

/// Bytes that are read at once rather than asked for twice.
const SHORT: u64 = 1 << 20;

/// What is under a key.
pub(super) enum State {
    /// No object.
    Clear(Content),
    /// An object: its beginning and its last chunk open, and it has so many clear bytes.
    Sealed(KeyId, u64),
}

/// What was asked for under a key, and comes while it is read.
pub(super) struct Content {
    pub(super) meta: ObjectMeta,
    pub(super) attributes: Attributes,
    pub(super) bytes: BoxStream<'static, Result<Bytes, Failure>>,
    /// Whether it is all of it.
    pub(super) whole: bool,
    /// Whether fewer bytes come than the size says.
    pub(super) shorter: bool,
}

impl Content {
    fn new(result: GetResult) -> Self {
        reached(Point::ContentBegun);
        Self {
            meta: result.meta.clone(),
            attributes: result.attributes.clone(),
            bytes: result.into_stream().map_err(failed("reading it")).boxed(),
            whole: true,
            shorter: false,
        }
    }
}

impl Job<'_> {
    /// Looks, from the beginning. What is to be sealed and is short is read whole at once;
    /// else the content of what is clear is what was looked at.
    pub(super) async fn look(
        &self,
        name: &Path,
        size: u64,
        keys: &FileKeys,
    ) -> Result<State, Failure> {
        let seals =
            self.operation == Operation::Encrypt && matches!(keys.to_seal(), ToSeal::Under(..));
        // There is no range of nothing.
        let whole = size == 0 || (size <= SHORT && (seals || self.old.is_some()));
        let range = (!whole).then_some(GetRange::Bounded(0..HEADER as u64));
        let inner = self.store.inner();
        let options = GetOptions::new().with_range(range);
        let result = match inner.get_opts(name, options.clone()).await {
            // Some servers answer with all of it, which is taken for an error.
            Err(Error::Generic { .. }) if !whole => {
                inner.get_opts(name, GetOptions::default()).await
            }
            result => result,
        };
        let result = result.map_err(failed("reading it"))?;
        let (meta, attributes) = (result.meta.clone(), result.attributes.clone());
        let mut bytes = result.into_stream().map_err(failed("reading it")).boxed();

        let mut start = Zeroizing::new(Vec::with_capacity(HEADER));
        let mut held = Vec::new();
        while start.len() < HEADER {
            let Some(piece) = bytes.try_next().await? else {
                break;
            };
            let missing = piece.len().min(HEADER - start.len());
            start.extend_from_slice(&piece[..missing]);
            held.push(Ok(piece));
        }
        if begins_object(&start, meta.size).map_err(Failure::Object)? {
            drop(bytes);
            let clear = clear_len(meta.size).map_err(Failure::Object)?;
            let key = ObjectHeader::read(&start).map_err(Failure::Object)?.key;
            return self.look_inside(name, key, clear).await;
        }
        let bytes = futures::stream::iter(held).chain(bytes).boxed();
        Ok(State::Clear(Content {
            meta,
            attributes,
            bytes,
            whole,
            shorter: false,
        }))
    }

    /// All of what is clear and was looked at.
    pub(super) async fn all(&self, name: &Path, content: Content) -> Result<Content, Failure> {
        if content.whole {
            return Ok(content);
        }
        let options = GetOptions::new().with_if_match(content.meta.e_tag);
        let result = self.store.inner().get_opts(name, options).await;
        Ok(Content::new(result.map_err(failed("reading it"))?))
    }

    async fn look_inside(&self, name: &Path, key: KeyId, clear: u64) -> Result<State, Failure> {
        match self.store.prove(name).await {
            Ok((key, clear)) => Ok(State::Sealed(key, clear)),
            Err(error @ Error::Generic { .. }) if StoreError::of(&error).is_none() => {
                // Where there are no ranges, all of it proves as much.
                let mut bytes = self.open(name).await?.bytes;
                while bytes.try_next().await?.is_some() {}
                Ok(State::Sealed(key, clear))
            }
            Err(error) => Err(failed("reading it")(error)),
        }
    }

    /// The clear bytes of an object; an error in the stream if it was cut off.
    pub(super) async fn open(&self, name: &Path) -> Result<Content, Failure> {
        let result = self.store.get_opts(name, GetOptions::default()).await;
        Ok(Content::new(result.map_err(failed("reading it"))?))
    }
}
