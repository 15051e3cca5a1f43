use std::io::{Read, Seek};

use atrest_core::object::clear_len;
use atrest_core::{KeyId, Keyring};

use crate::ObjectReader;
use crate::inplace::{Failure, HEADER, begins_object};
use crate::pieces::read_full;

/// What a file is.
pub(super) enum State {
    /// No object, of so many bytes.
    Clear(u64),
    /// An object: its beginning and its last chunk open, and it has so many clear
    /// bytes.
    Sealed(KeyId, u64),
}

/// Looks, from the beginning of the file; leaves it there, if there is no error.
///
/// # Errors
/// [`Failure::Object`] for what begins as an object does and does not open.
pub(super) fn look(
    mut file: impl Read + Seek,
    length: u64,
    keyring: &Keyring,
    id: &[u8],
) -> Result<State, Failure> {
    let reading = || Failure::io("reading it");
    // It may have been looked at before, with other keys.
    file.rewind().map_err(reading())?;
    let mut start = [0; HEADER];
    let read = read_full(&mut file, &mut start).map_err(reading())?;
    file.rewind().map_err(reading())?;
    if !begins_object(&start[..read], length).map_err(Failure::Object)? {
        return Ok(State::Clear(length));
    }
    clear_len(length).map_err(Failure::Object)?;
    let mut reader = ObjectReader::new(&mut file, keyring, id)?;
    let clear = reader.len().map_err(crate::MediaError::io("reading it"))?;
    let key = reader.key();
    drop(reader);
    file.rewind().map_err(reading())?;
    Ok(State::Sealed(key, clear))
}
