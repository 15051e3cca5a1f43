//! What is left to show of an erasure: a receipt, signed.
//!
//! The signature is a JSON Web Signature (RFC 7515) in compact form with `EdDSA`
//! (RFC 8037, Ed25519), so that any library for JWT checks it. The key pair is made of
//! the index key's subkey `receipt`; its public half stands in the receipt, and is to be
//! known from elsewhere by who checks one.

use atrest_core::{Key, Purpose};
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use base64_simd::URL_SAFE_NO_PAD as BASE64URL;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::SubjectError;

/// What an erasure came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// "atrest erasure receipt 1".
    pub kind: String,
    /// The subject's tag.
    pub tag: String,
    /// The subject, where it was to be named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// When erasure was asked for.
    pub requested: Timestamp,
    /// When the keys were destroyed.
    pub destroyed: Timestamp,
    /// The keys, by id.
    pub keys: Vec<String>,
    /// What became unreadable, and what did not.
    pub columns: Vec<ErasedColumn>,
    /// The same of files.
    pub files: Vec<ErasedFiles>,
    /// Backups that atrest knows of, and what they still hold.
    #[serde(default)]
    pub backups: Vec<ErasedBackup>,
    /// Columns and locations of the policy without a subject: nothing in them was
    /// erased.
    pub not_covered: Vec<String>,
    /// From then on no known backup can bring a key back, by the retention that the
    /// policy gives; `None`: it gives none.
    pub final_from: Option<Timestamp>,
}

/// One column in a receipt.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErasedColumn {
    /// "table.column".
    pub column: String,
    /// Rows of the subject.
    pub rows: u64,
    /// Values that no key opens any more.
    pub unreadable: u64,
    /// Values still in clear.
    pub plaintext: u64,
    /// Values still sealed under a key that everybody shares.
    pub shared: u64,
    /// Values that do not open for another reason.
    pub undecryptable: u64,
    /// Columns of the same rows that were emptied, since they could confirm a guess.
    pub emptied: Vec<String>,
}

/// One set of files in a receipt.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErasedFiles {
    /// As the policy names it.
    pub location: String,
    /// Files of the subject.
    pub files: u64,
    /// Files that no key opens any more.
    pub unreadable: u64,
    /// Files still in clear.
    pub plaintext: u64,
    /// Files still sealed under a key that everybody shares.
    pub shared: u64,
    /// Files that do not open for another reason.
    #[serde(default)]
    pub undecryptable: u64,
    /// Files that could not be looked at, or have other names (hard links).
    #[serde(default)]
    pub skipped: u64,
    /// What a bucket still has of earlier ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old_versions: Option<ErasedVersions>,
}

/// The old versions that a bucket still has of a subject's files.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErasedVersions {
    /// Those that were sealed under a key of the subject, which is destroyed.
    pub unreadable: u64,
    /// Those in clear, or under another key.
    pub readable: u64,
    /// Why they were not all looked at, if so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// A backup in a receipt.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErasedBackup {
    /// Where it is, or was.
    pub path: String,
    /// Values of the subject that it still brings back: they are in clear or under a key
    /// that everybody shares in it.
    pub readable: u64,
    /// Values of which that cannot be told: their rows are gone, and with them whose they
    /// were; they are of a column that the policy does not name; or they are under a key
    /// that is not at hand, and not known to be destroyed.
    pub unknown: u64,
    /// It is not there any more, and was deleted by the word of who asked for the erasure.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub deleted: bool,
    /// Why it was not looked into to its end, if so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

impl Receipt {
    /// The [`Self::kind`] of this version.
    pub const KIND: &'static str = "atrest erasure receipt 1";

    /// Whether nothing that was looked at can still be read of the subject.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        let column = |c: &ErasedColumn| c.plaintext + c.shared + c.undecryptable == 0;
        let old = |v: &ErasedVersions| v.readable == 0 && v.problem.is_none();
        let files = |f: &ErasedFiles| {
            f.plaintext + f.shared + f.undecryptable + f.skipped == 0
                && f.old_versions.as_ref().is_none_or(old)
        };
        let backup = |b: &ErasedBackup| b.readable + b.unknown == 0 && b.problem.is_none();
        self.columns.iter().all(column)
            && self.files.iter().all(files)
            && self.backups.iter().all(backup)
    }
}

/// A receipt with its signature, as its file holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedReceipt {
    /// What it says, for people; the signature's payload is what counts.
    pub receipt: Receipt,
    /// The public key that checks it: an Ed25519 key in base64url.
    pub public_key: String,
    /// The signature, with header and payload: JWS compact serialization.
    pub jws: String,
}

/// Signs receipts.
pub struct Signer(Ed25519KeyPair);

impl Signer {
    /// With the key pair of this index key.
    ///
    /// # Errors
    /// [`SubjectError::Signature`], which does not happen.
    pub fn new(index: &Key) -> Result<Self, SubjectError> {
        let seed = index.derive::<32>(Purpose::Receipt);
        Ed25519KeyPair::from_seed_unchecked(&*seed)
            .map(Self)
            .map_err(|_| SubjectError::Signature("the key pair cannot be made"))
    }

    /// The public half, in base64url: publish it where receipts are checked.
    #[must_use]
    pub fn public_key(&self) -> String {
        BASE64URL.encode_to_string(self.0.public_key().as_ref())
    }

    /// Signs.
    ///
    /// # Errors
    /// [`SubjectError::Body`], which does not happen.
    pub fn sign(&self, receipt: Receipt) -> Result<SignedReceipt, SubjectError> {
        let payload =
            serde_json::to_vec(&receipt).map_err(|e| SubjectError::Body(e.to_string()))?;
        let header = br#"{"alg":"EdDSA","typ":"atrest-receipt+jws"}"#;
        let signed = format!(
            "{}.{}",
            BASE64URL.encode_to_string(header),
            BASE64URL.encode_to_string(payload)
        );
        let signature = self.0.sign(signed.as_bytes());
        let jws = format!(
            "{signed}.{}",
            BASE64URL.encode_to_string(signature.as_ref())
        );
        Ok(SignedReceipt {
            receipt,
            public_key: self.public_key(),
            jws,
        })
    }
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Signer({})", self.public_key())
    }
}

impl SignedReceipt {
    /// Checks the signature with a public key that is known to be the signer's, and
    /// that the text for people says the same; gives what was signed.
    ///
    /// # Errors
    /// [`SubjectError::Signature`] with what is wrong.
    pub fn verify(&self, public_key: &str) -> Result<Receipt, SubjectError> {
        let wrong = SubjectError::Signature;
        let key = BASE64URL
            .decode_to_vec(public_key)
            .map_err(|_| wrong("the public key is not base64url"))?;
        let (signed, signature) = self
            .jws
            .rsplit_once('.')
            .ok_or(wrong("the signature has no three parts"))?;
        let signature = BASE64URL
            .decode_to_vec(signature)
            .map_err(|_| wrong("the signature is not base64url"))?;
        UnparsedPublicKey::new(&ED25519, key)
            .verify(signed.as_bytes(), &signature)
            .map_err(|_| wrong("the signature is not of this key, or the receipt was changed"))?;
        let receipt = signed
            .split_once('.')
            .and_then(|(_, payload)| BASE64URL.decode_to_vec(payload).ok())
            .and_then(|payload| serde_json::from_slice::<Receipt>(&payload).ok())
            .ok_or(wrong("what was signed is not a receipt of this version"))?;
        if receipt != self.receipt {
            return Err(wrong("the text beside the signature says something else"));
        }
        Ok(receipt)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receipt() -> Receipt {
        Receipt {
            kind: Receipt::KIND.into(),
            tag: "ab".repeat(16),
            subject: None,
            requested: Timestamp::UNIX_EPOCH,
            destroyed: Timestamp::UNIX_EPOCH,
            keys: vec!["0badf00d".into()],
            columns: vec![ErasedColumn {
                column: "people.email".into(),
                rows: 3,
                unreadable: 3,
                ..ErasedColumn::default()
            }],
            files: Vec::new(),
            backups: Vec::new(),
            not_covered: vec!["people.notes".into()],
            final_from: None,
        }
    }

    #[test]
    fn a_receipt_proves_itself_and_nothing_else() {
        let signer = Signer::new(&Key::from_bytes([7; 32])).unwrap();
        let signed = signer.sign(receipt()).unwrap();
        assert!(signed.receipt.is_complete());
        assert_eq!(signed.verify(&signer.public_key()).unwrap(), receipt());
        let other = Signer::new(&Key::from_bytes([8; 32])).unwrap();
        assert!(signed.verify(&other.public_key()).is_err());

        let mut edited = signed.clone();
        edited.receipt.columns[0].rows = 2;
        assert!(edited.verify(&signer.public_key()).is_err());
        for at in 0..signed.jws.len() {
            let mut bytes = signed.jws.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let jws = String::from_utf8(bytes).unwrap();
            let changed = SignedReceipt {
                jws,
                ..signed.clone()
            };
            assert!(changed.verify(&signer.public_key()).is_err(), "{at}");
        }
    }

    /// RFC 8032 §7.1, TEST 2: the construction beneath.
    #[test]
    fn rfc8032_ed25519_test_2() {
        let hex = |s: &str| crate::journal::unhex(s).unwrap();
        let seed = hex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb");
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).unwrap();
        let signature = pair.sign(&hex("72"));
        assert_eq!(
            signature.as_ref(),
            hex(
                "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
            )
        );
    }
}
