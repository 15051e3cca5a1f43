//! Google Cloud: what `gcp-secret:` and `gcp-kms:` share, which is names, the login, the
//! requests, checksums and errors.
//!
//! The two services' own crates bring gRPC, protocol buffers and OpenTelemetry for three
//! requests of JSON; only the login (`google-cloud-auth`) is Google's here. REST: the
//! discovery documents of `secretmanager` and `cloudkms`, version v1.

mod kms;
mod login;
mod problem;
mod secret;
#[cfg(test)]
mod tests;

use base64_simd::STANDARD as BASE64;
use crc::{CRC_32_ISCSI, Crc};
use reqwest::Response;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use crate::remote::Failure;
use crate::{Environment, RemoteProblem, https};

pub(crate) use kms::Kms;
pub(crate) use secret::Secret;

use problem::Asked;

/// CRC32C, as Google checks what it sends and gets.
const CRC32C: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);

/// A request: a body makes it a POST.
struct Call<'a> {
    asked: Asked,
    /// `cloudkms` of `cloudkms.googleapis.com`.
    service: &'a str,
    /// After `/v1/`; of characters that need no escape.
    path: &'a str,
    body: Option<Zeroizing<Vec<u8>>>,
}

impl Call<'_> {
    /// The answer's JSON.
    async fn send<T: DeserializeOwned>(self, env: &Environment) -> Result<T, Failure> {
        let login = login::find(env).await?;
        let url = format!(
            "https://{}.{}/v1/{}",
            self.service, login.universe, self.path
        );
        let client = https::client(env)?;
        let request = match &self.body {
            None => client.get(url),
            Some(body) => client
                .post(url)
                .header("content-type", "application/json")
                .body(body.to_vec()),
        };
        let answer = request
            .headers(login.headers)
            .send()
            .await
            .map_err(|error| problem::unreachable(&error))?;
        if !answer.status().is_success() {
            return Err(problem::refused(answer, self.asked).await);
        }
        json(answer).await
    }
}

async fn json<T: DeserializeOwned>(answer: Response) -> Result<T, Failure> {
    let bytes = answer
        .bytes()
        .await
        .map_err(|error| problem::unreachable(&error))?;
    // The parser's own words could quote what it read.
    serde_json::from_slice(&bytes).map_err(|_| garbled("the answer is not what the API describes"))
}

/// Bytes with their CRC32C, both as the JSON of Google's APIs has them.
fn decode(data: &str, checksum: Option<&str>) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let bytes = BASE64
        .decode_to_vec(data)
        .map(Zeroizing::new)
        .map_err(|_| garbled("the answer's data is not base64"))?;
    match checksum {
        Some(sum) if sum == crc32c(&bytes) => Ok(bytes),
        Some(_) => Err(garbled("the answer's data does not match its CRC32C")),
        None => Err(garbled("the answer has no CRC32C")),
    }
}

/// A CRC32C as JSON has an int64: decimal, in a string.
fn crc32c(bytes: &[u8]) -> String {
    CRC32C.checksum(bytes).to_string()
}

/// What came is not what was sent: asking again may help.
fn garbled(detail: &str) -> Failure {
    Failure::new(
        RemoteProblem::Failed,
        detail,
        "if this stays, look for a proxy that changes answers",
    )
}

/// Google's ids of secrets, versions, locations, key rings and keys.
fn is_id(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    (1..=255).contains(&text.len()) && text.bytes().all(allowed)
}

/// A project's id or number; an old one has its domain before a colon.
fn is_project(text: &str) -> bool {
    let (domain, id) = text.split_once(':').unwrap_or(("domain", text));
    is_id(id) && domain.split('.').all(is_id)
}
