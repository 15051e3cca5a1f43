//! What Key Vault and Entra ID answer when they do not give what was asked for, as what
//! one does about it. Status and codes: the Key Vault REST API's error codes.

use async_trait::async_trait;
use azure_core::error::{Error, ErrorKind, ErrorResponse};
use azure_core::http::{AsyncRawResponse, HttpClient, Request, StatusCode};

use crate::RemoteProblem;
use crate::https::{chain, one_line};
use crate::remote::Failure;

/// What to do about a login that is missing or refused.
pub(super) const LOG_IN: &str = "set AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET, give the machine or pod an \
     identity, or type `az login`";

/// What a request was for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    Login,
    Secret,
    Wrap,
    Unwrap,
}

/// The SDK's error as ours.
pub(super) fn failure(error: Error, asked: Asked) -> Failure {
    let login = matches!(error.kind(), ErrorKind::Credential);
    let garbled = matches!(error.kind(), ErrorKind::DataConversion);
    let status = status(&error);
    // A parser's words quote what it could not read, which may be the secret.
    let told = if garbled {
        "the answer is not what the API describes".to_owned()
    } else {
        chain(&error)
    };
    let detail = match ErrorResponse::try_from(error) {
        Ok(ErrorResponse {
            error: Some(detail),
        }) => {
            let inner = detail.inner_error.and_then(|inner| inner.code);
            let words = [detail.code, inner, detail.message];
            one_line(&words.into_iter().flatten().collect::<Vec<_>>().join(": "))
        }
        _ => told,
    };
    let unusable = ["disabled", "expired", "not yet valid"]
        .iter()
        .any(|word| detail.to_ascii_lowercase().contains(word));
    let (problem, next) = match status {
        None if login || asked == Asked::Login => (RemoteProblem::Unauthenticated, LOG_IN),
        None if garbled => (
            RemoteProblem::Failed,
            "if this stays, look for a proxy that changes answers",
        ),
        None => (
            RemoteProblem::Refused,
            "check that the address is a vault's, of the cloud that the login is for",
        ),
        Some(Told::Unreachable) => (
            RemoteProblem::Unreachable,
            "check the vault's name, the network and its proxy, and the vault's firewall or private endpoint",
        ),
        Some(Told::Status(429)) => (
            RemoteProblem::Throttled,
            "wait; Key Vault limits each vault's requests",
        ),
        Some(Told::Status(408 | 500..)) => (
            RemoteProblem::Failed,
            "wait, and look at Azure's status page",
        ),
        Some(Told::Status(_)) if login => (RemoteProblem::Unauthenticated, LOG_IN),
        Some(Told::Status(401)) => (
            RemoteProblem::Unauthenticated,
            "log in to the tenant that the vault belongs to",
        ),
        Some(Told::Status(403)) if unusable => (
            RemoteProblem::Unusable,
            "enable it, or make a new version that is valid now",
        ),
        Some(Told::Status(403)) => (RemoteProblem::Denied, permission(asked)),
        Some(Told::Status(404)) => (
            RemoteProblem::NotFound,
            "check vault, name and version (`az keyvault secret list`, `az keyvault key list`); one that was deleted can be recovered",
        ),
        Some(Told::Status(400)) if asked == Asked::Unwrap => (
            RemoteProblem::NotItsKey,
            "name the key that wrapped it, or put a backup of the keyring back",
        ),
        Some(Told::Status(400)) if asked == Asked::Wrap => (
            RemoteProblem::Format,
            "make an RSA key: `az keyvault key create --kty RSA --size 3072 --ops wrapKey unwrapKey`",
        ),
        Some(Told::Status(_)) => (RemoteProblem::Refused, "see what the answer says"),
    };
    Failure::new(problem, detail, next)
}

fn permission(asked: Asked) -> &'static str {
    match asked {
        Asked::Wrap | Asked::Unwrap => {
            "give the identity the role `Key Vault Crypto Service Encryption User` on this key \
             (in a vault with access policies: the key permissions wrapKey and unwrapKey), and let \
             the vault's firewall pass it"
        }
        Asked::Secret | Asked::Login => {
            "give the identity the role `Key Vault Secrets User` on this secret (in a vault with \
             access policies: the secret permission get), and let the vault's firewall pass it"
        }
    }
}

enum Told {
    Status(u16),
    Unreachable,
}

/// The status in an error or in what is behind it: one about a login wraps Entra ID's.
fn status(error: &Error) -> Option<Told> {
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = next {
        match error.downcast_ref::<Error>().map(Error::kind) {
            Some(ErrorKind::HttpResponse { status, .. }) => {
                return Some(Told::Status(u16::from(*status)));
            }
            Some(ErrorKind::Connection | ErrorKind::Io)
                if error
                    .source()
                    .is_some_and(|source| source.is::<reqwest::Error>()) =>
            {
                return Some(Told::Unreachable);
            }
            _ => next = error.source(),
        }
    }
    None
}

/// The client, with an error in place of an answer that says *later*. The SDK's logins
/// read each answer as JSON and forget its status when it is none, as a gateway's is not;
/// a server that fails would be taken for one that refuses.
#[derive(Debug)]
pub(super) struct Watched(pub(super) reqwest::Client);

#[async_trait]
impl HttpClient for Watched {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        let answer = self.0.execute_request(request).await?;
        let status = answer.status();
        if status.is_server_error() || status == StatusCode::TooManyRequests {
            let kind = ErrorKind::HttpResponse {
                status,
                error_code: None,
                raw_response: Some(Box::new(answer.try_into_raw_response().await?)),
            };
            return Err(Error::with_message(
                kind,
                format!("status {}", u16::from(status)),
            ));
        }
        Ok(answer)
    }
}
