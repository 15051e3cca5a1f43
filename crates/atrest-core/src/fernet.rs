//! Fernet exactly as github.com/fernet/spec, with no TTL:
//! `0x80 | time (8) | IV (16) | AES-128-CBC | HMAC-SHA-256 (32)` in padded,
//! canonical base64url. The compatibility suite: AES-128, no key id, no context.

use aes::Aes128;
use aes::cipher::KeyInit;
use hmac::Mac;
use zeroize::Zeroizing;

use crate::hash_mac::{self, HmacSha256};
use crate::keyring::Keyring;
use crate::{base64, cbc, stack};

const VERSION: u8 = 0x80;
/// Version, time and IV, in bytes.
const HEAD: usize = 1 + 8 + 16;
const TAG: usize = 32;
/// The shortest token, in characters: that of an empty value.
const SHORTEST: usize = 100;
/// The first moment whose tokens no longer begin with [`PREFIX`]: 2^36 seconds
/// after 1970 (the year 4147).
pub(crate) const TIME_LIMIT: u64 = 1 << 36;
/// 36 bits: the version byte and 28 zero bits of the time.
const PREFIX: &[u8] = b"gAAAAA";

/// Fernet under one key: MAC key state and AES key schedule, both ready.
pub(crate) struct FernetKey(Box<Schedule>);

struct Schedule {
    mac: HmacSha256,
    aes: Aes128,
}

impl Schedule {
    /// `key` = signing key (16) | encryption key (16).
    fn new(key: &[u8; 32]) -> Self {
        let (sign, enc) = key.split_at(16);
        let mut enc_key = Zeroizing::new([0; 16]);
        enc_key.copy_from_slice(enc);
        Self {
            mac: hash_mac::hmac_sha256(sign),
            aes: Aes128::new((&*enc_key).into()),
        }
    }
}

impl FernetKey {
    /// Fernet under `key`.
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        stack::wiped(|| Self(Box::new(Schedule::new(key))))
    }

    /// Appends the token to `out`; `scratch` is left with its bytes.
    pub(crate) fn seal(
        &self,
        time: u64,
        iv: &[u8; 16],
        plaintext: &[u8],
        scratch: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) {
        scratch.clear();
        // All at once: growing would leave copies of the clear value behind.
        scratch.reserve(HEAD + cbc::padded(plaintext.len()) + TAG);
        scratch.push(VERSION);
        scratch.extend_from_slice(&time.to_be_bytes());
        scratch.extend_from_slice(iv);
        scratch.extend_from_slice(plaintext);
        cbc::encrypt(&self.0.aes, iv, scratch, HEAD);
        let tag = self.tag(scratch);
        scratch.extend_from_slice(&tag);
        base64::encode_to(&base64::URL_PADDED, scratch, out);
    }

    fn tag(&self, signed: &[u8]) -> [u8; TAG] {
        self.0
            .mac
            .clone()
            .chain_update(signed)
            .finalize()
            .into_bytes()
            .into()
    }
}

/// Begins as every Fernet token of the years 1970 to 4147 does.
pub(crate) fn looks_like(stored: &[u8]) -> bool {
    stored.starts_with(PREFIX)
}

/// Might be a token whatever its time says: worth decoding.
pub(crate) fn is_possible(stored: &[u8]) -> bool {
    // 0x80 begins a token: `g`, and one of `A` to `P`.
    matches!(stored, [b'g', b'A'..=b'P', ..])
        && stored.len() >= SHORTEST
        && stored.len().is_multiple_of(4)
}

/// Opens `stored` into `out` with the key whose HMAC fits, trying the one at
/// position `first` before the others; gives the key's position and the clear
/// length. `None`: not a token of any of these keys.
pub(crate) fn open(
    keyring: &Keyring,
    first: usize,
    stored: &[u8],
    out: &mut Vec<u8>,
) -> Option<(usize, usize)> {
    base64::decode_to(&base64::URL_PADDED, stored, out)?;
    if out.first() != Some(&VERSION) {
        return None;
    }
    let (signed, tag) = out.split_last_chunk_mut::<TAG>()?;
    let fits = |at: &usize| {
        let member = keyring.members().nth(*at);
        member.is_some_and(|m| hash_mac::equal(&m.fernet().tag(signed), tag))
    };
    let at = std::iter::once(first)
        .chain(0..keyring.members().count())
        .find(fits)?;
    let aes = &keyring.members().nth(at)?.fernet().0.aes;
    let (head, message) = signed.split_first_chunk_mut::<HEAD>()?;
    let length = cbc::decrypt(aes, head.last_chunk()?, message)?;
    out.copy_within(HEAD..HEAD + length, 0);
    Some((at, length))
}
