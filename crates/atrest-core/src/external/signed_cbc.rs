//! The tokens of django-cryptography: Fernet's layout in bytes, with AES-256 and a MAC
//! key of any length: `0x80 | time (8) | IV (16) | AES-256-CBC | HMAC-SHA-256 (32)`.

use aes::Aes256;
use aes::cipher::KeyInit as _;
use hmac::Mac as _;
use zeroize::Zeroizing;

use crate::{Keyring, buffer, cbc, hash_mac};

const VERSION: u8 = 0x80;
const TIME: usize = 1 + 8;
const HEAD: usize = TIME + 16;
const TAG: usize = 32;

/// Has the length and the beginning of a token of the years 1970 to 4147.
pub(super) fn looks_like(stored: &[u8]) -> bool {
    let blocks = stored.len().checked_sub(HEAD + TAG);
    stored.starts_with(&[VERSION, 0, 0, 0])
        && stored.get(4).is_some_and(|byte| *byte < 16)
        && blocks.is_some_and(|n| n > 0 && n.is_multiple_of(cbc::BLOCK))
}

/// Opens `stored` into `out`; gives the encryption key's position and the clear length.
pub(super) fn open(
    keyring: &Keyring,
    signing: &[Zeroizing<Vec<u8>>],
    stored: &[u8],
    out: &mut Vec<u8>,
) -> Option<(usize, usize)> {
    let (signed, tag) = stored.split_last_chunk::<TAG>()?;
    let signer = signing.iter().position(|key| {
        let mac = hash_mac::hmac_sha256(key).chain_update(signed);
        hash_mac::equal(&mac.finalize().into_bytes(), tag)
    })?;
    let (head, message) = signed.split_first_chunk::<HEAD>()?;
    let iv = head.last_chunk()?;
    // The key of the same secret; else, as CRYPTOGRAPHY_KEY goes its own ways, another.
    let all = 0..keyring.keys().count();
    let order = all.clone().filter(|at| *at == signer);
    for at in order.chain(all.filter(|at| *at != signer)) {
        let key = keyring.keys().nth(at)?;
        let aes = Aes256::new(key.expose_secret().into());
        buffer::empty(out, message.len());
        out.extend_from_slice(message);
        // A wrong key passes the padding by chance; a pickle ends with a full stop.
        if let Some(length) = cbc::decrypt(&aes, iv, out)
            && length > 2
            && out.first() == Some(&0x80)
            && out.get(length - 1) == Some(&b'.')
        {
            return Some((at, length));
        }
    }
    None
}
