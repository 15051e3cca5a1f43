//! AES_256_CBC_HMAC_SHA_512 (RFC 7518 §5.2.2 and §5.2.5): AES-256-CBC, then
//! HMAC-SHA-512 over `A | IV | E | AL`, cut to 32 bytes.

use aes::Aes256;
use aes::cipher::KeyInit;
use hmac::Mac;

use crate::hash_mac::{self, HmacSha512};
use crate::{Key, Purpose, cbc, stack};

/// The IV's length in bytes.
pub(crate) const IV: usize = cbc::BLOCK;
/// The tag's length in bytes.
pub(crate) const TAG: usize = 32;

/// A256CBC-HS512 under one key: MAC key state and AES key schedule, both ready.
pub(crate) struct CbcHmac(Box<Schedule>);

struct Schedule {
    mac: HmacSha512,
    aes: Aes256,
}

impl Schedule {
    /// `key` = MAC key (32) | encryption key (32).
    fn new(key: &[u8; 64]) -> Self {
        let (mac, enc) = key.split_at(32);
        let mut enc_key = zeroize::Zeroizing::new([0; 32]);
        enc_key.copy_from_slice(enc);
        Self {
            mac: hash_mac::hmac_sha512(mac),
            aes: Aes256::new((&*enc_key).into()),
        }
    }
}

impl CbcHmac {
    /// A256CBC-HS512 under `key`.
    pub(crate) fn new(key: &[u8; 64]) -> Self {
        stack::wiped(|| Self(Box::new(Schedule::new(key))))
    }

    /// A256CBC-HS512 under `key`'s 64-byte subkey for `purpose`.
    pub(crate) fn of(key: &Key, purpose: Purpose) -> Self {
        stack::wiped(|| Self::new(&key.derive(purpose)))
    }

    /// Encrypts what stands at `buffer[from..]`, where it is, and appends the tag.
    pub(crate) fn seal(&self, iv: &[u8; IV], aad: &[u8], buffer: &mut Vec<u8>, from: usize) {
        cbc::encrypt(&self.0.aes, iv, buffer, from);
        let tag = self.tag(iv, aad, buffer.get(from..).unwrap_or_default());
        buffer.extend_from_slice(&tag);
    }

    /// Opens `message` (ciphertext and tag) where it is, the tag first; gives the
    /// clear length.
    pub(crate) fn open(&self, iv: &[u8; IV], aad: &[u8], message: &mut [u8]) -> Option<usize> {
        let (ciphertext, tag) = message.split_last_chunk_mut::<TAG>()?;
        if !hash_mac::equal(&self.tag(iv, aad, ciphertext), tag) {
            return None;
        }
        cbc::decrypt(&self.0.aes, iv, ciphertext)
    }

    fn tag(&self, iv: &[u8; IV], aad: &[u8], ciphertext: &[u8]) -> [u8; TAG] {
        // AL: the additional data's length in bits, 64 bits big-endian.
        let bits = (aad.len() as u64).wrapping_mul(8).to_be_bytes();
        let mut mac = self.0.mac.clone();
        for piece in [aad, iv, ciphertext, &bits] {
            mac.update(piece);
        }
        let full = mac.finalize().into_bytes();
        let mut tag = [0; TAG];
        tag.copy_from_slice(&full[..TAG]);
        tag
    }
}
