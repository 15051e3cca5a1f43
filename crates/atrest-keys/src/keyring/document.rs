//! What a keyring's document says, and its text (spec/keyring.md).

use atrest_core::{Context, Key, KeyId, Purpose, hazmat::Mac};
use base64_simd::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The version that is written, and the only one that is read.
pub(super) const VERSION: u64 = 1;
/// The mark of the format.
pub(super) const MARK: &str = "keyring";

/// What a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyPurpose {
    /// Seals values and files.
    Data,
    /// Wraps the keys of data subjects.
    Subjects,
    /// Makes the tags of data subjects; is never rotated, since a tag is for ever.
    Index,
}

impl KeyPurpose {
    /// Every purpose.
    pub const ALL: [Self; 3] = [Self::Data, Self::Subjects, Self::Index];

    /// As the document has it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Data => "data",
            Self::Subjects => "subjects",
            Self::Index => "index",
        }
    }
}

/// Where a key stands in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyState {
    /// Seals and opens; one key of each purpose.
    Active,
    /// Opens what it sealed before.
    DecryptOnly,
    /// Gone: the entry stays, so that its id is never used again.
    Destroyed,
}

impl KeyState {
    /// As the document has it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::DecryptOnly => "decrypt-only",
            Self::Destroyed => "destroyed",
        }
    }
}

/// One key of a keyring, without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyEntry {
    /// Its public name.
    pub id: KeyId,
    /// When it was made; never before the key made before it.
    pub created: Timestamp,
    /// Where it stands in its life.
    pub state: KeyState,
    /// What it is for.
    pub purpose: KeyPurpose,
    /// When its state last changed.
    pub changed: Timestamp,
    /// The key, wrapped under the keyring key; none when destroyed.
    pub(super) wrapped: Option<Vec<u8>>,
}

impl KeyEntry {
    /// How old it is, in whole seconds; 0 when the clock was set back behind its making.
    #[must_use]
    pub fn age(&self, now: Timestamp) -> u64 {
        let seconds = now.as_second() - self.created.as_second();
        u64::try_from(seconds).unwrap_or(0)
    }
}

/// A data subject whose keys were destroyed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forgotten {
    /// The subject's tag, lower-case hex.
    pub tag: String,
    /// The keys that were destroyed.
    pub keys: Vec<KeyId>,
    /// When.
    pub at: Timestamp,
}

/// A whole document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Document {
    /// One more than that of the document before; the first is 1.
    pub(super) generation: u64,
    /// When it was made; never before the document before it.
    pub(super) written: Timestamp,
    /// The root's URI.
    pub(super) source: String,
    /// The keyring key, wrapped by the root.
    pub(super) wrapped: Vec<u8>,
    /// Every key that there ever was, in the order of their making.
    pub(super) keys: Vec<KeyEntry>,
    /// The subjects that were forgotten.
    pub(super) forgotten: Vec<Forgotten>,
}

/// The first line.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HeaderLine {
    pub(super) atrest: String,
    pub(super) version: u64,
    pub(super) generation: u64,
    pub(super) written: String,
    pub(super) root: RootLine,
}

/// The header's `root`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RootLine {
    pub(super) source: String,
    pub(super) wrapped: String,
}

/// A line for a key.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KeyLine {
    pub(super) id: String,
    pub(super) created: String,
    pub(super) state: KeyState,
    pub(super) purpose: KeyPurpose,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) wrapped: Option<String>,
    pub(super) changed: String,
}

/// A line for a forgotten subject.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ForgottenLine {
    pub(super) forgotten: String,
    pub(super) keys: Vec<String>,
    pub(super) at: String,
}

/// The last line.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MacLine {
    pub(super) mac: String,
}

impl Document {
    /// The document's text, authenticated under the keyring key.
    pub(super) fn text(&self, keyring_key: &Key) -> Result<String, serde_json::Error> {
        let mut text = String::new();
        let mut line = |json: Result<String, serde_json::Error>| {
            text.push_str(&json?);
            text.push('\n');
            Ok::<(), serde_json::Error>(())
        };
        line(serde_json::to_string(&HeaderLine {
            atrest: MARK.to_owned(),
            version: VERSION,
            generation: self.generation,
            written: time_text(self.written),
            root: RootLine {
                source: self.source.clone(),
                wrapped: base64(&self.wrapped),
            },
        }))?;
        for key in &self.keys {
            line(serde_json::to_string(&KeyLine {
                id: key.id.to_string(),
                created: time_text(key.created),
                state: key.state,
                purpose: key.purpose,
                wrapped: key.wrapped.as_deref().map(base64),
                changed: time_text(key.changed),
            }))?;
        }
        for subject in &self.forgotten {
            line(serde_json::to_string(&ForgottenLine {
                forgotten: subject.tag.clone(),
                keys: subject.keys.iter().map(KeyId::to_string).collect(),
                at: time_text(subject.at),
            }))?;
        }
        let mac = Mac::new(keyring_key, Purpose::Keyring).tag(&[text.as_bytes()]);
        let mac = hex(&mac);
        text.push_str(&serde_json::to_string(&MacLine { mac })?);
        text.push('\n');
        Ok(text)
    }
}

/// A time as the document writes it: RFC 3339, UTC, whole seconds.
pub(super) fn time_text(time: Timestamp) -> String {
    whole_seconds(time).to_string()
}

/// Without what the document does not write.
pub(super) fn whole_seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

/// What the keyring key is bound to when the root wraps it.
pub(super) fn root_context() -> Context {
    Context::new("atrest/keyring")
}

/// What a key is bound to when the keyring key wraps it.
pub(super) fn key_context(purpose: KeyPurpose, created: Timestamp) -> Context {
    root_context().with_row([purpose.name(), &time_text(created)])
}

fn base64(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode_to_string(bytes)
}

/// Lower-case hex.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
