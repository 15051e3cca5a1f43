//! HKDF-Expand over SHA-256 (RFC 5869 §2.3). Keys are uniform already, so there
//! is no Extract.

use hmac::Mac;
use zeroize::Zeroize;

use crate::hash_mac::HmacSha256;

/// The longest output that HKDF-Expand-SHA-256 is defined for, in bytes.
pub(crate) const MAX: usize = 255 * 32;

/// `HKDF-Expand-SHA-256(prk, info)`, `info` in pieces. `out` is at most [`MAX`]
/// bytes; what lies beyond stays as it was.
///
/// `prk` is the HMAC state keyed with the pseudorandom key.
pub(crate) fn expand(prk: &HmacSha256, info: &[&[u8]], out: &mut [u8]) {
    let mut block = [0u8; 32];
    for (i, chunk) in (1u8..=255).zip(out.chunks_mut(32)) {
        let mut mac = prk.clone();
        if i > 1 {
            mac.update(&block);
        }
        for piece in info {
            mac.update(piece);
        }
        mac.update(&[i]);
        block.copy_from_slice(&mac.finalize().into_bytes());
        chunk.copy_from_slice(&block[..chunk.len()]);
    }
    block.zeroize();
}
