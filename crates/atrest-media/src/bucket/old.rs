//! Taking over the objects of an earlier system.

use std::io::{self, Write as _};

use bytes::Bytes;
use futures::stream::{Stream, StreamExt as _, TryStreamExt as _, try_unfold};
use object_store::path::Path;

use super::OldFiles;
use super::look::Content;
use super::object::Job;
use crate::inplace::{Failure, KEEPING, Original, Why};
use crate::old::{OldOpener, opened};

impl Job<'_> {
    /// Opens all of it; gives how many clear bytes it has.
    pub(super) async fn proven(&self, old: &OldFiles, content: Content) -> Result<u64, Failure> {
        let size = content.meta.size;
        let clear = opened(exactly(self.watched(content), size), opener(old));
        clear
            .try_fold(0, async |sum, piece| Ok(sum + piece.len() as u64))
            .await
    }

    /// Its clear content, which is shorter than it is now. When the last of it comes, what
    /// it was is durable where originals go.
    pub(super) async fn taken_over(
        &self,
        old: &OldFiles,
        name: &Path,
        content: Content,
    ) -> Result<Content, Failure> {
        let file = exactly(content.bytes, content.meta.size);
        let file = match old.originals.clone() {
            Some(originals) => {
                let path = std::path::PathBuf::from(name.as_ref());
                let original = blocking(move || Original::new(originals, &path)).await?;
                kept(file, original).boxed()
            }
            None => file.boxed(),
        };
        Ok(Content {
            bytes: opened(file, opener(old)).boxed(),
            shorter: true,
            ..content
        })
    }
}

fn opener(old: &OldFiles) -> OldOpener {
    OldOpener::new(old.format, &old.keyring)
}

/// The same bytes, and an error at their end if they are not so many.
fn exactly<'a>(
    file: impl Stream<Item = Result<Bytes, Failure>> + Send + 'a,
    length: u64,
) -> impl Stream<Item = Result<Bytes, Failure>> + Send + 'a {
    try_unfold((file.boxed(), length), async |(mut file, left)| {
        let other = || {
            let why = "reading it gave another length than it has".to_owned();
            Failure::Skipped(Why::Failed(why))
        };
        match file.try_next().await? {
            Some(piece) => {
                let left = left.checked_sub(piece.len() as u64).ok_or_else(other)?;
                Ok(Some((piece, (file, left))))
            }
            None if left == 0 => Ok(None),
            None => Err(other()),
        }
    })
}

/// The same bytes, which are durable in `original` before they end.
fn kept(
    file: impl Stream<Item = Result<Bytes, Failure>> + Send + 'static,
    original: Original,
) -> impl Stream<Item = Result<Bytes, Failure>> + Send + 'static {
    try_unfold(
        (file.boxed(), original),
        async |(mut file, mut original)| {
            let Some(piece) = file.try_next().await? else {
                blocking(|| original.keep()).await?;
                return Ok(None);
            };
            let bytes = piece.clone();
            let write = move || original.write_all(&bytes).map(|()| original);
            Ok(Some((piece, (file, blocking(write).await?))))
        },
    )
}

/// Does something with an original where waiting for the disk holds nobody up.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, Failure> {
    let done = tokio::task::spawn_blocking(work).await;
    let done = done.unwrap_or_else(|panicked| Err(io::Error::other(panicked)));
    done.map_err(Failure::io(KEEPING))
}
