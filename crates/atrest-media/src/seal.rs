use std::io::{Read, Write};

use atrest_core::object::{CHUNK_LEN, ObjectSealer};
use atrest_core::{KeyId, Keyring};

use crate::MediaError;
use crate::pieces::{self, CLEAR};

/// What [`seal`] made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sealed {
    /// The key that it was sealed under: the keyring's primary key.
    pub key: KeyId,
    /// Clear bytes read.
    pub clear: u64,
    /// Bytes of the object.
    pub sealed: u64,
}

/// Copies a clear stream to its end into an object bound to `id` (empty: not
/// bound), under the keyring's primary key.
///
/// Seals on `threads` threads (1: on the caller's alone), in less than 64 MiB of
/// memory whatever the length. `progress` is told, after each piece of at most
/// 1 MiB, how many clear bytes are done. The writer is flushed.
///
/// # Errors
/// [`MediaError::Io`] when reading or writing fails, [`MediaError::Object`] without
/// random bytes or beyond 4 PiB. What was written by then is no whole object and
/// does not open. After an error of the writer this returns when the read that is
/// under way does.
pub fn seal(
    mut reader: impl Read + Send,
    mut writer: impl Write,
    keyring: &Keyring,
    id: &[u8],
    threads: usize,
    progress: &dyn Fn(u64),
) -> Result<Sealed, MediaError> {
    let writing = || MediaError::io("writing the object");
    let mut sealer = ObjectSealer::new(keyring, id)?;
    let mut sealed = sealer.prologue().len() as u64;
    writer.write_all(sealer.prologue()).map_err(writing())?;

    // The stream's end is read once: a terminal would want it typed again.
    let (mut at_end, mut ended) = (false, false);
    let feed = |piece: &mut pieces::Piece| {
        if ended {
            return Ok(None);
        }
        let full = if at_end { 0 } else { CLEAR };
        let read = piece.fill(&mut reader, full);
        let read = read.map_err(MediaError::io("reading the clear bytes"))?;
        at_end = read < CLEAR;
        // A piece of whole chunks does not end the object; one of none at all does.
        ended = read == 0 || !read.is_multiple_of(CHUNK_LEN);
        Ok(Some(sealer.chunks(read)?))
    };
    let mut clear = 0;
    pieces::run(
        threads,
        CLEAR,
        feed,
        |chunks, piece| {
            piece.output.resize(chunks.sealed_len(), 0);
            Ok(chunks.seal(&piece.input, &mut piece.output)?)
        },
        |piece| {
            writer.write_all(&piece.output).map_err(writing())?;
            clear += piece.input.len() as u64;
            sealed += piece.output.len() as u64;
            progress(clear);
            Ok(())
        },
    )?;
    writer.flush().map_err(writing())?;
    Ok(Sealed {
        key: keyring.primary().id(),
        clear,
        sealed,
    })
}
