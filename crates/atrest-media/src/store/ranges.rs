use std::ops::Range;

use atrest_core::object::CHUNK_LEN;
use bytes::Bytes;
use futures::stream::{StreamExt as _, TryStreamExt as _};
use object_store::path::Path;
use object_store::{Error, GetOptions, GetRange, ObjectStore, Result};

use super::SealedStore;
use super::begun::PROLOGUE;
use super::error::generic;
use super::get::{At, TRIES};
use super::lengths::{chunks, needs_end};

/// Requests for parts of one object at the same time.
const AT_ONCE: usize = 4;

impl<S: ObjectStore> SealedStore<S> {
    /// Several ranges of one object: its first bytes are read once, each chunk once.
    pub(super) async fn ranges(&self, at: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        let bounded = |range: &Range<u64>| GetRange::Bounded(range.clone());
        let ranges: Vec<GetRange> = ranges.iter().map(bounded).collect();
        for range in &ranges {
            range.is_valid().map_err(generic)?;
        }
        if ranges.is_empty() {
            return Ok(Vec::new());
        }
        let mut tries = 1;
        loop {
            match self.try_ranges(at, &ranges).await {
                Ok(parts) => return Ok(parts),
                Err(At::Later(Error::Precondition { .. })) if tries < TRIES => tries += 1,
                Err(At::First(error) | At::Later(error)) => return Err(error),
            }
        }
    }

    async fn try_ranges(&self, at: &Path, ranges: &[GetRange]) -> Result<Vec<Bytes>, At> {
        let options = GetOptions::new().with_range(Some(PROLOGUE));
        let (begun, _) = self.begin(at, options).await.map_err(At::First)?;
        let (clear, last) = (begun.clear, begun.last());
        let wanted = |range: &GetRange| range.as_range(clear).map_err(generic);

        let overlapped = ranges.iter().filter_map(|range| wanted(range).ok());
        let mut spans: Vec<_> = overlapped.map(|range| chunks(&range)).collect();
        if ranges.iter().any(|range| needs_end(range, clear)) {
            spans.push(last..last + 1);
        }
        let fetch = |span: Range<u64>| {
            let (begun, start) = (&begun, span.start * CHUNK_LEN as u64);
            async move { Ok((start, self.chunks_at_once(begun, span).await?)) }
        };
        let fetched = futures::stream::iter(merged(spans)).map(fetch);
        let fetched: Result<Vec<(u64, Bytes)>> = fetched.buffered(AT_ONCE).try_collect().await;
        let fetched = fetched.map_err(At::Later)?;

        let part = |range: &GetRange| {
            let wanted = wanted(range)?;
            let index = fetched.partition_point(|(start, _)| *start <= wanted.start);
            let held = index.checked_sub(1).and_then(|index| fetched.get(index));
            let (start, bytes) = held.ok_or_else(|| generic("a range that was not read"))?;
            let from = usize::try_from(wanted.start - start).unwrap_or(usize::MAX);
            let to = usize::try_from(wanted.end - start).unwrap_or(usize::MAX);
            Ok(bytes.slice(from.min(bytes.len())..to.min(bytes.len())))
        };
        ranges
            .iter()
            .map(part)
            .collect::<Result<_>>()
            .map_err(At::Later)
    }
}

/// In order, with those that overlap or touch made one.
fn merged(mut spans: Vec<Range<u64>>) -> Vec<Range<u64>> {
    spans.sort_unstable_by_key(|span| span.start);
    let mut merged: Vec<Range<u64>> = Vec::new();
    for span in spans {
        match merged.last_mut() {
            Some(before) if span.start <= before.end => before.end = before.end.max(span.end),
            _ => merged.push(span),
        }
    }
    merged
}
