//! What the inner store gives, as a stream of pieces.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::ops::Range;

use bytes::Bytes;
use futures::stream::{BoxStream, StreamExt as _, TryStreamExt as _, try_unfold};
use object_store::{GetResult, GetResultPayload};

use super::error::{Fault, generic};

/// Bytes of a file that are read at once.
const PIECE: u64 = 1 << 19;

/// The bytes of a result.
pub(super) fn bytes_of(result: GetResult) -> BoxStream<'static, Result<Bytes, Fault>> {
    match result.payload {
        GetResultPayload::Stream(stream) => stream.map_err(Fault::Inner).boxed(),
        GetResultPayload::File(file, path) => {
            let failed = move |error: io::Error| {
                let what = format!("reading {} failed: {error}", path.display());
                Fault::Inner(generic(what))
            };
            file_bytes(file, result.range).map_err(failed).boxed()
        }
    }
}

/// Reads on a thread that may wait, where there is a runtime that has them.
fn file_bytes(
    file: File,
    range: Range<u64>,
) -> impl futures::Stream<Item = io::Result<Bytes>> + Send {
    try_unfold((file, range), |(file, range)| async move {
        if range.is_empty() {
            return Ok(None);
        }
        let read = move || read_piece(file, range);
        let (bytes, rest) = match tokio::runtime::Handle::try_current() {
            Ok(runtime) => runtime
                .spawn_blocking(read)
                .await
                .map_err(io::Error::other)?,
            Err(_) => read(),
        }?;
        Ok(Some((bytes, rest)))
    })
}

fn read_piece(mut file: File, range: Range<u64>) -> io::Result<(Bytes, (File, Range<u64>))> {
    let count = (range.end - range.start).min(PIECE);
    file.seek(SeekFrom::Start(range.start))?;
    let mut bytes = vec![0; usize::try_from(count).unwrap_or_default()];
    file.read_exact(&mut bytes)?;
    Ok((bytes.into(), (file, range.start + count..range.end)))
}
