//! What an error of an AWS service means.

use aws_sdk_ssm::config::http::HttpResponse;
use aws_sdk_ssm::error::{ProvideErrorMetadata, SdkError};

use crate::RemoteProblem;
use crate::remote::{Failure, words};

/// What to do about it, where that is not the same for all services.
pub(super) struct Advice {
    /// The statement of an IAM policy that is missing.
    pub(super) permission: String,
    /// How to make what does not exist.
    pub(super) make: String,
}

const NETWORK: &str = "check the region, the endpoint and the network (a VPC without a way out needs an endpoint of the service)";
const WAIT: &str =
    "wait; if it goes on, look at AWS's health dashboard and at the account's quotas";
const LOGIN: &str =
    "check the credentials: they are not valid or have expired, or this machine's clock is wrong";

/// An SDK's error as ours.
pub(super) fn failure<E>(error: SdkError<E, HttpResponse>, advice: &Advice) -> Failure
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    let status = error.raw_response().map(|answer| answer.status().as_u16());
    match &error {
        SdkError::ServiceError(service) => refused(service.err(), status.unwrap_or(0), advice),
        SdkError::TimeoutError(_) => {
            Failure::new(RemoteProblem::TimedOut, words::chain(&error), NETWORK)
        }
        SdkError::DispatchFailure(dispatch) if dispatch.is_timeout() => {
            Failure::new(RemoteProblem::TimedOut, words::chain(&error), NETWORK)
        }
        SdkError::DispatchFailure(_) => {
            Failure::new(RemoteProblem::Unreachable, words::chain(&error), NETWORK)
        }
        SdkError::ResponseError(_) => {
            let detail = match status {
                Some(status) => format!("HTTP status {status}, {}", words::chain(&error)),
                None => words::chain(&error),
            };
            Failure::new(RemoteProblem::Failed, detail, WAIT)
        }
        _ => Failure::new(
            RemoteProblem::NotConfigured,
            words::chain(&error),
            "check the region and the endpoint",
        ),
    }
}

fn refused(error: &impl ProvideErrorMetadata, status: u16, advice: &Advice) -> Failure {
    use RemoteProblem as P;
    let code = error.code().unwrap_or_default();
    // "com.amazonaws.kms#AccessDeniedException" in some answers.
    let code = code.rsplit('#').next().unwrap_or(code);
    let (problem, next) = match code {
        "AccessDeniedException"
        | "AccessDenied"
        | "UnauthorizedOperation"
        | "InvalidKeyId"
        | "DecryptionFailure" => (P::Denied, advice.permission.as_str()),
        "UnrecognizedClientException"
        | "InvalidClientTokenId"
        | "InvalidSignatureException"
        | "SignatureDoesNotMatch"
        | "IncompleteSignature"
        | "IncompleteSignatureException"
        | "MissingAuthenticationToken"
        | "MissingAuthenticationTokenException"
        | "ExpiredToken"
        | "ExpiredTokenException"
        | "NotAuthorized"
        | "OptInRequired" => (P::Unauthenticated, LOGIN),
        "ThrottlingException"
        | "Throttling"
        | "TooManyRequestsException"
        | "RequestLimitExceeded"
        | "LimitExceededException" => (P::Throttled, WAIT),
        "ParameterNotFound"
        | "ParameterVersionNotFound"
        | "ResourceNotFoundException"
        | "NotFoundException" => (P::NotFound, advice.make.as_str()),
        "DisabledException" => (
            P::Unusable,
            "enable the key again: `aws kms enable-key --key-id KEY`",
        ),
        "KMSInvalidStateException" => (
            P::Unusable,
            "look at the key's state (`aws kms describe-key --key-id KEY`): `aws kms cancel-key-deletion` and `enable-key` bring back one that waits for its deletion",
        ),
        // Of a secret that waits for its deletion.
        "InvalidRequestException" => (
            P::Unusable,
            "`aws secretsmanager restore-secret --secret-id NAME` brings back a secret that waits for its deletion",
        ),
        "InvalidKeyUsageException" => (
            P::Format,
            "name a symmetric key: `aws kms create-key` makes one (SYMMETRIC_DEFAULT, ENCRYPT_DECRYPT)",
        ),
        "InvalidCiphertextException" | "IncorrectKeyException" => (
            P::NotItsKey,
            "it was wrapped by another key or for another place, or was changed: name the key that wrapped it, or put a backup of the keyring back",
        ),
        "KeyUnavailableException"
        | "DependencyTimeoutException"
        | "KMSInternalException"
        | "InternalServerError"
        | "InternalServiceError"
        | "InternalServiceErrorException"
        | "InternalFailure"
        | "ServiceUnavailable"
        | "ServiceUnavailableException" => (P::Failed, WAIT),
        _ if status == 429 => (P::Throttled, WAIT),
        _ if status >= 500 => (P::Failed, WAIT),
        _ if status == 401 || status == 403 => (P::Denied, advice.permission.as_str()),
        _ => (
            P::Refused,
            "check how the source is written, and AWS's own words",
        ),
    };
    Failure::new(problem, said(code, error.message(), status), next)
}

fn said(code: &str, message: Option<&str>, status: u16) -> String {
    match (code, message) {
        ("", None) => format!("HTTP status {status}"),
        ("", Some(message)) => words::line(message),
        (code, None) => words::line(code),
        (code, Some(message)) => words::line(&format!("{code}: {message}")),
    }
}
