use atrest_core::KeyId;
use atrest_core::object::{ObjectError, ObjectHeader};

/// Whether what begins so (its first 16 bytes, or all if it has fewer), and is `length`
/// bytes long, is to be taken for an object.
///
/// # Errors
/// [`ObjectError::NewerKind`], and [`ObjectError::Length`] for an object of which not
/// even the header is left.
pub(crate) fn begins_object(start: &[u8], length: u64) -> Result<bool, ObjectError> {
    match ObjectHeader::read(start) {
        Ok(_) => Ok(true),
        Err(ObjectError::NotAnObject) if cut_header(start) => Err(ObjectError::Length { length }),
        Err(ObjectError::NotAnObject) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Magic, version and suite, and no whole header.
fn cut_header(start: &[u8]) -> bool {
    let header = ObjectHeader { key: KeyId([0; 4]) }.to_bytes();
    (8..header.len()).contains(&start.len()) && start[..8] == header[..8]
}
