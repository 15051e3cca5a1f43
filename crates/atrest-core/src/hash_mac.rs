//! HMAC-SHA-256 and HMAC-SHA-512 (RFC 2104) with a key of any length, as key
//! states that are computed once and cloned for every message.

use hmac::{Hmac, KeyInit};
use sha2::{Digest, Sha256, Sha512};
use zeroize::Zeroizing;

/// HMAC-SHA-256, keyed, before the first byte of a message.
pub(crate) type HmacSha256 = Hmac<Sha256>;
/// HMAC-SHA-512, keyed, before the first byte of a message.
pub(crate) type HmacSha512 = Hmac<Sha512>;

/// RFC 2104: a key longer than the block is hashed, a shorter one zero-padded.
pub(crate) fn hmac_sha256(key: &[u8]) -> HmacSha256 {
    let mut block = Zeroizing::new([0u8; 64]);
    match block.get_mut(..key.len()) {
        Some(start) => start.copy_from_slice(key),
        None => block[..32].copy_from_slice(&Sha256::digest(key)),
    }
    Hmac::new((&*block).into())
}

/// As [`hmac_sha256`], over SHA-512.
pub(crate) fn hmac_sha512(key: &[u8]) -> HmacSha512 {
    let mut block = Zeroizing::new([0u8; 128]);
    match block.get_mut(..key.len()) {
        Some(start) => start.copy_from_slice(key),
        None => block[..64].copy_from_slice(&Sha512::digest(key)),
    }
    Hmac::new((&*block).into())
}

/// Equal, in a time that depends on the lengths only.
pub(crate) fn equal(a: &[u8], b: &[u8]) -> bool {
    aws_lc_rs::constant_time::verify_slices_are_equal(a, b).is_ok()
}
