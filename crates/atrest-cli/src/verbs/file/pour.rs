//! Clear bytes from a reader to a writer.

use std::io::{self, Read, Write};

use zeroize::Zeroizing;

/// As much as a reader of objects opens at a time.
const BUFFER: usize = 16 * atrest_core::object::CHUNK_LEN;

/// Which end failed.
pub(super) enum Failed {
    Reading(io::Error),
    Writing(io::Error),
}

/// Copies to the end, through a buffer that is wiped; `progress` is told how many
/// bytes are done. Gives how many there were.
pub(super) fn pour(
    reader: &mut impl Read,
    out: &mut impl Write,
    progress: impl Fn(u64),
) -> Result<u64, Failed> {
    let mut buffer = Zeroizing::new(vec![0; BUFFER]);
    let mut done = 0;
    loop {
        let read = match reader.read(&mut buffer) {
            Ok(0) => return Ok(done),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(Failed::Reading(error)),
        };
        out.write_all(&buffer[..read]).map_err(Failed::Writing)?;
        done += read as u64;
        progress(done);
    }
}
