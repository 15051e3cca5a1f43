//! `gcp-kms:projects/P/locations/L/keyRings/R/cryptoKeys/K`: a symmetric key of Google
//! Cloud KMS, which wraps and is never shown. REST: `POST /v1/{key}:encrypt` and
//! `:decrypt`, the context as additional authenticated data. What is kept is the
//! ciphertext as KMS gives it, which names the key's version itself.

use base64_simd::STANDARD as BASE64;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::problem::Asked;
use super::{Call, crc32c, decode, garbled, is_id, is_project};
use crate::remote::{Failure, Wrap};
use crate::source::may_be_a_key;
use crate::{Environment, KeySourceError, RemoteProblem};

const SCHEME: &str = "gcp-kms";

/// A symmetric key of Cloud KMS.
#[derive(Debug)]
pub(crate) struct Kms {
    /// The whole URI, for messages.
    uri: String,
    /// `projects/P/locations/L/keyRings/R/cryptoKeys/K`.
    key: String,
}

/// `EncryptRequest`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Encrypt {
    plaintext: Zeroizing<String>,
    plaintext_crc32c: String,
    additional_authenticated_data: String,
    additional_authenticated_data_crc32c: String,
}

/// `EncryptResponse`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Encrypted {
    ciphertext: String,
    ciphertext_crc32c: Option<String>,
    #[serde(default)]
    verified_plaintext_crc32c: bool,
    #[serde(default)]
    verified_additional_authenticated_data_crc32c: bool,
}

/// `DecryptRequest`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Decrypt {
    ciphertext: String,
    ciphertext_crc32c: String,
    additional_authenticated_data: String,
    additional_authenticated_data_crc32c: String,
}

/// `DecryptResponse`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Decrypted {
    #[serde(default)]
    plaintext: Zeroizing<String>,
    plaintext_crc32c: Option<String>,
}

impl Kms {
    /// Reads what stands after `gcp-kms:`.
    ///
    /// # Errors
    /// [`KeySourceError::BadUri`].
    pub(crate) fn parse(rest: &str) -> Result<Self, KeySourceError> {
        let parts: Vec<_> = rest.split('/').collect();
        if parts.iter().any(|part| may_be_a_key(part)) || may_be_a_key(rest) {
            return Err(bad("a key is written where its place should be named"));
        }
        if rest.contains('?') {
            return Err(bad("there is a parameter, and it takes none"));
        }
        match parts.as_slice() {
            [
                "projects",
                p,
                "locations",
                l,
                "keyRings",
                r,
                "cryptoKeys",
                k,
            ] => {
                if !is_project(p) || ![l, r, k].into_iter().all(|id| is_id(id)) {
                    return Err(bad("a part of the name has a character that no name has"));
                }
            }
            [.., "cryptoKeyVersions", _] => {
                return Err(bad(
                    "it names one version, and KMS chooses the version itself",
                ));
            }
            _ => return Err(bad("it is not a key's full name")),
        }
        Ok(Self {
            uri: format!("{SCHEME}:{rest}"),
            key: rest.to_owned(),
        })
    }

    fn call<'a>(asked: Asked, path: &'a str, body: &impl Serialize) -> Result<Call<'a>, Failure> {
        let body = serde_json::to_vec(body).map_err(|_| {
            Failure::new(
                RemoteProblem::Refused,
                "the request cannot be written",
                "report this as an error of atrest",
            )
        })?;
        Ok(Call {
            asked,
            service: "cloudkms",
            path,
            body: Some(Zeroizing::new(body)),
        })
    }
}

impl Wrap for Kms {
    fn name(&self) -> &str {
        &self.uri
    }

    async fn wrap(
        &self,
        key: &[u8; 32],
        context: &[u8],
        env: &Environment,
    ) -> Result<Vec<u8>, Failure> {
        let path = format!("{}:encrypt", self.key);
        let body = Encrypt {
            plaintext: Zeroizing::new(BASE64.encode_to_string(key)),
            plaintext_crc32c: crc32c(key),
            additional_authenticated_data: BASE64.encode_to_string(context),
            additional_authenticated_data_crc32c: crc32c(context),
        };
        let answer: Encrypted = Self::call(Asked::Encrypt, &path, &body)?.send(env).await?;
        if !(answer.verified_plaintext_crc32c
            && answer.verified_additional_authenticated_data_crc32c)
        {
            return Err(garbled("KMS did not confirm the CRC32C of what it got"));
        }
        let wrapped = decode(&answer.ciphertext, answer.ciphertext_crc32c.as_deref())?;
        Ok(wrapped.to_vec())
    }

    async fn unwrap(
        &self,
        wrapped: &[u8],
        context: &[u8],
        env: &Environment,
    ) -> Result<Zeroizing<Vec<u8>>, Failure> {
        let path = format!("{}:decrypt", self.key);
        let body = Decrypt {
            ciphertext: BASE64.encode_to_string(wrapped),
            ciphertext_crc32c: crc32c(wrapped),
            additional_authenticated_data: BASE64.encode_to_string(context),
            additional_authenticated_data_crc32c: crc32c(context),
        };
        let answer: Decrypted = Self::call(Asked::Decrypt, &path, &body)?.send(env).await?;
        decode(&answer.plaintext, answer.plaintext_crc32c.as_deref())
    }
}

fn bad(problem: &str) -> KeySourceError {
    KeySourceError::BadUri {
        scheme: SCHEME,
        problem: problem.to_owned(),
        next: "write gcp-kms:projects/PROJECT/locations/LOCATION/keyRings/RING/cryptoKeys/KEY"
            .to_owned(),
    }
}
