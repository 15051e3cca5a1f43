//! Who logs in to Azure. The SDK for Rust leaves the choice to its user; this is the
//! order of Azure's other SDKs.
//!
//! | first that applies | when |
//! |---|---|
//! | client secret | `AZURE_CLIENT_SECRET` is set; with `AZURE_TENANT_ID` and `AZURE_CLIENT_ID` |
//! | workload identity (Kubernetes) | `AZURE_FEDERATED_TOKEN_FILE` is set; with the same two |
//! | managed identity | `IDENTITY_ENDPOINT` is set (App Service, Functions, Container Apps), or the metadata service of a machine answers; `AZURE_CLIENT_ID` names a user-assigned one |
//! | developer tools | else: `az login`, `azd auth login` |
//!
//! `AZURE_TOKEN_CREDENTIALS=prod` leaves the last out, `=dev` all others.

use std::sync::Arc;
use std::time::Duration;

use azure_core::credentials::{Secret, TokenCredential};
use azure_identity::{
    ClientAssertionCredentialOptions, ClientSecretCredential, ClientSecretCredentialOptions,
    DeveloperToolsCredential, ManagedIdentityCredential, ManagedIdentityCredentialOptions,
    UserAssignedId, WorkloadIdentityCredential, WorkloadIdentityCredentialOptions,
};
use tokio::net::TcpStream;

use super::Item;
use super::problem::{Asked, failure};
use crate::remote::Failure;
use crate::{Environment, RemoteProblem};

/// The instance metadata service of Azure's machines.
const METADATA: &str = "169.254.169.254:80";
/// How long that may take to accept a connection; it is on the same host.
const METADATA_PATIENCE: Duration = Duration::from_secs(1);

/// The credential that these variables, or else this machine, give.
pub(super) async fn find(
    item: &Item,
    env: &Environment,
) -> Result<Arc<dyn TokenCredential>, Failure> {
    let failed = |error| failure(error, Asked::Login);
    let set = |name: &str| env.get(name).filter(|value| !value.is_empty());
    let only = set("AZURE_TOKEN_CREDENTIALS");
    let (production, tools) = match only {
        None => (true, true),
        Some("prod") => (true, false),
        Some("dev") => (false, true),
        Some(_) => {
            return Err(login(
                "AZURE_TOKEN_CREDENTIALS is neither `prod` nor `dev`",
                "set it to one of them, or unset it",
            ));
        }
    };
    if production && let Some(secret) = set("AZURE_CLIENT_SECRET") {
        let options = ClientSecretCredentialOptions {
            client_options: item.options(env)?,
        };
        let (tenant, client) = (
            needed(env, "AZURE_TENANT_ID")?,
            needed(env, "AZURE_CLIENT_ID")?,
        );
        let secret = Secret::new(secret.to_owned());
        let credential =
            ClientSecretCredential::new(tenant, client.to_owned(), secret, Some(options));
        return Ok(credential.map_err(failed)?);
    }
    if production && let Some(file) = set("AZURE_FEDERATED_TOKEN_FILE") {
        let mut options = WorkloadIdentityCredentialOptions::default();
        options.credential_options = ClientAssertionCredentialOptions {
            client_options: item.options(env)?,
        };
        options.tenant_id = Some(needed(env, "AZURE_TENANT_ID")?.to_owned());
        options.client_id = Some(needed(env, "AZURE_CLIENT_ID")?.to_owned());
        options.token_file_path = Some(file.into());
        return Ok(WorkloadIdentityCredential::new(Some(options)).map_err(failed)?);
    }
    if production && (set("IDENTITY_ENDPOINT").is_some() || metadata_answers().await) {
        let options = ManagedIdentityCredentialOptions {
            user_assigned_id: set("AZURE_CLIENT_ID")
                .map(|id| UserAssignedId::ClientId(id.to_owned())),
            client_options: item.options(env)?,
        };
        return Ok(ManagedIdentityCredential::new(Some(options)).map_err(failed)?);
    }
    if tools {
        return Ok(DeveloperToolsCredential::new(None).map_err(failed)?);
    }
    Err(login(
        "no variable names a client or a token file, and this machine has no managed identity",
        super::problem::LOG_IN,
    ))
}

async fn metadata_answers() -> bool {
    let connection = tokio::time::timeout(METADATA_PATIENCE, TcpStream::connect(METADATA)).await;
    matches!(connection, Ok(Ok(_)))
}

fn needed<'a>(env: &'a Environment, name: &str) -> Result<&'a str, Failure> {
    env.get(name)
        .filter(|value| !value.is_empty())
        .ok_or_else(|| {
            login(
                &format!("{name} is not set"),
                "set AZURE_TENANT_ID and AZURE_CLIENT_ID beside the client's secret or token file",
            )
        })
}

fn login(detail: &str, next: &str) -> Failure {
    Failure::new(RemoteProblem::Unauthenticated, detail, next)
}
