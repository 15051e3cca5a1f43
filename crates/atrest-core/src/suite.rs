//! The constructions that a field value can be sealed with.

use std::fmt;
use std::str::FromStr;

use crate::{Form, header};

/// How a value is sealed.
///
/// | suite | construction | key id in the token | context |
/// |---|---|---|---|
/// | `xaes-256-gcm` (default) | c2sp.org/XAES-256-GCM | yes | yes |
/// | `fernet` | github.com/fernet/spec: AES-128, to interoperate | no | no |
/// | `a256cbc-hs512` | RFC 7518 §5.2.5 | yes | yes |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Suite {
    /// `xaes-256-gcm`.
    #[default]
    Xaes256Gcm,
    /// `fernet`.
    Fernet,
    /// `a256cbc-hs512`.
    A256CbcHs512,
}

/// Not a suite's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a suite; write xaes-256-gcm, fernet or a256cbc-hs512")]
pub struct ParseSuiteError(pub String);

impl Suite {
    /// Every suite.
    pub const ALL: [Self; 3] = [Self::Xaes256Gcm, Self::Fernet, Self::A256CbcHs512];

    /// The name in policies, journals and messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Xaes256Gcm => "xaes-256-gcm",
            Self::Fernet => "fernet",
            Self::A256CbcHs512 => "a256cbc-hs512",
        }
    }

    /// The exact length in bytes of the token of a value of `plaintext_len` bytes
    /// (saturating near 2^64).
    ///
    /// ```
    /// use atrest_core::{Form, Suite};
    /// assert_eq!(Suite::Xaes256Gcm.token_len(Form::Bytes, 64), 110);
    /// assert_eq!(Suite::Xaes256Gcm.token_len(Form::Text, 64), 151);
    /// assert_eq!(Suite::Fernet.token_len(Form::Text, 64), 184);
    /// ```
    #[must_use]
    pub const fn token_len(self, form: Form, plaintext_len: u64) -> u64 {
        let cbc = (plaintext_len / 16).saturating_add(1).saturating_mul(16);
        let bytes = match self {
            Self::Xaes256Gcm => plaintext_len.saturating_add(6 + 24 + 16),
            Self::A256CbcHs512 => cbc.saturating_add(6 + 16 + 32),
            // 0x80 | time 8 | IV 16 | ciphertext | HMAC 32; always in base64.
            Self::Fernet => {
                return cbc
                    .saturating_add(1 + 8 + 16 + 32)
                    .div_ceil(3)
                    .saturating_mul(4);
            }
        };
        match form {
            Form::Bytes => bytes,
            Form::Text => {
                let tail = [0, 2, 3][(bytes % 3) as usize];
                (header::TEXT_PREFIX.len() as u64 + tail)
                    .saturating_add((bytes / 3).saturating_mul(4))
            }
        }
    }

    /// Whether a token says which key sealed it.
    #[must_use]
    pub const fn has_key_id(self) -> bool {
        self.code().is_some()
    }

    /// The byte in our header; `None` for Fernet, which has its own format.
    pub(crate) const fn code(self) -> Option<u8> {
        match self {
            Self::Xaes256Gcm => Some(0x01),
            Self::A256CbcHs512 => Some(0x02),
            Self::Fernet => None,
        }
    }

    /// The suite with this code. 0x03 is reserved for cobblestone-256 objects.
    pub(crate) const fn from_code(code: u8) -> Option<Self> {
        match code {
            0x01 => Some(Self::Xaes256Gcm),
            0x02 => Some(Self::A256CbcHs512),
            _ => None,
        }
    }
}

impl fmt::Display for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Suite {
    type Err = ParseSuiteError;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|suite| suite.name() == s)
            .ok_or_else(|| ParseSuiteError(s.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::Suite;
    use crate::Form;

    #[test]
    fn names_and_codes_go_both_ways() {
        for suite in Suite::ALL {
            assert_eq!(suite.to_string().parse(), Ok(suite));
            assert!(
                suite
                    .code()
                    .is_none_or(|code| Suite::from_code(code) == Some(suite))
            );
        }
        assert!("AES".parse::<Suite>().is_err());
        assert_eq!(
            (0..=255).filter(|&c| Suite::from_code(c).is_some()).count(),
            2
        );
    }

    #[test]
    fn lengths_saturate() {
        for suite in Suite::ALL {
            for form in [Form::Text, Form::Bytes] {
                assert!(suite.token_len(form, u64::MAX) > u64::MAX / 4 * 3);
            }
        }
    }
}
