use std::io;
use std::ops::Range;
use std::sync::Arc;

use atrest_core::object::{CHUNK_LEN, clear_len};
use bytes::{Buf as _, Bytes};
use futures::stream::{Stream, StreamExt as _, TryStreamExt as _, try_unfold};
use object_store::path::Path;
use object_store::{
    Error, GetOptions, GetRange, GetResult, GetResultPayload, ObjectMeta, ObjectStore, Result,
};

use super::begun::{Begun, PROLOGUE, Pieces};
use super::error::{Fault, generic};
use super::lengths::{chunks, needs_end, places};
use super::{SealedStore, StoreError};
use crate::MediaError;

/// How often an object that is replaced between two requests is begun anew.
pub(super) const TRIES: usize = 3;

/// An error of the first request, or of a later one.
pub(super) enum At {
    First(Error),
    Later(Error),
}

impl<S: ObjectStore> SealedStore<S> {
    /// Length and times, by what the inner store says.
    pub(super) async fn head(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let options = GetOptions {
            range: None,
            ..options
        };
        let result = self.inner.get_opts(location, options).await?;
        let clear = clear_len(result.meta.size).map_err(|error| self.refuse(location, error))?;
        Ok(GetResult {
            payload: GetResultPayload::Stream(futures::stream::empty().boxed()),
            meta: ObjectMeta {
                size: clear,
                ..result.meta
            },
            range: 0..clear,
            attributes: result.attributes,
            extensions: result.extensions,
        })
    }

    pub(super) async fn get(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        if let Some(range) = &options.range {
            range.is_valid().map_err(generic)?;
        }
        let mut tries = 1;
        loop {
            match self.try_get(location, options.clone()).await {
                Ok(result) => return Ok(result),
                // It was replaced; of the first request, it is the caller's condition.
                Err(At::Later(Error::Precondition { .. })) if tries < TRIES => tries += 1,
                Err(At::First(error) | At::Later(error)) => return Err(error),
            }
        }
    }

    async fn try_get(&self, location: &Path, options: GetOptions) -> Result<GetResult, At> {
        let range = options.range.clone();
        let ask = match &range {
            None | Some(GetRange::Offset(0)) => None,
            // The first chunk stands right behind the object's first bytes.
            Some(GetRange::Bounded(range)) if range.start < CHUNK_LEN as u64 => {
                Some(GetRange::Bounded(0..places(&chunks(range)).end))
            }
            Some(_) => Some(PROLOGUE),
        };
        let from_start = ask != Some(PROLOGUE);
        let options = GetOptions {
            range: ask,
            ..options
        };
        let (begun, sealed) = self.begin(location, options).await.map_err(At::First)?;
        let end = range.as_ref().is_none_or(|it| needs_end(it, begun.clear));
        let wanted = wanted(range.as_ref(), begun.clear);

        if let (true, Ok(wanted)) = (from_start, &wanted) {
            let to_the_end = end || chunks(wanted).end > begun.last();
            let pieces = self.open(&begun, 0, sealed, to_the_end);
            return Ok(self.result(begun, wanted.clone(), 0, pieces));
        }
        drop(sealed);
        let last = begun.last();
        let mut tail = Bytes::new();
        if end {
            let chunk = self.chunks_at_once(&begun, last..last + 1).await;
            tail = chunk.map_err(At::Later)?;
        }
        let wanted = wanted.map_err(At::Later)?;
        let mut span = chunks(&wanted);
        let from = span.start;
        if end {
            span.end = span.end.min(last);
        }
        let mut pieces = futures::stream::empty().boxed();
        if !span.is_empty() {
            pieces = self.chunks(&begun, span).await.map_err(At::Later)?;
        }
        let pieces = pieces.chain(futures::stream::iter([Ok(tail)])).boxed();
        Ok(self.result(begun, wanted, from, pieces))
    }

    /// `wanted` out of pieces that begin with chunk number `first`.
    fn result(&self, begun: Begun, wanted: Range<u64>, first: u64, pieces: Pieces) -> GetResult {
        let skip = wanted.start.saturating_sub(first * CHUNK_LEN as u64);
        let (observe, location) = (Arc::clone(&self.observe), begun.meta.location.clone());
        let named = move |fault| match fault {
            Fault::Inner(error) => error,
            Fault::Media(error) => {
                observe.refused(&error);
                StoreError::new(location.clone(), error).into()
            }
        };
        let stream = part(pieces, skip, wanted.end - wanted.start).map_err(named);
        GetResult {
            payload: GetResultPayload::Stream(stream.boxed()),
            meta: ObjectMeta {
                size: begun.clear,
                ..begun.meta
            },
            range: wanted,
            attributes: begun.attributes,
            extensions: begun.extensions,
        }
    }
}

/// Which clear bytes are meant.
fn wanted(range: Option<&GetRange>, clear: u64) -> Result<Range<u64>> {
    match range {
        None => Ok(0..clear),
        Some(range) => range.as_range(clear).map_err(generic),
    }
}

/// `left` bytes after the first `skip`. Goes on to the end of the pieces, which may be
/// what proves them.
fn part(pieces: Pieces, skip: u64, left: u64) -> impl Stream<Item = Result<Bytes, Fault>> + Send {
    try_unfold(
        (pieces, skip, left),
        |(mut pieces, mut skip, mut left)| async move {
            while let Some(mut piece) = pieces.try_next().await? {
                let before = usize::try_from(skip).unwrap_or(usize::MAX).min(piece.len());
                piece.advance(before);
                skip -= before as u64;
                piece.truncate(usize::try_from(left).unwrap_or(usize::MAX));
                left -= piece.len() as u64;
                if !piece.is_empty() {
                    return Ok(Some((piece, (pieces, skip, left))));
                }
            }
            if left > 0 {
                let cut = io::Error::from(io::ErrorKind::UnexpectedEof);
                return Err(MediaError::io("reading the object")(cut).into());
            }
            Ok(None)
        },
    )
}
