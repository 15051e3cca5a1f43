//! Who asks AWS, and where: the variables of AWS's own tools as the face gives them,
//! else what the SDK finds by itself (profiles, web identity, container and instance
//! roles).

use aws_config::{BehaviorVersion, Region, SdkConfig, retry::RetryConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials as _, SharedCredentialsProvider};

use crate::remote::address::{self, Address};
use crate::remote::{Failure, words};
use crate::{Environment, KeySourceError, RemoteProblem};

/// The parameters that say where.
pub(super) const PARAMETERS: [&str; 3] = ["region", "endpoint", "allow-http"];

/// Region and endpoint, as the URI says them.
#[derive(Debug)]
pub(super) struct Account {
    region: Option<String>,
    endpoint: Option<String>,
    allow_http: bool,
}

impl Account {
    /// Reads the parameters of a URI; an ARN names a region too.
    pub(super) fn of(address: &Address) -> Result<Self, KeySourceError> {
        let allow_http = address.flag("allow-http")?;
        let endpoint = address.get("endpoint").map(|url| {
            address::server(url, allow_http)
                .map(|_| url.to_owned())
                .map_err(|problem| address.bad(format!("`endpoint` {problem}")))
        });
        let place = address.place();
        let region = match (address.get("region"), region_of(&place)) {
            (Some(said), Some(arn)) if said != arn => {
                return Err(address.bad(format!("`region` is not that of the ARN, {arn}")));
            }
            (said, arn) => said.or(arn).map(str::to_owned),
        };
        Ok(Self {
            region,
            endpoint: endpoint.transpose()?,
            allow_http,
        })
    }

    /// The configuration of a client of one service, with credentials that were found.
    /// `service` is its name in variables, "KMS" for example.
    ///
    /// The SDK makes one attempt of each request: more are made around all sources.
    pub(super) async fn config(
        &self,
        service: &str,
        env: &Environment,
    ) -> Result<SdkConfig, Failure> {
        let mut loader =
            aws_config::defaults(BehaviorVersion::latest()).retry_config(RetryConfig::disabled());
        let region = self.region.as_deref();
        let region = region.or_else(|| set(env, &["AWS_REGION", "AWS_DEFAULT_REGION"]));
        if let Some(region) = region {
            loader = loader.region(Region::new(region.to_owned()));
        }
        let own = format!("AWS_ENDPOINT_URL_{service}");
        let endpoint = self.endpoint.as_deref();
        if let Some(url) = endpoint.or_else(|| set(env, &[&own, "AWS_ENDPOINT_URL"])) {
            loader = loader.endpoint_url(self.allowed(url)?);
        }
        if let Some(profile) = set(env, &["AWS_PROFILE"]) {
            loader = loader.profile_name(profile);
        }
        if let Some(credentials) = credentials(env)? {
            loader = loader.credentials_provider(credentials);
        }
        let config = loader.load().await;
        if config.region().is_none() {
            return Err(not_configured(
                "no region is set",
                "name it as `region=`, in AWS_REGION or in the profile",
            ));
        }
        if let Some(url) = config.endpoint_url() {
            self.allowed(url)?;
        }
        let found = match config.credentials_provider() {
            Some(provider) => provider
                .provide_credentials()
                .await
                .map_err(no_credentials)?,
            None => return Err(not_configured("there are no credentials", CREDENTIALS)),
        };
        let found = SharedCredentialsProvider::new(found);
        Ok(config.into_builder().credentials_provider(found).build())
    }

    fn allowed<'a>(&self, url: &'a str) -> Result<&'a str, Failure> {
        address::server(url, self.allow_http)
            .map(|_| url)
            .map_err(|problem| {
                not_configured(
                    format!("the endpoint in AWS_ENDPOINT_URL, of all services or of this one, {problem}"),
                    "write it as https://HOST",
                )
            })
    }
}

const CREDENTIALS: &str = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or run where AWS gives a role (instance profile, ECS task role, IRSA, Pod Identity)";

/// The credentials that variables hold; half of them is an error.
fn credentials(env: &Environment) -> Result<Option<Credentials>, Failure> {
    let half = |there: &str, missing: &str| {
        not_configured(
            format!("{there} is set and {missing} is not"),
            "set both, or none",
        )
    };
    let (id, secret) = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY");
    match (set(env, &[id]), set(env, &[secret])) {
        (Some(id), Some(secret)) => {
            let token = set(env, &["AWS_SESSION_TOKEN"]).map(str::to_owned);
            Ok(Some(Credentials::new(id, secret, token, None, "atrest")))
        }
        (None, None) => Ok(None),
        (Some(_), None) => Err(half(id, secret)),
        (None, Some(_)) => Err(half(secret, id)),
    }
}

/// What the SDK says when it finds no credentials.
fn no_credentials(error: CredentialsError) -> Failure {
    let detail = format!("no credentials were found: {}", words::chain(&error));
    let refused = [
        "AccessDenied",
        "InvalidIdentityToken",
        "ExpiredToken",
        "InvalidClientTokenId",
    ];
    if refused.iter().any(|code| detail.contains(code)) {
        return Failure::new(
            RemoteProblem::Unauthenticated,
            detail,
            "check the role that is to be assumed and its trust policy",
        );
    }
    match error {
        CredentialsError::ProviderTimedOut(_) => {
            Failure::new(RemoteProblem::TimedOut, detail, CREDENTIALS)
        }
        CredentialsError::ProviderError(_) => {
            Failure::new(RemoteProblem::Failed, detail, CREDENTIALS)
        }
        _ => not_configured(detail, CREDENTIALS),
    }
}

fn not_configured(detail: impl Into<String>, next: &str) -> Failure {
    Failure::new(RemoteProblem::NotConfigured, detail, next)
}

/// The first of these variables that holds something.
fn set<'e>(env: &'e Environment, names: &[&str]) -> Option<&'e str> {
    names
        .iter()
        .filter_map(|name| env.get(name))
        .map(str::trim)
        .find(|value| !value.is_empty())
}

/// `arn:PARTITION:SERVICE:REGION:ACCOUNT:...` names a region.
fn region_of(place: &str) -> Option<&str> {
    place
        .strip_prefix("arn:")?
        .split(':')
        .nth(2)
        .filter(|region| !region.is_empty())
}
