//! Who logs in to Google Cloud: the credential file that `GOOGLE_APPLICATION_CREDENTIALS`
//! names in [`Environment`], or else application default credentials (`gcloud auth
//! application-default login`, then the metadata service of a machine, pod or function).

use google_cloud_auth::credentials::service_account::AccessSpecifier;
use google_cloud_auth::credentials::{
    AccessTokenCredentials, Builder, CacheableResource, CredentialsProvider as _, external_account,
    impersonated, service_account, user_account,
};
use google_cloud_auth::{build_errors, errors::CredentialsError};
use reqwest::header::HeaderMap;
use serde_json::Value;

use crate::https::chain;
use crate::remote::Failure;
use crate::{Environment, RemoteProblem};

const FILE: &str = "GOOGLE_APPLICATION_CREDENTIALS";
/// What both services accept (developers.google.com/identity/protocols/oauth2/scopes).
const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";

/// What a request carries of who makes it.
pub(super) struct Login {
    /// `authorization`, and the project that pays where it is another.
    pub(super) headers: HeaderMap,
    /// `googleapis.com`, or what the credential says of another cloud.
    pub(super) universe: String,
}

pub(super) async fn find(env: &Environment) -> Result<Login, Failure> {
    let credentials = credentials(env)?;
    let headers = match credentials.headers(Default::default()).await {
        Ok(CacheableResource::New { data, .. }) => data,
        Ok(CacheableResource::NotModified) => return Err(bad("the login gave no token")),
        Err(error) => return Err(refused(&error)),
    };
    let universe = credentials.universe_domain().await;
    let universe = universe.unwrap_or_else(|| "googleapis.com".to_owned());
    if !universe.split('.').all(super::is_id) {
        return Err(bad("the credential's universe_domain is not a domain"));
    }
    Ok(Login { headers, universe })
}

fn credentials(env: &Environment) -> Result<AccessTokenCredentials, Failure> {
    let Some(path) = env.get(FILE).filter(|path| !path.is_empty()) else {
        return Builder::default()
            .with_scopes([SCOPE])
            .build_access_token_credentials()
            .map_err(unusable);
    };
    let name = env.describe(FILE);
    let text = std::fs::read_to_string(path)
        .map(zeroize::Zeroizing::new)
        .map_err(|error| bad(&format!("{name} names a file that cannot be read: {error}")))?;
    let json: Value = serde_json::from_str(&text)
        .map_err(|_| bad(&format!("{name} names a file that is not JSON")))?;
    let kind = json.get("type").and_then(Value::as_str).map(str::to_owned);
    match kind.as_deref() {
        Some("service_account") => service_account::Builder::new(json)
            .with_access_specifier(AccessSpecifier::from_scopes([SCOPE]))
            .build_access_token_credentials(),
        Some("authorized_user") => {
            user_account::Builder::new(json).build_access_token_credentials()
        }
        Some("external_account") => external_account::Builder::new(json)
            .with_scopes([SCOPE])
            .build_access_token_credentials(),
        Some("impersonated_service_account") => impersonated::Builder::new(json)
            .with_scopes([SCOPE])
            .build_access_token_credentials(),
        _ => {
            return Err(bad(&format!(
                "{name} names a file that is no credential: its `type` is none of service_account, \
                 authorized_user, external_account, impersonated_service_account"
            )));
        }
    }
    .map_err(unusable)
}

fn refused(error: &CredentialsError) -> Failure {
    let problem = if error.is_transient() {
        RemoteProblem::Unreachable
    } else {
        RemoteProblem::Unauthenticated
    };
    Failure::new(problem, format!("login: {}", chain(error)), NEXT)
}

fn unusable(error: build_errors::Error) -> Failure {
    bad(&chain(&error))
}

fn bad(detail: &str) -> Failure {
    Failure::new(RemoteProblem::Unauthenticated, detail, NEXT)
}

const NEXT: &str = "set GOOGLE_APPLICATION_CREDENTIALS to a credential file, type `gcloud auth \
     application-default login`, or give the machine or pod a service account";
