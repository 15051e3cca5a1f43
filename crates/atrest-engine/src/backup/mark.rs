//! The mark behind the header: this file is whole, and so many bytes long.
//!
//! A crash may end a file anywhere, and so may whoever damages or cuts one. The mark
//! tells the two apart. It has a place of its own, and is set and taken away there:
//! closing a file needs no room on a full disk, and a cut takes nothing of it away.

use atrest_core::fill_random;
use atrest_core::hazmat::Xaes256Gcm;

use super::{Header, NONCE_LEN, TAG_LEN};

pub(super) const LEN: usize = 8 + NONCE_LEN + TAG_LEN;

/// The mark of a file that is being written, or was when its writer died.
pub(super) const OPEN: [u8; LEN] = [0; LEN];

/// The mark of a file that is whole with `len` bytes; `None` without randomness.
pub(super) fn closed(cipher: &Xaes256Gcm, header: &Header, len: u64) -> Option<[u8; LEN]> {
    let mut nonce = [0; NONCE_LEN];
    fill_random(&mut nonce).ok()?;
    let mut tag = Vec::new();
    cipher
        .seal_in_place_append_tag(&nonce, &aad(header, len), &mut tag)
        .ok()?;
    [&len.to_be_bytes()[..], &nonce, &tag]
        .concat()
        .try_into()
        .ok()
}

/// `Some(None)`: the file was not closed; `Some(Some(length))`: it was; `None`: this
/// is no mark.
pub(super) fn read(cipher: &Xaes256Gcm, header: &Header, mark: &[u8; LEN]) -> Option<Option<u64>> {
    if *mark == OPEN {
        return Some(None);
    }
    let (len, rest) = mark.split_first_chunk::<8>()?;
    let (nonce, tag) = rest.split_first_chunk::<NONCE_LEN>()?;
    let len = u64::from_be_bytes(*len);
    let mut tag = tag.to_vec();
    let content = cipher.open_in_place(nonce, &aad(header, len), &mut tag);
    content.is_ok().then_some(Some(len))
}

fn aad(header: &Header, len: u64) -> Vec<u8> {
    [&header.0[..], b"closed", &len.to_be_bytes()].concat()
}
