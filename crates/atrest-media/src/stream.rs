//! Streams of bytes as objects, without blocking: each poll seals or opens at most
//! 1 MiB, which takes a fraction of a millisecond.

use std::sync::Arc;
use std::time::Instant;

use atrest_core::Keyring;
use atrest_core::object::{ObjectError, ObjectHeader, ObjectOpener, PROLOGUE_LEN};
use bytes::Bytes;
use futures::stream::{BoxStream, Stream, StreamExt as _, TryStreamExt as _, try_unfold};

use crate::observe::Unobserved;
use crate::opening::Opening;
use crate::pieces::CLEAR as PIECE;
use crate::sealing::Sealing;
use crate::wiped::Wiped;
use crate::{MediaError, Observe};

/// The object of a clear stream, bound to `id` (empty: not bound), under the
/// keyring's primary key. Pieces are at most about 1 MiB long.
///
/// # Errors
/// [`MediaError::Object`] without random bytes. In the stream: the clear stream's
/// own, and [`MediaError::Object`] beyond 4 PiB; it ends with them, and what came by
/// then is no whole object and does not open.
///
/// ```
/// use atrest_core::object::open_object;
/// use atrest_core::{Key, Keyring};
/// use bytes::Bytes;
/// use futures::TryStreamExt as _;
///
/// # futures::executor::block_on(async {
/// let keyring = Keyring::new(Key::generate()?, vec![])?;
/// let clear = futures::stream::iter([Ok::<_, std::io::Error>(Bytes::from("made up"))]);
/// let sealed = atrest_media::seal_stream(clear, &keyring, b"notes.txt")?;
/// let object: Vec<Bytes> = sealed.try_collect().await?;
/// assert_eq!(open_object(&keyring, b"notes.txt", &object.concat())?, b"made up");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
pub fn seal_stream<S, E>(
    clear: S,
    keyring: &Keyring,
    id: &[u8],
) -> Result<impl Stream<Item = Result<Bytes, E>> + Send + use<S, E>, MediaError>
where
    S: Stream<Item = Result<Bytes, E>> + Send,
    E: From<MediaError> + Send,
{
    let sealing = Sealing::new(keyring, id)?;
    Ok(sealed(clear, sealing, Arc::new(Unobserved)))
}

/// [`seal_stream`], observed.
pub(crate) fn sealed<S, E>(
    clear: S,
    sealing: Sealing,
    observe: Arc<dyn Observe>,
) -> impl Stream<Item = Result<Bytes, E>> + Send + use<S, E>
where
    S: Stream<Item = Result<Bytes, E>> + Send,
    E: From<MediaError> + Send,
{
    let prologue = Bytes::copy_from_slice(sealing.prologue());
    let clear = Some(Box::pin(in_pieces(clear)));
    let chunks = try_unfold((clear, sealing), move |(clear, mut sealing)| {
        let observe = Arc::clone(&observe);
        async move {
            let Some(mut clear) = clear else {
                return Ok(None);
            };
            let mut sealed = Vec::new();
            while let Some(piece) = clear.try_next().await? {
                let began = Instant::now();
                sealing
                    .push(&piece, &mut sealed)
                    .map_err(MediaError::from)?;
                observe.sealed(piece.len() as u64, began.elapsed());
                if !sealed.is_empty() {
                    return Ok(Some((Bytes::from(sealed), (Some(clear), sealing))));
                }
            }
            sealing.finish(&mut sealed).map_err(MediaError::from)?;
            Ok(Some((Bytes::from(sealed), (None, sealing))))
        }
    });
    futures::stream::iter([Ok(prologue)]).chain(chunks)
}

/// The clear bytes of a stream that is one whole object, which was bound to `id`.
/// Reads its first 72 bytes.
///
/// **Until the stream has ended without an error, what came may be a part only.**
/// Each byte is authenticated, but that an object was cut off shows at its end.
///
/// # Errors
/// Those of the sealed stream, and of [`ObjectOpener::new`]. In the stream also those
/// of [`ObjectOpener::open`], and [`ObjectError::Length`] for an object that was cut
/// off or added to; it ends with them.
///
/// ```
/// use atrest_core::object::seal_object;
/// use atrest_core::{Key, Keyring};
/// use bytes::Bytes;
/// use futures::TryStreamExt as _;
///
/// # futures::executor::block_on(async {
/// let keyring = Keyring::new(Key::generate()?, vec![])?;
/// let object = seal_object(&keyring, b"notes.txt", b"made up")?;
/// let object = futures::stream::iter([Ok::<_, std::io::Error>(Bytes::from(object))]);
/// let clear = atrest_media::open_stream(object, &keyring, b"notes.txt").await?;
/// let clear: Vec<Bytes> = clear.try_collect().await?;
/// assert_eq!(clear.concat(), b"made up");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
pub async fn open_stream<S, E>(
    sealed: S,
    keyring: &Keyring,
    id: &[u8],
) -> Result<impl Stream<Item = Result<Bytes, E>> + Send + use<S, E>, E>
where
    S: Stream<Item = Result<Bytes, E>> + Send + 'static,
    E: From<MediaError> + Send + 'static,
{
    let (prologue, chunks) = split_prologue(sealed.boxed()).await?;
    let opener = ObjectOpener::new(keyring, id, &prologue).map_err(MediaError::from)?;
    Ok(opened(
        chunks,
        Opening::new(opener, 0),
        true,
        Arc::new(Unobserved),
    ))
}

/// Takes what an object begins with from the beginning of a stream.
///
/// # Errors
/// Those of the stream; [`ObjectError::NotAnObject`] and [`ObjectError::NewerKind`],
/// then [`ObjectError::Length`] when there is less of it.
pub(crate) async fn split_prologue<'a, E>(
    mut sealed: BoxStream<'a, Result<Bytes, E>>,
) -> Result<([u8; PROLOGUE_LEN], BoxStream<'a, Result<Bytes, E>>), E>
where
    E: From<MediaError> + Send + 'a,
{
    let mut start = Vec::new();
    let mut rest = Bytes::new();
    while start.len() < PROLOGUE_LEN {
        let Some(mut bytes) = sealed.try_next().await? else {
            break;
        };
        let taken = bytes.split_to(bytes.len().min(PROLOGUE_LEN - start.len()));
        start.extend_from_slice(&taken);
        rest = bytes;
    }
    ObjectHeader::read(&start).map_err(MediaError::from)?;
    let length = start.len() as u64;
    let prologue = start.first_chunk().ok_or(ObjectError::Length { length });
    let prologue = *prologue.map_err(MediaError::from)?;
    Ok((
        prologue,
        futures::stream::iter([Ok(rest)]).chain(sealed).boxed(),
    ))
}

/// The clear bytes of chunks that follow each other. If they end with the object's
/// last one, the last bytes come only when that has opened.
pub(crate) fn opened<'a, S, E>(
    sealed: S,
    opening: Opening,
    to_the_end: bool,
    observe: Arc<dyn Observe>,
) -> impl Stream<Item = Result<Bytes, E>> + Send + use<'a, S, E>
where
    S: Stream<Item = Result<Bytes, E>> + Send + 'a,
    E: From<MediaError> + Send + 'a,
{
    let sealed = Some(Box::pin(in_pieces(sealed)));
    let state = (sealed, opening, Wiped::default());
    try_unfold(state, move |(sealed, mut opening, mut held)| {
        let observe = Arc::clone(&observe);
        async move {
            let Some(mut sealed) = sealed else {
                return Ok(None);
            };
            while let Some(piece) = sealed.try_next().await? {
                let mut clear = Wiped::with_capacity(opening.room(piece.len()));
                let began = Instant::now();
                opening.push(&piece, &mut clear).map_err(MediaError::from)?;
                if clear.is_empty() {
                    continue;
                }
                observe.opened(clear.len() as u64, began.elapsed());
                if to_the_end {
                    std::mem::swap(&mut clear, &mut held);
                }
                if !clear.is_empty() {
                    return Ok(Some((clear.into_bytes(), (Some(sealed), opening, held))));
                }
            }
            if to_the_end {
                let (before, began) = (held.len(), Instant::now());
                opening.finish(&mut held).map_err(MediaError::from)?;
                observe.opened((held.len() - before) as u64, began.elapsed());
            }
            Ok(Some((held.into_bytes(), (None, opening, Wiped::default()))))
        }
    })
    .try_filter(|piece| std::future::ready(!piece.is_empty()))
}

/// The same bytes in pieces of at most 1 MiB.
pub(crate) fn in_pieces<S, E>(stream: S) -> impl Stream<Item = Result<Bytes, E>> + Send + use<S, E>
where
    S: Stream<Item = Result<Bytes, E>> + Send,
    E: Send,
{
    stream
        .map_ok(|mut bytes| {
            let next = move || {
                let piece = bytes.split_to(bytes.len().min(PIECE));
                (!piece.is_empty()).then_some(Ok(piece))
            };
            futures::stream::iter(std::iter::from_fn(next))
        })
        .try_flatten()
}
