//! Recovery shares: the keyring key split in n parts, any k of which give it back
//! (spec/keyring.md, "Recovery shares").

use std::fmt;

use atrest_core::{Key, KeyId, RandomError};
use aws_lc_rs::digest;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use vsss_rs::Gf256;
use zeroize::Zeroizing;

use super::document::hex;

/// The mark and version of a share's text.
const MARK: &str = "atrest-share";
const VERSION: &str = "1";
/// The fewest shares that may be needed: with one there is nothing to split.
const FEWEST: u8 = 2;

/// One share. Fewer than are needed tell nothing about the key.
pub struct Share {
    keyring: KeyId,
    set: KeyId,
    threshold: u8,
    count: u8,
    index: u8,
    value: Zeroizing<[u8; 32]>,
}

/// Why shares give no key. Shows no share.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ShareError {
    /// So many parts cannot be made.
    #[error(
        "{threshold} of {count} shares cannot be made: write K/N with K from 2 and N from K to 255, such as 3/5"
    )]
    Numbers {
        /// How many should be needed.
        threshold: u8,
        /// How many should be made.
        count: u8,
    },
    /// The text is no share.
    #[error("{origin} is not a recovery share; a share is one line that begins `atrest-share.1.`")]
    NotAShare {
        /// Where it stands.
        origin: String,
    },
    /// A share of a later version.
    #[error(
        "{origin} is a recovery share of another version; use the version of atrest that made it, or a later one"
    )]
    Version {
        /// Where it stands.
        origin: String,
    },
    /// A digit was lost or changed.
    #[error(
        "{origin} is damaged: its checksum does not fit; compare it with the original, digit for digit, or take another share"
    )]
    Damaged {
        /// Where it stands.
        origin: String,
    },
    /// Shares that were not made together.
    #[error("{first} and {second} were not made together: {}; take shares of one set", if *.keyrings { "they are of different keyrings" } else { "they are of different exports" })]
    Mixed {
        /// Where the first stands.
        first: String,
        /// Where the other stands.
        second: String,
        /// Whether they are of different keyrings.
        keyrings: bool,
    },
    /// One share twice.
    #[error("{first} and {second} are the same share; each counts once")]
    Twice {
        /// Where it stands first.
        first: String,
        /// Where it stands again.
        second: String,
    },
    /// Not as many as are needed.
    #[error("{have} of the {need} recovery shares that are needed are here (set {set}, of which {count} were made); bring {} more", need - have)]
    TooFew {
        /// How many there are.
        have: usize,
        /// How many are needed.
        need: usize,
        /// How many were made.
        count: u8,
        /// The set.
        set: String,
    },
    /// Together they give something else.
    #[error(
        "the shares fit together and do not give the key of the keyring {keyring}; one of them was forged or wrongly copied with a right checksum: try with others"
    )]
    NotItsKey {
        /// The keyring.
        keyring: KeyId,
    },
    /// No random bytes.
    #[error(transparent)]
    Random(#[from] RandomError),
}

impl Share {
    /// Splits a keyring key in `count` shares, any `threshold` of which give it back.
    ///
    /// # Errors
    /// [`ShareError::Numbers`]; [`ShareError::Random`].
    pub fn split(key: &Key, threshold: u8, count: u8) -> Result<Vec<Self>, ShareError> {
        let numbers = ShareError::Numbers { threshold, count };
        if threshold < FEWEST || count < threshold {
            return Err(numbers);
        }
        let mut rng = StdRng::from_seed(*Key::generate()?.expose_secret());
        let mut set = [0; 4];
        rng.fill_bytes(&mut set);
        let parts = Gf256::split_bytes(
            usize::from(threshold),
            usize::from(count),
            key.expose_secret(),
            &mut rng,
        )
        .map(Zeroizing::new)
        .map_err(|_| numbers.clone())?;
        let share = |part: &Vec<u8>| {
            let (index, value) = part.split_first()?;
            Some(Self {
                keyring: key.id(),
                set: KeyId(set),
                threshold,
                count,
                index: *index,
                value: Zeroizing::new(value.try_into().ok()?),
            })
        };
        let shares = parts.iter().map(share).collect::<Option<Vec<_>>>();
        shares.ok_or(numbers)
    }

    /// The keyring key that these shares give, each with the place where it stands.
    /// Whether they can is told before they are put together.
    ///
    /// # Errors
    /// [`ShareError`], all but [`ShareError::NotItsKey`] before anything is combined.
    pub fn combine(shares: &[(String, Self)]) -> Result<Key, ShareError> {
        let Some((origin, first)) = shares.first() else {
            return Err(ShareError::TooFew {
                have: 0,
                need: usize::from(FEWEST),
                count: 0,
                set: "unknown".to_owned(),
            });
        };
        for (index, (other, share)) in shares.iter().enumerate() {
            let of = |s: &Self| (s.keyring, s.set, s.threshold, s.count);
            if of(share) != of(first) {
                return Err(ShareError::Mixed {
                    first: origin.clone(),
                    second: other.clone(),
                    keyrings: share.keyring != first.keyring,
                });
            }
            let mut before = shares.iter().take(index);
            if let Some((twin, _)) = before.find(|(_, s)| s.index == share.index) {
                return Err(ShareError::Twice {
                    first: twin.clone(),
                    second: other.clone(),
                });
            }
        }
        let need = usize::from(first.threshold);
        if shares.len() < need {
            return Err(ShareError::TooFew {
                have: shares.len(),
                need,
                count: first.count,
                set: first.set.to_string(),
            });
        }
        let not_its_key = || ShareError::NotItsKey {
            keyring: first.keyring,
        };
        let part = |(_, s): &(String, Self)| [&[s.index], &s.value[..]].concat();
        let parts: Zeroizing<Vec<Vec<u8>>> = Zeroizing::new(shares.iter().map(part).collect());
        let secret = Gf256::combine_bytes(&*parts).map_err(|_| not_its_key())?;
        let secret = Zeroizing::new(secret);
        let bytes = secret.first_chunk::<32>().ok_or_else(not_its_key)?;
        let key = Key::copied_from(bytes);
        (key.id() == first.keyring)
            .then_some(key)
            .ok_or_else(not_its_key)
    }

    /// The keyring that it is a share of.
    #[must_use]
    pub const fn keyring(&self) -> KeyId {
        self.keyring
    }

    /// The export that it was made in.
    #[must_use]
    pub const fn set(&self) -> KeyId {
        self.set
    }

    /// Which of them it is; from 1.
    #[must_use]
    pub const fn index(&self) -> u8 {
        self.index
    }

    /// How many are needed.
    #[must_use]
    pub const fn threshold(&self) -> u8 {
        self.threshold
    }

    /// Its text, on one line: what is kept in the safe.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(160));
        let value = Zeroizing::new(hex(&self.value[..]));
        let parts = [
            MARK,
            VERSION,
            &self.keyring.to_string(),
            &self.set.to_string(),
            &self.threshold.to_string(),
            &self.count.to_string(),
            &self.index.to_string(),
            &value,
        ];
        for part in parts {
            text.push_str(part);
            text.push('.');
        }
        let sum = checksum(&text);
        text.push_str(&sum);
        text
    }

    /// Reads a share's text; capitals and white space do not count.
    ///
    /// # Errors
    /// [`ShareError::NotAShare`], [`ShareError::Version`], [`ShareError::Damaged`];
    /// `origin` is where it stands.
    pub fn parse(text: &str, origin: &str) -> Result<Self, ShareError> {
        let origin = || origin.to_owned();
        let mut typed = Zeroizing::new(String::with_capacity(text.len()));
        typed.extend(text.chars().filter(|c| !c.is_whitespace()));
        typed.make_ascii_lowercase();
        let text = typed;
        let rest = text
            .strip_prefix(MARK)
            .and_then(|rest| rest.strip_prefix('.'))
            .ok_or_else(|| ShareError::NotAShare { origin: origin() })?;
        match rest.split_once('.') {
            Some((VERSION, _)) => {}
            Some((other, _)) if !other.is_empty() && other.bytes().all(|b| b.is_ascii_digit()) => {
                return Err(ShareError::Version { origin: origin() });
            }
            _ => return Err(ShareError::NotAShare { origin: origin() }),
        }
        Self::fields(&text).ok_or_else(|| ShareError::Damaged { origin: origin() })
    }

    fn fields(text: &str) -> Option<Self> {
        let (_, sum) = text.rsplit_once('.')?;
        if sum != checksum(&text[..text.len() - sum.len()]) {
            return None;
        }
        let parts: Vec<&str> = text.split('.').collect();
        let [_, _, keyring, set, threshold, count, index, value, _] = parts.as_slice() else {
            return None;
        };
        let mut bytes = Zeroizing::new([0; 32]);
        if value.len() != 64 || !value.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        for (byte, pair) in bytes.iter_mut().zip(value.as_bytes().chunks(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
        }
        let share = Self {
            keyring: keyring.parse().ok()?,
            set: set.parse().ok()?,
            threshold: threshold.parse().ok()?,
            count: count.parse().ok()?,
            index: index.parse().ok()?,
            value: bytes,
        };
        let right = share.threshold >= FEWEST
            && share.count >= share.threshold
            && (1..=share.count).contains(&share.index);
        // One text for each share: no leading zeros, no plus signs.
        (right && *share.to_text() == text).then_some(share)
    }
}

/// The first 4 bytes of SHA-256, as hex: finds slips of the pen, not forgers.
fn checksum(text: &str) -> String {
    let digest = digest::digest(&digest::SHA256, text.as_bytes());
    hex(digest.as_ref().get(..4).unwrap_or_default())
}

impl fmt::Debug for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Share({} of set {})", self.index, self.set)
    }
}
