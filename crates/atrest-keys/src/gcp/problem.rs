//! What Google answers when it does not give what was asked for, as what one does about
//! it. Codes: google.rpc.Code and google.rpc.Status (AIP-193).

use reqwest::Response;
use serde::Deserialize;

use crate::RemoteProblem;
use crate::https::{chain, one_line};
use crate::remote::Failure;

/// What a request was for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    Secret,
    Encrypt,
    Decrypt,
}

#[derive(Debug, Default, Deserialize)]
struct Answer {
    #[serde(default)]
    error: Status,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Status {
    status: String,
    message: String,
    details: Vec<Detail>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Detail {
    reason: String,
}

/// No connection, or it broke.
pub(super) fn unreachable(error: &reqwest::Error) -> Failure {
    Failure::new(
        RemoteProblem::Unreachable,
        chain(error),
        "check the network and its proxy",
    )
}

/// An answer that is none.
pub(super) async fn refused(answer: Response, asked: Asked) -> Failure {
    let status = answer.status();
    let body = answer.bytes().await.unwrap_or_default();
    // A gateway between may answer in HTML; its status is all that counts then.
    let Answer { error } = serde_json::from_slice(&body).unwrap_or_default();
    let api_off = error.details.iter().any(|d| d.reason == "SERVICE_DISABLED");
    let (problem, next) = match (status.as_u16(), error.status.as_str()) {
        (429, _) => (
            RemoteProblem::Throttled,
            "wait, or ask for a higher quota in the console",
        ),
        (408 | 500.., _) => (
            RemoteProblem::Failed,
            "wait, and look at Google Cloud's status page",
        ),
        (401, _) => (
            RemoteProblem::Unauthenticated,
            "log in again: the token was refused; look at the clock too",
        ),
        (403, _) if api_off => (
            RemoteProblem::Refused,
            match asked {
                Asked::Secret => "type `gcloud services enable secretmanager.googleapis.com`",
                Asked::Encrypt | Asked::Decrypt => {
                    "type `gcloud services enable cloudkms.googleapis.com`"
                }
            },
        ),
        (403, _) => (
            RemoteProblem::Denied,
            match asked {
                Asked::Secret => {
                    "give the account roles/secretmanager.secretAccessor on this secret"
                }
                Asked::Encrypt | Asked::Decrypt => {
                    "give the account roles/cloudkms.cryptoKeyEncrypterDecrypter on this key"
                }
            },
        ),
        (404, _) => (
            RemoteProblem::NotFound,
            match asked {
                Asked::Secret => "check project, secret and version (`gcloud secrets list`)",
                Asked::Encrypt | Asked::Decrypt => {
                    "check project, location, key ring and key (`gcloud kms keys list`)"
                }
            },
        ),
        (_, "FAILED_PRECONDITION") => (
            RemoteProblem::Unusable,
            "enable the version, or make a new one; a key's purpose must be encryption (`gcloud \
             kms keys create --purpose=encryption`)",
        ),
        (400, _) if asked == Asked::Decrypt => (
            RemoteProblem::NotItsKey,
            "name the key that wrapped it, or put a backup of the keyring back",
        ),
        (400, _) if asked == Asked::Encrypt => (
            RemoteProblem::Format,
            "name a symmetric key (`gcloud kms keys create --purpose=encryption`)",
        ),
        _ => (RemoteProblem::Refused, "see what the answer says"),
    };
    let detail = if error.message.is_empty() {
        format!("status {}", status.as_u16())
    } else {
        one_line(&format!("{}: {}", error.status, error.message))
    };
    Failure::new(problem, detail, next)
}
