use std::ops::{Deref, DerefMut};

use bytes::Bytes;
use zeroize::optimization_barrier;

/// Clear bytes that are overwritten when they go; those that were given away as [`Bytes`],
/// with the last handle to them.
///
/// `Zeroizing<Vec<u8>>` does it byte by byte, which is slower than the cipher.
#[derive(Default)]
pub(crate) struct Wiped(Vec<u8>);

impl Wiped {
    /// Room for so many bytes: with more, it would move and leave a copy behind.
    pub(crate) fn with_capacity(room: usize) -> Self {
        Self(Vec::with_capacity(room))
    }

    /// Without a copy.
    pub(crate) fn into_bytes(self) -> Bytes {
        Bytes::from_owner(self)
    }

    fn wipe(&mut self) {
        // All of its room, which it does not leave.
        self.0.clear();
        self.0.resize(self.0.capacity(), 0);
        optimization_barrier(self.0.as_slice());
    }
}

impl Drop for Wiped {
    fn drop(&mut self) {
        self.wipe();
    }
}

impl AsRef<[u8]> for Wiped {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Deref for Wiped {
    type Target = Vec<u8>;

    fn deref(&self) -> &Vec<u8> {
        &self.0
    }
}

impl DerefMut for Wiped {
    fn deref_mut(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_of_its_room_is_wiped_where_it_is() {
        let mut bytes = Wiped::with_capacity(100);
        bytes.extend_from_slice(&[7; 90]);
        bytes.truncate(10);
        let at = bytes.as_ptr();
        bytes.wipe();
        assert_eq!(
            (&bytes[..], bytes.as_ptr()),
            (&vec![0; bytes.capacity()][..], at)
        );
        assert!(bytes.capacity() >= 100);
    }

    #[test]
    fn it_is_given_away_without_a_copy() {
        let mut bytes = Wiped::with_capacity(100);
        bytes.extend_from_slice(&[7; 90]);
        let at = bytes.as_ptr();
        let bytes = bytes.into_bytes();
        assert_eq!((bytes.as_ptr(), &bytes[..]), (at, &[7; 90][..]));
    }
}
