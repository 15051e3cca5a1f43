//! `azure-key:VAULT/NAME[?version=VERSION]`: an RSA key of an Azure Key Vault, which
//! wraps and is never shown. REST: `POST {vault}/keys/{name}/{version}/wrapkey` and
//! `.../unwrapkey`, algorithm RSA-OAEP-256 (RFC 8017 §7.1 with SHA-256).
//!
//! RSA-OAEP as Key Vault offers it binds nothing beside the key. So a fresh key, k, is
//! wrapped by Key Vault, and the key in question is sealed under k with its context
//! (spec/formats.md, "Wrapped key, by Azure Key Vault"):
//!
//! ```text
//! wrapped = 0x01 | version (16) | n (2, big-endian) | k wrapped by Key Vault (n) | key sealed under k (77)
//! ```
//!
//! `version` is that of the Key Vault key, the bytes of its 32 hex digits: a key that was
//! rotated in the vault still opens what older versions wrapped. It needs no protection of
//! its own: with another one Key Vault does not open k.

use atrest_core::{Context, KeyWrapper};
use azure_core::http::Response;
use azure_security_keyvault_keys::models::{
    EncryptionAlgorithm, KeyClientWrapKeyOptions, KeyOperationParameters, KeyOperationResult,
};
use azure_security_keyvault_keys::{KeyClient, KeyClientOptions, ResourceId};
use zeroize::Zeroizing;

use super::problem::{Asked, failure};
use super::{Item, credential, is_version};
use crate::remote::{Failure, Wrap};
use crate::{Environment, KeySourceError, RemoteProblem};

/// The layout's version.
const LAYOUT: u8 = 0x01;
/// Bytes of a Key Vault key's version.
const VERSION: usize = 16;

/// An RSA key of a Key Vault.
#[derive(Debug)]
pub(crate) struct Key {
    item: Item,
}

impl Key {
    /// Reads what stands after `azure-key:`.
    ///
    /// # Errors
    /// [`KeySourceError::BadUri`].
    pub(crate) fn parse(rest: &str) -> Result<Self, KeySourceError> {
        let item = Item::parse("azure-key", rest)?;
        Ok(Self { item })
    }

    async fn client(&self, env: &Environment, asked: Asked) -> Result<KeyClient, Failure> {
        let options = KeyClientOptions {
            client_options: self.item.options(env)?,
            ..KeyClientOptions::default()
        };
        let login = credential::find(&self.item, env).await?;
        KeyClient::new(&self.item.vault, login, Some(options))
            .map_err(|error| failure(error, asked))
    }
}

impl Wrap for Key {
    fn name(&self) -> &str {
        self.item.uri()
    }

    async fn wrap(
        &self,
        key: &[u8; 32],
        context: &[u8],
        env: &Environment,
    ) -> Result<Vec<u8>, Failure> {
        let failed = |error| failure(error, Asked::Wrap);
        let context = read_context(context)?;
        let between = atrest_core::Key::generate().map_err(no_random)?;
        let sealed = KeyWrapper::new(&between)
            .wrap(&atrest_core::Key::from_bytes(*key), &context)
            .map_err(no_random)?;
        let which = KeyClientWrapKeyOptions {
            key_version: self.item.version.clone(),
            ..KeyClientWrapKeyOptions::default()
        };
        let body = parameters(between.expose_secret().to_vec()).map_err(failed)?;
        let client = self.client(env, Asked::Wrap).await?;
        let answer = client.wrap_key(&self.item.name, body, Some(which)).await;
        let answer = answer.and_then(Response::into_model).map_err(failed)?;
        let version = version(&answer)
            .ok_or_else(|| malformed("the answer does not name the key's version"))?;
        let between = answer
            .result
            .ok_or_else(|| malformed("the answer holds no wrapped key"))?;
        pack(version, &between, &sealed).ok_or_else(|| malformed("the wrapped key is too long"))
    }

    async fn unwrap(
        &self,
        wrapped: &[u8],
        context: &[u8],
        env: &Environment,
    ) -> Result<Zeroizing<Vec<u8>>, Failure> {
        let failed = |error| failure(error, Asked::Unwrap);
        let context = read_context(context)?;
        let (version, between, sealed) = unpack(wrapped)
            .ok_or_else(|| not_its_key("it is not of the layout that azure-key: writes"))?;
        let body = parameters(between.to_vec()).map_err(failed)?;
        let client = self.client(env, Asked::Unwrap).await?;
        let version = base16(version);
        let answer = client
            .unwrap_key(&self.item.name, &version, body, None)
            .await;
        let answer = answer.and_then(Response::into_model).map_err(failed)?;
        let between = Zeroizing::new(answer.result.unwrap_or_default());
        let between: &[u8; 32] = between
            .first_chunk()
            .filter(|_| between.len() == 32)
            .ok_or_else(|| not_its_key("Key Vault opened something that is no key of 32 bytes"))?;
        let key = KeyWrapper::new(&atrest_core::Key::from_bytes(*between))
            .unwrap(sealed, &context)
            .map_err(|_| not_its_key("it was wrapped for another place, or changed"))?;
        Ok(Zeroizing::new(key.expose_secret().to_vec()))
    }
}

fn parameters(
    value: Vec<u8>,
) -> azure_core::Result<azure_core::http::RequestContent<KeyOperationParameters>> {
    KeyOperationParameters {
        algorithm: Some(EncryptionAlgorithm::RsaOaep256),
        value: Some(value),
        ..KeyOperationParameters::default()
    }
    .try_into()
}

/// The version in the id of the key that did it.
fn version(answer: &KeyOperationResult) -> Option<[u8; VERSION]> {
    let id: ResourceId = answer.kid.as_ref()?.parse().ok()?;
    let text = id.version.filter(|text| is_version(text))?;
    Some(u128::from_str_radix(&text, 16).ok()?.to_be_bytes())
}

fn base16(version: &[u8; VERSION]) -> String {
    format!("{:032x}", u128::from_be_bytes(*version))
}

pub(super) fn pack(version: [u8; VERSION], between: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
    let length = u16::try_from(between.len()).ok()?;
    Some(
        [
            &[LAYOUT],
            &version[..],
            &length.to_be_bytes(),
            between,
            sealed,
        ]
        .concat(),
    )
}

/// Version, k as Key Vault wrapped it, and the key under k.
pub(super) fn unpack(wrapped: &[u8]) -> Option<(&[u8; VERSION], &[u8], &[u8])> {
    let rest = wrapped.strip_prefix(&[LAYOUT])?;
    let (version, rest) = rest.split_first_chunk()?;
    let (length, rest) = rest.split_first_chunk()?;
    let (between, sealed) = rest.split_at_checked(u16::from_be_bytes(*length).into())?;
    (!between.is_empty() && sealed.len() == KeyWrapper::WRAPPED)
        .then_some((version, between, sealed))
}

/// The context whose encoding this is (spec/formats.md, "Context").
pub(super) fn read_context(encoded: &[u8]) -> Result<Context, Failure> {
    let mut parts = Vec::new();
    let mut rest = encoded;
    while let Some((length, more)) = rest.split_first_chunk() {
        let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
        let Some((part, more)) = more.split_at_checked(length) else {
            break;
        };
        parts.extend(std::str::from_utf8(part));
        rest = more;
    }
    let context = match parts.split_first() {
        Some((first, row)) => Context::new(first).with_row(row),
        None => Context::new(""),
    };
    if context.encoded() == encoded {
        Ok(context)
    } else {
        Err(Failure::new(
            RemoteProblem::Refused,
            "the place that the key is for has no readable name",
            "report this as an error of atrest",
        ))
    }
}

fn no_random(error: atrest_core::RandomError) -> Failure {
    Failure::new(
        RemoteProblem::Refused,
        error.to_string(),
        "check that the operating system gives random bytes",
    )
}

fn malformed(detail: &str) -> Failure {
    Failure::new(
        RemoteProblem::Failed,
        detail,
        "check that the address is a Key Vault's",
    )
}

fn not_its_key(detail: &str) -> Failure {
    Failure::new(
        RemoteProblem::NotItsKey,
        detail,
        "name the key that wrapped it, or put a backup of the keyring back",
    )
}
