//! Field tokens of the suite `a256cbc-hs512`:
//! `header (6) | IV (16) | ciphertext | tag (32)`, `A` = header | context
//! (spec/formats.md, "a256cbc-hs512").

use crate::cbc_hmac::{CbcHmac, IV, TAG};
use crate::{cbc, header};

/// Where the ciphertext begins in a token.
const BODY: usize = header::LEN + IV;

/// Appends a token's bytes to `out`.
pub(crate) fn seal(
    cipher: &CbcHmac,
    head: &[u8; header::LEN],
    iv: &[u8; IV],
    aad: &[u8],
    plaintext: &[u8],
    out: &mut Vec<u8>,
) {
    // All at once: growing would leave copies of the clear value behind.
    out.reserve(BODY + cbc::padded(plaintext.len()) + TAG);
    out.extend_from_slice(head);
    out.extend_from_slice(iv);
    let from = out.len();
    out.extend_from_slice(plaintext);
    cipher.seal(iv, aad, out, from);
}

/// Opens the token that `buffer` holds; the clear value then stands at its start.
/// Gives its length.
pub(crate) fn open(cipher: &CbcHmac, aad: &[u8], buffer: &mut [u8]) -> Option<usize> {
    let (head, message) = buffer.split_first_chunk_mut::<BODY>()?;
    let length = cipher.open(head.last_chunk()?, aad, message)?;
    buffer.copy_within(BODY..BODY + length, 0);
    Some(length)
}
