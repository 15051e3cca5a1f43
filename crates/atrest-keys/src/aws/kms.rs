//! `aws-kms:KEY`: a symmetric key of KMS, which wraps and is never shown.
//!
//! A wrapped key is KMS's CiphertextBlob as it is. The place that it is for is the
//! encryption context `atrest-context`: standard base64 of the context's bytes, with
//! padding. KMS authenticates it, and writes it into CloudTrail in clear.

use std::collections::HashMap;

use aws_sdk_kms::Client;
use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::EncryptionAlgorithmSpec;
use base64_simd::STANDARD as BASE64;
use zeroize::Zeroizing;

use super::account::{self, Account};
use super::refused::{Advice, failure};
use crate::remote::address::{Address, Grammar};
use crate::remote::{Failure, Wrap};
use crate::{Environment, KeySourceError, RemoteProblem, Settings};

static GRAMMAR: Grammar = Grammar {
    scheme: "aws-kms",
    form: "aws-kms:KEY-ID, aws-kms:alias/NAME or aws-kms:ARN",
    parameters: &account::PARAMETERS,
};

/// The longest ciphertext that KMS takes, in bytes.
const LONGEST: usize = 6144;

/// One KMS key.
#[derive(Debug)]
pub(crate) struct Kms {
    name: String,
    key: String,
    account: Account,
}

impl Kms {
    /// Reads what stands after `aws-kms:`.
    ///
    /// # Errors
    /// [`KeySourceError::BadUri`].
    pub(crate) fn parse(rest: &str, _: &Settings) -> Result<Self, KeySourceError> {
        let address = Address::parse(&GRAMMAR, rest)?;
        let key = address.place();
        if key.contains('/') && !key.starts_with("alias/") && !key.starts_with("arn:") {
            return Err(address.bad("it is no key's id, alias/NAME or ARN"));
        }
        Ok(Self {
            name: format!("aws-kms:{rest}"),
            key,
            account: Account::of(&address)?,
        })
    }

    fn advice(&self, action: &str) -> Advice {
        let key = &self.key;
        Advice {
            permission: format!(
                "allow {action} on the key {key} in a policy of this role or user, and let the key's policy do so"
            ),
            make: format!(
                "check the key ({key}) and the region, or make one: `aws kms create-key`, then `aws kms create-alias --alias-name alias/atrest --target-key-id KEY-ID`"
            ),
        }
    }
}

impl Wrap for Kms {
    fn name(&self) -> &str {
        &self.name
    }

    async fn wrap(
        &self,
        key: &[u8; 32],
        context: &[u8],
        env: &Environment,
    ) -> Result<Vec<u8>, Failure> {
        let client = Client::new(&self.account.config("KMS", env).await?);
        let request = client
            .encrypt()
            .key_id(&self.key)
            .plaintext(Blob::new(key.as_slice()))
            .encryption_algorithm(EncryptionAlgorithmSpec::SymmetricDefault)
            .set_encryption_context(Some(bound(context)));
        let answer = request
            .send()
            .await
            .map_err(|error| failure(error, &self.advice("kms:Encrypt")))?;
        answer
            .ciphertext_blob
            .map(Blob::into_inner)
            .ok_or_else(not_kms)
    }

    async fn unwrap(
        &self,
        wrapped: &[u8],
        context: &[u8],
        env: &Environment,
    ) -> Result<Zeroizing<Vec<u8>>, Failure> {
        if wrapped.is_empty() || wrapped.len() > LONGEST {
            return Err(Failure::new(
                RemoteProblem::NotItsKey,
                "it is no ciphertext of KMS",
                "name the source that wrapped it, or put a backup of the keyring back",
            ));
        }
        let client = Client::new(&self.account.config("KMS", env).await?);
        let request = client
            .decrypt()
            .key_id(&self.key)
            .ciphertext_blob(Blob::new(wrapped))
            .encryption_algorithm(EncryptionAlgorithmSpec::SymmetricDefault)
            .set_encryption_context(Some(bound(context)));
        let answer = request
            .send()
            .await
            .map_err(|error| failure(error, &self.advice("kms:Decrypt")))?;
        answer
            .plaintext
            .map(|clear| Zeroizing::new(clear.into_inner()))
            .ok_or_else(not_kms)
    }
}

fn bound(context: &[u8]) -> HashMap<String, String> {
    HashMap::from([(
        "atrest-context".to_owned(),
        BASE64.encode_to_string(context),
    )])
}

fn not_kms() -> Failure {
    Failure::new(
        RemoteProblem::Format,
        "the answer is not that of KMS",
        "check the endpoint",
    )
}
