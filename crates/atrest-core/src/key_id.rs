//! The public name of a key: four bytes, written as eight hex digits.

use std::fmt;
use std::str::FromStr;

/// The first 4 bytes of `HKDF-Expand-SHA-256(key, "atrest/v1/key-id")`: says
/// which key, and nothing about it.
///
/// ```
/// use atrest_core::KeyId;
/// let id: KeyId = "0badf00d".parse()?;
/// assert_eq!(id, KeyId([0x0b, 0xad, 0xf0, 0x0d]));
/// assert_eq!(id.to_string(), "0badf00d");
/// # Ok::<(), atrest_core::ParseKeyIdError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub [u8; 4]);

/// Not a key id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a key id is 8 hex digits, like 0badf00d; `atrest key list` shows the ids of your keys")]
pub struct ParseKeyIdError;

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", u32::from_be_bytes(self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for KeyId {
    type Err = ParseKeyIdError;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        if s.len() != 8 || !s.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(ParseKeyIdError);
        }
        u32::from_str_radix(s, 16)
            .map(|n| Self(n.to_be_bytes()))
            .map_err(|_| ParseKeyIdError)
    }
}

#[cfg(test)]
mod tests {
    use super::KeyId;

    #[test]
    fn reads_only_eight_hex_digits() {
        for bad in [
            "",
            "0badf00",
            "0badf00d0",
            "+badf00d",
            "0badf00g",
            " badf00d",
            "0x0badf0",
        ] {
            assert!(bad.parse::<KeyId>().is_err(), "{bad}");
        }
        assert_eq!("0BADF00D".parse(), Ok(KeyId([0x0b, 0xad, 0xf0, 0x0d])));
    }
}
