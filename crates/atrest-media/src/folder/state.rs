use std::io::{Read, Seek};

use atrest_core::object::{ObjectError, ObjectHeader, clear_len};
use atrest_core::{KeyId, Keyring};

use crate::ObjectReader;
use crate::inplace::Failure;
use crate::pieces::read_full;

/// What a file is.
pub(super) enum State {
    /// No object, of so many bytes.
    Clear(u64),
    /// An object: its beginning and its last chunk open, and it has so many clear
    /// bytes.
    Sealed(KeyId, u64),
}

/// Looks, from the beginning of the file; leaves it there.
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
    let mut start = [0; 16];
    let read = read_full(&mut file, &mut start).map_err(reading())?;
    file.rewind().map_err(reading())?;
    match ObjectHeader::read(&start[..read]) {
        Err(ObjectError::NotAnObject) if cut_header(&start[..read]) => {
            Err(Failure::Object(ObjectError::Length { length }))
        }
        Err(ObjectError::NotAnObject) => Ok(State::Clear(length)),
        Err(error) => Err(Failure::Object(error)),
        Ok(_) => {
            clear_len(length).map_err(Failure::Object)?;
            let mut reader = ObjectReader::new(&mut file, keyring, id)?;
            let clear = reader.len().map_err(crate::MediaError::io("reading it"))?;
            let key = reader.key();
            drop(reader);
            file.rewind().map_err(reading())?;
            Ok(State::Sealed(key, clear))
        }
    }
}

/// An object of which not even the header is left: magic, version and suite.
fn cut_header(start: &[u8]) -> bool {
    let header = ObjectHeader { key: KeyId([0; 4]) }.to_bytes();
    (8..header.len()).contains(&start.len()) && start[..8] == header[..8]
}
