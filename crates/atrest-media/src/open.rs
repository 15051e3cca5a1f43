use std::io::{Read, Write};

use atrest_core::object::{
    ObjectError, ObjectHeader, ObjectOpener, PROLOGUE_LEN, SLOT_LEN, clear_len,
};
use atrest_core::{KeyId, Keyring};

use crate::MediaError;
use crate::pieces::{self, Piece, SEALED, read_full};

/// What [`open`] read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opened {
    /// The key that the object was sealed under.
    pub key: KeyId,
    /// Clear bytes written.
    pub clear: u64,
    /// Bytes of the object.
    pub sealed: u64,
}

/// Copies an object that was bound to `id`, from its first byte to the end of the
/// stream, as clear bytes.
///
/// **Until this returns `Ok`, what was written may be a part only.** Each byte
/// written is authenticated, but that an object was cut off shows at its end. So
/// write to a temporary file and rename it when this has returned, or to nothing
/// that cannot be taken back.
///
/// Threads, memory and `progress` (clear bytes written) are as in
/// [`seal`](crate::seal).
///
/// # Errors
/// [`MediaError::Io`] when reading or writing fails, else those of
/// [`ObjectOpener::new`] and [`ObjectOpener::open`], and [`ObjectError::Length`]
/// for an object that was cut off or added to.
pub fn open(
    mut reader: impl Read + Send,
    mut writer: impl Write,
    keyring: &Keyring,
    id: &[u8],
    threads: usize,
    progress: &dyn Fn(u64),
) -> Result<Opened, MediaError> {
    let writing = || MediaError::io("writing the clear bytes");
    let prologue = read_prologue(&mut reader)?;
    let opener = ObjectOpener::new(keyring, id, &prologue)?;

    let (mut first, mut sealed, mut ended) = (0, PROLOGUE_LEN as u64, false);
    let feed = |piece: &mut Piece| {
        if ended {
            return Ok(None);
        }
        let read = piece.fill(&mut reader, SEALED);
        let read = read.map_err(MediaError::io("reading the object"))?;
        sealed += read as u64;
        ended = read < SEALED;
        // The last chunk is the short one, and it must be there.
        if ended {
            clear_len(sealed)?;
        }
        let chunk = first;
        first += (read / SLOT_LEN) as u64;
        Ok(Some(chunk))
    };
    let mut clear = 0;
    pieces::run(
        threads,
        SEALED,
        feed,
        |chunk, piece| {
            piece.output.resize(piece.input.len(), 0);
            let length = opener.open(chunk, &piece.input, &mut piece.output)?;
            piece.output.truncate(length);
            Ok(())
        },
        |piece| {
            writer.write_all(&piece.output).map_err(writing())?;
            clear += piece.output.len() as u64;
            progress(clear);
            Ok(())
        },
    )?;
    writer.flush().map_err(writing())?;
    Ok(Opened {
        key: opener.key(),
        clear,
        sealed,
    })
}

/// What an object begins with.
///
/// # Errors
/// [`ObjectError::NotAnObject`] and [`ObjectError::NewerKind`] before anything
/// else, then [`ObjectError::Length`] when there is less of it.
pub(crate) fn read_prologue(reader: &mut impl Read) -> Result<[u8; PROLOGUE_LEN], MediaError> {
    let mut prologue = [0; PROLOGUE_LEN];
    let read = read_full(reader, &mut prologue);
    let read = read.map_err(MediaError::io("reading the object"))?;
    ObjectHeader::read(&prologue[..read])?;
    if read < PROLOGUE_LEN {
        let length = read as u64;
        return Err(ObjectError::Length { length }.into());
    }
    Ok(prologue)
}
