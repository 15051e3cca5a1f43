//! Reading a keyring's document: strict, and with the line in every error.

use atrest_core::{KeyId, KeyWrapper};
use base64_simd::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde::de::DeserializeOwned;

use super::document::{
    Document, Forgotten, ForgottenLine, HeaderLine, KeyEntry, KeyLine, KeyPurpose, KeyState, MARK,
    MacLine, VERSION, time_text,
};
use super::error::KeyringError;

/// The longest document that is read, in bytes: about 300,000 forgotten subjects.
pub(super) const LONGEST: usize = 64 << 20;

/// A document, what of its text is authenticated, and by what.
pub(super) struct Parsed<'t> {
    pub(super) document: Document,
    pub(super) signed: &'t str,
    pub(super) mac: [u8; 32],
}

/// Reads a keyring's text without any key, and says its generation: what can be known
/// of a keyring before its root is asked. Nothing of it is proven.
///
/// # Errors
/// [`KeyringError::Version`], [`KeyringError::Foreign`] or [`KeyringError::Damaged`];
/// `origin` is what messages call it.
pub fn check(text: &str, origin: &str) -> Result<u64, KeyringError> {
    parse(text, origin).map(|parsed| parsed.document.generation)
}

/// Reads a document's text.
pub(super) fn parse<'t>(text: &'t str, origin: &str) -> Result<Parsed<'t>, KeyringError> {
    let reader = Reader { origin };
    let damaged = |line, problem: &str| reader.damaged(line, problem);
    if text.len() > LONGEST {
        return Err(damaged(0, "it is longer than any keyring"));
    }
    let head: serde_json::Value = text
        .split_once('\n')
        .and_then(|(first, _)| serde_json::from_str(first).ok())
        .unwrap_or_default();
    if head.get("atrest").and_then(serde_json::Value::as_str) != Some(MARK) {
        return Err(KeyringError::Foreign {
            origin: origin.to_owned(),
        });
    }
    // Before anything else: a later version may have other members.
    match head.get("version").and_then(serde_json::Value::as_u64) {
        Some(VERSION) => {}
        Some(version) => {
            return Err(KeyringError::Version {
                origin: origin.to_owned(),
                version,
            });
        }
        None => return Err(damaged(1, "the version is missing")),
    }
    if text.contains('\r') {
        return Err(damaged(0, "its lines end as those of another system"));
    }
    let body = text
        .strip_suffix('\n')
        .ok_or_else(|| damaged(0, "its end is missing"))?;
    let (lines, last) = body
        .rsplit_once('\n')
        .ok_or_else(|| damaged(1, "its end is missing"))?;
    let signed = &text[..=lines.len()];

    let mut lines = (1usize..).zip(lines.split('\n')).peekable();
    let header: HeaderLine = match lines.next() {
        Some((number, line)) => reader.json(number, line)?,
        None => return Err(damaged(1, "the header is missing")),
    };
    let mut document = Document {
        generation: header.generation,
        written: reader.time(1, &header.written)?,
        source: header.root.source,
        wrapped: reader.base64(1, &header.root.wrapped)?,
        keys: Vec::new(),
        forgotten: Vec::new(),
    };
    if document.generation == 0 {
        return Err(damaged(1, "generations start at 1"));
    }
    let mut count = 1;
    for (number, line) in lines {
        count = number;
        if line.starts_with("{\"forgotten\"") {
            document.forgotten.push(reader.forgotten(number, line)?);
        } else if document.forgotten.is_empty() {
            document.keys.push(reader.key(number, line)?);
        } else {
            return Err(damaged(number, "a key stands behind a forgotten subject"));
        }
    }
    reader.whole(&document)?;
    let mac: MacLine = reader.json(count + 1, last)?;
    let mac = unhex(&mac.mac).ok_or_else(|| damaged(count + 1, "the mac is not 64 hex digits"))?;
    Ok(Parsed {
        document,
        signed,
        mac,
    })
}

struct Reader<'o> {
    origin: &'o str,
}

impl Reader<'_> {
    /// `line` counts from 1; 0 is the whole.
    fn damaged(&self, line: usize, problem: &str) -> KeyringError {
        KeyringError::Damaged {
            origin: self.origin.to_owned(),
            problem: match line {
                0 => problem.to_owned(),
                _ => format!("line {line}: {problem}"),
            },
        }
    }

    fn json<T: DeserializeOwned>(&self, number: usize, line: &str) -> Result<T, KeyringError> {
        serde_json::from_str(line).map_err(|error| {
            // Where, but not what: serde's own words may quote the text.
            let problem = match error.classify() {
                serde_json::error::Category::Data => {
                    "a member is missing, unknown or of another kind"
                }
                _ => "not a JSON object",
            };
            self.damaged(number, &format!("{problem} (column {})", error.column()))
        })
    }

    fn time(&self, number: usize, text: &str) -> Result<Timestamp, KeyringError> {
        text.parse()
            .ok()
            .filter(|time| time_text(*time) == text)
            .ok_or_else(|| self.damaged(number, "a time is not of the form 2026-01-31T12:00:00Z"))
    }

    fn base64(&self, number: usize, text: &str) -> Result<Vec<u8>, KeyringError> {
        URL_SAFE_NO_PAD
            .decode_to_vec(text)
            .map_err(|_| self.damaged(number, "a wrapped key is not base64url without padding"))
    }

    fn id(&self, number: usize, text: &str) -> Result<KeyId, KeyringError> {
        text.parse()
            .ok()
            .filter(|id: &KeyId| id.to_string() == text)
            .ok_or_else(|| self.damaged(number, "a key id is not 8 lower-case hex digits"))
    }

    fn key(&self, number: usize, line: &str) -> Result<KeyEntry, KeyringError> {
        let line: KeyLine = self.json(number, line)?;
        let wrapped = line.wrapped.map(|w| self.base64(number, &w)).transpose()?;
        let right = match &wrapped {
            Some(wrapped) => {
                line.state != KeyState::Destroyed && wrapped.len() == KeyWrapper::WRAPPED
            }
            None => line.state == KeyState::Destroyed,
        };
        if !right {
            return Err(self.damaged(
                number,
                "a key is wrapped in 77 bytes until it is destroyed, and not at all from then on",
            ));
        }
        Ok(KeyEntry {
            id: self.id(number, &line.id)?,
            created: self.time(number, &line.created)?,
            state: line.state,
            purpose: line.purpose,
            changed: self.time(number, &line.changed)?,
            wrapped,
        })
    }

    fn forgotten(&self, number: usize, line: &str) -> Result<Forgotten, KeyringError> {
        let line: ForgottenLine = self.json(number, line)?;
        if line.forgotten.is_empty() || !is_hex(&line.forgotten) {
            return Err(self.damaged(number, "a tag is not lower-case hex"));
        }
        Ok(Forgotten {
            tag: line.forgotten,
            keys: line
                .keys
                .iter()
                .map(|id| self.id(number, id))
                .collect::<Result<_, _>>()?,
            at: self.time(number, &line.at)?,
        })
    }

    /// What must hold between lines.
    fn whole(&self, document: &Document) -> Result<(), KeyringError> {
        let keys = &document.keys;
        for (index, key) in keys.iter().enumerate() {
            if keys.iter().take(index).any(|before| before.id == key.id) {
                return Err(self.damaged(index + 2, "a key id stands twice"));
            }
        }
        for purpose in KeyPurpose::ALL {
            let of = || keys.iter().filter(|key| key.purpose == purpose);
            let active = of().filter(|key| key.state == KeyState::Active).count();
            let wanted = usize::from(purpose == KeyPurpose::Data || of().next().is_some());
            if active != wanted {
                return Err(self.damaged(
                    0,
                    &format!(
                        "it has {active} active keys for {}, not {wanted}",
                        purpose.name()
                    ),
                ));
            }
        }
        let mut tags: Vec<&str> = document.forgotten.iter().map(|f| f.tag.as_str()).collect();
        tags.sort_unstable();
        if tags.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(self.damaged(0, "a subject was forgotten twice"));
        }
        Ok(())
    }
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64 || !is_hex(text) {
        return None;
    }
    let mut out = [0; 32];
    for (byte, pair) in out.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(out)
}

/// The id of the first key that the keyring ever had, as the text has it: not proven.
pub(super) fn first_key(text: &str) -> Option<String> {
    let line = text.lines().nth(1)?;
    serde_json::from_str(line).ok().map(|key: KeyLine| key.id)
}
