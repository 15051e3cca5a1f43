use std::ops::Range;

use atrest_core::object::{ObjectError, ObjectOpener, PROLOGUE_LEN, clear_len};
use bytes::Bytes;
use futures::stream::{BoxStream, StreamExt as _, TryStreamExt as _};
use object_store::path::Path;
use object_store::{
    Attributes, Error, Extensions, GetOptions, GetRange, ObjectMeta, ObjectStore, Result,
};

use super::SealedStore;
use super::error::Fault;
use super::lengths::{last_chunk, places};
use super::source::bytes_of;
use crate::opening::Opening;
use crate::stream::{opened, split_prologue};
use crate::wiped::Wiped;

/// What an object begins with.
pub(super) const PROLOGUE: GetRange = GetRange::Bounded(0..PROLOGUE_LEN as u64);

pub(super) type Pieces = BoxStream<'static, Result<Bytes, Fault>>;

/// An object whose first bytes were read.
pub(super) struct Begun {
    /// As the inner store has it.
    pub(super) meta: ObjectMeta,
    pub(super) attributes: Attributes,
    pub(super) extensions: Extensions,
    /// Its clear length: a claim until the last chunk has opened.
    pub(super) clear: u64,
    pub(super) opener: ObjectOpener,
    /// The version that was asked for.
    version: Option<String>,
}

impl Begun {
    /// The number of its last chunk.
    pub(super) const fn last(&self) -> u64 {
        last_chunk(self.clear)
    }
}

impl<S: ObjectStore> SealedStore<S> {
    /// The first request, for a range that begins with the object. What came behind its
    /// first bytes is given sealed.
    pub(super) async fn begin(
        &self,
        location: &Path,
        options: GetOptions,
    ) -> Result<(Begun, Pieces)> {
        let result = match self.inner.get_opts(location, options.clone()).await {
            Err(error @ Error::Generic { .. }) if options.range.is_some() => {
                return Err(self.without_range(location, options, error).await);
            }
            result => result?,
        };
        let (meta, attributes) = (result.meta.clone(), result.attributes.clone());
        let extensions = result.extensions.clone();
        let split = split_prologue(bytes_of(result)).await;
        let (prologue, sealed) = split.map_err(|fault| self.name(location, fault))?;
        let begun = Begun {
            clear: clear_len(meta.size).map_err(|error| self.refuse(location, error))?,
            opener: self.opener(location, &prologue).await?,
            meta,
            attributes,
            extensions,
            version: options.version,
        };
        Ok((begun, sealed))
    }

    /// Why a range was refused: nothing is there to have a part of, or as it was said.
    async fn without_range(&self, location: &Path, options: GetOptions, error: Error) -> Error {
        let head = GetOptions {
            range: None,
            head: true,
            ..options
        };
        match self.inner.get_opts(location, head).await {
            Ok(result) if result.meta.size == 0 => self.refuse(location, ObjectError::NotAnObject),
            _ => error,
        }
    }

    /// The clear bytes of some chunks of the very object that was begun.
    pub(super) async fn chunks(&self, begun: &Begun, chunks: Range<u64>) -> Result<Pieces> {
        let places = places(&chunks);
        let range = places.start..places.end.min(begun.meta.size);
        let options = GetOptions::new()
            .with_range(Some(range))
            .with_if_match(begun.meta.e_tag.clone())
            .with_version(begun.version.clone());
        let result = self.inner.get_opts(&begun.meta.location, options).await?;
        let to_the_end = chunks.end > begun.last();
        Ok(self.open(begun, chunks.start, bytes_of(result), to_the_end))
    }

    /// [`Self::chunks`], all at once.
    pub(super) async fn chunks_at_once(&self, begun: &Begun, chunks: Range<u64>) -> Result<Bytes> {
        let pieces = self.chunks(begun, chunks).await?;
        let pieces: Result<Vec<Bytes>, Fault> = pieces.try_collect().await;
        let pieces = pieces.map_err(|fault| self.name(&begun.meta.location, fault))?;
        let mut all = Wiped::with_capacity(pieces.iter().map(Bytes::len).sum());
        for piece in pieces {
            all.extend_from_slice(&piece);
        }
        Ok(all.into_bytes())
    }

    /// What is in chunks of the object from number `first` on.
    pub(super) fn open(
        &self,
        begun: &Begun,
        first: u64,
        sealed: Pieces,
        to_the_end: bool,
    ) -> Pieces {
        let opening = Opening::new(begun.opener.clone(), first);
        opened(sealed, opening, to_the_end, self.observe.clone()).boxed()
    }

    pub(super) fn name(&self, location: &Path, fault: Fault) -> Error {
        match fault {
            Fault::Inner(error) => error,
            Fault::Media(error) => self.refuse(location, error),
        }
    }
}
