//! `azure-secret:VAULT/NAME[?version=VERSION]`: a secret of an Azure Key Vault that
//! holds a key, or a list of keys. REST: `GET {vault}/secrets/{name}/{version}`.

use azure_security_keyvault_secrets::models::SecretClientGetSecretOptions;
use azure_security_keyvault_secrets::{SecretClient, SecretClientOptions};
use zeroize::Zeroizing;

use super::problem::{Asked, failure};
use super::{Item, credential};
use crate::remote::{Deliver, Failure};
use crate::{Environment, KeySourceError, RemoteProblem};

/// A secret of a Key Vault.
#[derive(Debug)]
pub(crate) struct Secret {
    item: Item,
}

impl Secret {
    /// Reads what stands after `azure-secret:`.
    ///
    /// # Errors
    /// [`KeySourceError::BadUri`].
    pub(crate) fn parse(rest: &str) -> Result<Self, KeySourceError> {
        let item = Item::parse("azure-secret", rest)?;
        Ok(Self { item })
    }
}

impl Deliver for Secret {
    fn name(&self) -> &str {
        self.item.uri()
    }

    async fn deliver(&self, env: &Environment) -> Result<Zeroizing<String>, Failure> {
        let failed = |error| failure(error, Asked::Secret);
        let options = SecretClientOptions {
            client_options: self.item.options(env)?,
            ..SecretClientOptions::default()
        };
        let login = credential::find(&self.item, env).await?;
        let client = SecretClient::new(&self.item.vault, login, Some(options)).map_err(failed)?;
        let which = SecretClientGetSecretOptions {
            secret_version: self.item.version.clone(),
            ..SecretClientGetSecretOptions::default()
        };
        let answer = client.get_secret(&self.item.name, Some(which)).await;
        let secret = answer
            .and_then(azure_core::http::Response::into_model)
            .map_err(failed)?;
        secret.value.map(Zeroizing::new).ok_or_else(|| {
            Failure::new(
                RemoteProblem::NoSuchField,
                "the secret has no value",
                "set it: `az keyvault secret set --vault-name VAULT --name NAME --file KEYFILE`",
            )
        })
    }
}
