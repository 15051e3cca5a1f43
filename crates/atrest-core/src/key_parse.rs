//! Reading a key as people write it.

use zeroize::Zeroizing;

use crate::{SecretBytes, base64};

/// Why a text is not a key. Never contains any of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyParseError {
    /// Nothing there.
    #[error("the key is empty; make one with `atrest key generate`")]
    Empty,
    /// `b'` without its end.
    #[error(
        "the key starts like a Python bytes literal (b'...') but the closing quote is missing; \
         copy it again whole, or make a new one with `atrest key generate`"
    )]
    UnclosedLiteral,
    /// A character that belongs to no spelling.
    #[error(
        "the key has {characters} characters and number {position} is neither base64 nor hex; \
         a key is 44 characters of base64url or 64 hex digits: make one with `atrest key generate`"
    )]
    InvalidCharacter {
        /// Which character, counted from 1.
        position: usize,
        /// How many there are.
        characters: usize,
    },
    /// Hex digits only, but not 64 of them.
    #[error(
        "the key has {characters} hex digits where 64 (32 bytes) are needed; \
         make a good one with `atrest key generate`"
    )]
    WrongHexLength {
        /// How many hex digits were found.
        characters: usize,
    },
    /// Base64, but not of 32 bytes.
    #[error(
        "the key has {characters} characters, base64 of {bytes} bytes, where 32 bytes are needed \
         (44 characters of base64url, or 64 hex digits); make a good one with `atrest key generate`"
    )]
    WrongLength {
        /// How many characters were found, padding included.
        characters: usize,
        /// How many bytes they stand for.
        bytes: usize,
    },
    /// Signs of both base64 alphabets, or `=` that does not fit.
    #[error(
        "the key has {characters} characters but is not base64 (`=` in the wrong place or number, \
         `+/` mixed with `-_`, or an impossible last character); copy it again whole, \
         or make a new one with `atrest key generate`"
    )]
    NotBase64 {
        /// How many characters were found.
        characters: usize,
    },
}

/// The 32 bytes that `text` spells.
pub(crate) fn parse(text: &str) -> Result<SecretBytes, KeyParseError> {
    let text = literal(text.trim())?;
    if text.is_empty() {
        return Err(KeyParseError::Empty);
    }
    let characters = text.chars().count();
    let allowed = |c: char| c.is_ascii_alphanumeric() || "+/-_=".contains(c);
    if let Some(at) = text.chars().position(|c| !allowed(c)) {
        return Err(KeyParseError::InvalidCharacter {
            position: at + 1,
            characters,
        });
    }
    let hex = text.bytes().all(|b| b.is_ascii_hexdigit());
    match (hex, characters) {
        (true, 64) => SecretBytes::filled_by(|key| {
            from_hex(text, key);
            Ok(())
        }),
        // 43 hex digits may be base64 by chance; no other number can be.
        (true, n) if n != 43 => Err(KeyParseError::WrongHexLength { characters }),
        _ => from_base64(text),
    }
}

/// Takes the Python bytes literal off, if there is one.
fn literal(text: &str) -> Result<&str, KeyParseError> {
    for quote in ['\'', '"'] {
        if let Some(rest) = text
            .strip_prefix(['b', 'B'])
            .and_then(|t| t.strip_prefix(quote))
        {
            let inside = rest
                .strip_suffix(quote)
                .ok_or(KeyParseError::UnclosedLiteral)?;
            return Ok(inside.trim());
        }
    }
    Ok(text)
}

fn from_hex(text: &str, key: &mut [u8; 32]) {
    let nibble = |b: u8| {
        if b.is_ascii_digit() {
            b - b'0'
        } else {
            (b | 0x20) - b'a' + 10
        }
    };
    for (byte, pair) in key.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = nibble(pair[0]) << 4 | nibble(pair[1]);
    }
}

fn from_base64(text: &str) -> Result<SecretBytes, KeyParseError> {
    let characters = text.len();
    let body = text.trim_end_matches('=');
    let padding = characters - body.len();
    let wrong = KeyParseError::NotBase64 { characters };
    if padding > 0 && (padding > 2 || !characters.is_multiple_of(4)) {
        return Err(wrong);
    }
    let alphabet = if body.contains(['+', '/']) {
        base64::STANDARD
    } else {
        base64::URL
    };
    let mut buffer = Zeroizing::new(vec![0; alphabet.estimated_decoded_length(body.len())]);
    let bytes = base64::decode(&alphabet, body.as_bytes(), &mut buffer).ok_or(wrong)?;
    let bytes = buffer.get(..bytes).unwrap_or_default();
    let key = bytes.try_into().map_err(|_| KeyParseError::WrongLength {
        characters,
        bytes: bytes.len(),
    })?;
    Ok(SecretBytes::copied_from(key))
}

#[cfg(test)]
mod tests {
    use super::{KeyParseError as E, parse};

    const URL: &str = "-_-_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxw=";

    #[test]
    fn every_spelling_of_one_key_is_the_same_key() {
        let standard = URL.replace('-', "+").replace('_', "/");
        let want = *parse(URL).unwrap().expose_secret();
        let hex: String = want.iter().map(|b| format!("{b:02x}")).collect();
        let mut spellings = vec![
            URL.to_owned(),
            URL.trim_end_matches('=').to_owned(),
            standard.trim_end_matches('=').to_owned(),
            standard,
            hex.to_uppercase(),
            hex,
        ];
        spellings.extend(spellings.clone().iter().map(|s| format!("b'{s}'")));
        spellings.extend(spellings.clone().iter().map(|s| format!("\n {s}\r\n")));
        spellings.push(format!("b\"{URL}\""));
        assert_eq!(spellings.len(), 25);
        for s in spellings {
            assert_eq!(parse(&s).unwrap().expose_secret(), &want, "{s}");
        }
    }

    #[test]
    fn errors_say_what_is_wrong() {
        let a = |n| "A".repeat(n);
        for (text, want) in [
            (String::new(), E::Empty),
            (" \n".to_owned(), E::Empty),
            ("b''".to_owned(), E::Empty),
            (format!("b'{URL}"), E::UnclosedLiteral),
            ("b'".to_owned(), E::UnclosedLiteral),
            (
                format!("{}é", a(4)),
                E::InvalidCharacter {
                    position: 5,
                    characters: 5,
                },
            ),
            (
                format!("'{URL}'"),
                E::InvalidCharacter {
                    position: 1,
                    characters: 46,
                },
            ),
            ("ab".repeat(31), E::WrongHexLength { characters: 62 }),
            ("ab".repeat(33), E::WrongHexLength { characters: 66 }),
            (
                format!("{}zz", "ab".repeat(31)),
                E::WrongLength {
                    characters: 64,
                    bytes: 48,
                },
            ),
            (
                "password".to_owned(),
                E::WrongLength {
                    characters: 8,
                    bytes: 6,
                },
            ),
            (format!("Z{}", &URL[2..]), E::NotBase64 { characters: 43 }),
            (format!("{URL}="), E::NotBase64 { characters: 45 }),
            (format!("{}==", &URL[..43]), E::NotBase64 { characters: 45 }),
            (URL.replace("-_-_", "-/-/"), E::NotBase64 { characters: 44 }),
            (URL.replace("xw=", "xx="), E::NotBase64 { characters: 44 }),
            ("=".to_owned(), E::NotBase64 { characters: 1 }),
        ] {
            let got = parse(&text).map(|_| ()).unwrap_err();
            assert_eq!(got, want, "{text}");
            assert!(got.to_string().contains("`atrest key generate`"), "{got}");
        }
    }
}
