//! The record of one subject's keys (spec/subjects.md): its name is the subject's tag,
//! its body JSON, and a MAC keeps both together.

use atrest_core::hazmat::Mac;
use atrest_core::{Context, Key, KeyId, KeyWrapper};
use base64_simd::URL_SAFE_NO_PAD as BASE64URL;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::SubjectError;
use crate::journal::{hex, unhex};
use crate::target::{KeyChange, Record};

/// What the names of subjects' records begin with.
pub(crate) const NAME: &str = "subject:";

/// Bytes of a tag.
const TAG: usize = 16;

/// The pseudonym of a subject: `HMAC-SHA-256(index key's subkey "subject/tag", subject)`,
/// its first 16 bytes in hex. Without the index key it says nothing of the subject, and
/// no guess can be tried.
pub(crate) fn tag(mac: &Mac, subject: &str) -> String {
    let tag = mac.tag(&[subject.as_bytes()]);
    hex(tag.first_chunk::<TAG>().unwrap_or(&[0; TAG]))
}

/// What a record's body says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Body {
    /// The subject's keys, the newest first.
    pub(crate) keys: Vec<SubjectKey>,
    /// The subject is to be forgotten.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) forget: Option<Forget>,
    /// The subject may not be forgotten.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) hold: Option<Hold>,
}

/// One key of a subject.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SubjectKey {
    /// Its id, 8 hex digits.
    pub(crate) id: String,
    pub(crate) created: Timestamp,
    /// The key, wrapped by a key of the keyring (base64url); `None`: destroyed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) wrapped: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) destroyed: Option<Timestamp>,
}

/// An erasure that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Forget {
    pub(crate) since: Timestamp,
    /// Until then it can be undone; the keys are destroyed by the first `forget`
    /// after that.
    pub(crate) undo_until: Timestamp,
    /// The subject's text, sealed under the keyring: what is to be forgotten has to be
    /// found, too.
    pub(crate) subject: String,
    /// It is being done, and cannot be undone any more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) begun: bool,
}

/// Why a subject may not be forgotten.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Hold {
    pub(crate) since: Timestamp,
    pub(crate) reason: String,
}

impl SubjectKey {
    /// `key`, made `now`, wrapped for the subject with this tag.
    pub(crate) fn new(
        key: &Key,
        tag: &str,
        wrapper: &KeyWrapper,
        now: Timestamp,
    ) -> Result<Self, SubjectError> {
        let wrapped = wrapper.wrap(key, &place(tag))?;
        Ok(Self {
            id: key.id().to_string(),
            created: now,
            wrapped: Some(BASE64URL.encode_to_string(wrapped)),
            destroyed: None,
        })
    }

    pub(crate) fn key_id(&self) -> Option<KeyId> {
        self.id.parse().ok()
    }

    /// The key's bytes as they were wrapped; `None` when it is destroyed.
    pub(crate) fn wrapped(&self) -> Option<Vec<u8>> {
        self.wrapped
            .as_ref()
            .map(|text| BASE64URL.decode_to_vec(text).unwrap_or_default())
    }

    /// Nothing is left that could open anything.
    pub(crate) fn destroy(&mut self, now: Timestamp) {
        if self.wrapped.take().is_some() {
            self.destroyed = Some(now);
        }
    }
}

/// What a subject's key is bound to.
pub(crate) fn place(tag: &str) -> Context {
    Context::new("atrest/subject").with_row([tag])
}

/// A record that was proven.
#[derive(Debug, Clone)]
pub(crate) struct Proven {
    pub(crate) tag: String,
    pub(crate) body: Body,
    /// As it stands in the database.
    mac: String,
}

/// Proves and makes records.
pub(crate) struct Prover(pub(super) Mac);

impl Prover {
    /// A new record.
    pub(crate) fn record(&self, tag: &str, body: &Body) -> Result<Record, SubjectError> {
        self.sign(&format!("{NAME}{tag}"), body)
    }

    /// A record of this name.
    pub(crate) fn sign(&self, name: &str, body: &impl Serialize) -> Result<Record, SubjectError> {
        let name = name.to_owned();
        let body = serde_json::to_string(body).map_err(|e| SubjectError::Body(e.to_string()))?;
        let mac = hex(&self
            .0
            .tag(&[&length(name.as_bytes()), name.as_bytes(), body.as_bytes()]));
        Ok(Record { name, body, mac })
    }

    /// What a subject's record says, if it is ours and as we wrote it.
    pub(crate) fn prove(&self, record: &Record) -> Result<Proven, SubjectError> {
        let tag = record
            .name
            .strip_prefix(NAME)
            .ok_or_else(|| damaged(record))?;
        let (body, mac) = self.read(record)?;
        Ok(Proven {
            tag: tag.to_owned(),
            body,
            mac,
        })
    }

    /// What a record says, and its MAC, if it is ours and as we wrote it.
    pub(crate) fn read<T: DeserializeOwned>(
        &self,
        record: &Record,
    ) -> Result<(T, String), SubjectError> {
        let (name, body) = (record.name.as_bytes(), record.body.as_bytes());
        let ours =
            unhex(&record.mac).is_some_and(|mac| self.0.verify(&[&length(name), name, body], &mac));
        let body = ours
            .then(|| serde_json::from_str(&record.body).ok())
            .flatten();
        let body = body.ok_or_else(|| damaged(record))?;
        Ok((body, record.mac.clone()))
    }

    /// The change from what was proven to `body`.
    pub(crate) fn change(&self, from: &Proven, body: &Body) -> Result<KeyChange, SubjectError> {
        let Record { name, body, mac } = self.record(&from.tag, body)?;
        Ok(KeyChange {
            name,
            expected: from.mac.clone(),
            body,
            mac,
        })
    }
}

fn damaged(record: &Record) -> SubjectError {
    SubjectError::Damaged {
        name: record.name.clone(),
    }
}

/// The length in bytes as 4 bytes, big-endian.
fn length(name: &[u8]) -> [u8; 4] {
    u32::try_from(name.len()).unwrap_or(u32::MAX).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use atrest_core::Purpose;

    fn index() -> Key {
        Key::from_bytes(std::array::from_fn(|i| i as u8))
    }

    fn prover() -> Prover {
        Prover(Mac::new(&index(), Purpose::SubjectRecord))
    }

    /// The example of spec/subjects.md.
    #[test]
    fn spec_subjects() {
        let spec = include_str!("../../../../spec/subjects.md");
        let example = |name: &str| {
            let line = spec.lines().find(|l| {
                l.trim().starts_with(&format!("{name} "))
                    && l.starts_with("    ")
                    && !l.contains("subkey")
                    && !l.contains("KEY")
            });
            let value = line.unwrap().split_once("= ").unwrap().1.trim();
            value.trim_matches('"').to_owned()
        };
        assert_eq!(
            tag(&Mac::new(&index(), Purpose::SubjectTag), "4711"),
            spec_tag(spec)
        );
        let record = Record {
            name: format!("subject:{}", spec_tag(spec)),
            body: example("body"),
            mac: example("mac"),
        };
        let proven = prover().prove(&record).unwrap();
        assert_eq!(proven.body.keys[0].key_id(), Some(index().id()));
        assert_eq!(prover().record(&proven.tag, &proven.body).unwrap(), record);
    }

    fn spec_tag(spec: &str) -> &str {
        let line = spec
            .lines()
            .rfind(|l| l.starts_with("    tag       = "))
            .unwrap();
        line.rsplit(' ').next().unwrap()
    }

    #[test]
    fn a_record_of_another_name_body_or_index_key_is_refused() {
        let now = Timestamp::UNIX_EPOCH;
        let wrapper = KeyWrapper::new(&Key::from_bytes([9; 32]));
        let key = SubjectKey::new(&Key::from_bytes([8; 32]), "ab", &wrapper, now).unwrap();
        let body = Body {
            keys: vec![key],
            ..Body::default()
        };
        let record = prover().record("ab", &body).unwrap();
        assert_eq!(prover().prove(&record).unwrap().body, body);
        let refused = |record: &Record| prover().prove(record).is_err();
        for i in 0..record.body.len() {
            let mut bytes = record.body.clone().into_bytes();
            bytes[i] ^= 1;
            let body = String::from_utf8(bytes).unwrap();
            assert!(refused(&Record {
                body,
                ..record.clone()
            }));
        }
        let name = "subject:ac".to_owned();
        assert!(refused(&Record {
            name,
            ..record.clone()
        }));
        let mac = record.mac.to_uppercase() + "00";
        assert!(refused(&Record {
            mac,
            ..record.clone()
        }));
        let other = Prover(Mac::new(&Key::from_bytes([7; 32]), Purpose::SubjectRecord));
        assert!(other.prove(&record).is_err());
    }
}
