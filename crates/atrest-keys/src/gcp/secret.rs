//! `gcp-secret:projects/P/secrets/S[/versions/V]`: a secret of Google Secret Manager that
//! holds a key, or a list of keys. REST: `GET /v1/{version}:access`. A regional secret has
//! `locations/L/` before `secrets`, and its region's own host.

use serde::Deserialize;
use zeroize::Zeroizing;

use super::problem::Asked;
use super::{Call, decode, is_id, is_project};
use crate::remote::{Deliver, Failure};
use crate::source::may_be_a_key;
use crate::{Environment, KeySourceError, RemoteProblem};

const SCHEME: &str = "gcp-secret";

/// A version of a secret of Secret Manager.
#[derive(Debug)]
pub(crate) struct Secret {
    /// The whole URI, for messages.
    uri: String,
    /// The host before `.googleapis.com`.
    service: String,
    /// `projects/P/secrets/S/versions/V:access`.
    path: String,
}

/// `AccessSecretVersionResponse`.
#[derive(Deserialize)]
struct Accessed {
    payload: Payload,
}

/// `SecretPayload`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Payload {
    #[serde(default)]
    data: Zeroizing<String>,
    data_crc32c: Option<String>,
}

impl Secret {
    /// Reads what stands after `gcp-secret:`.
    ///
    /// # Errors
    /// [`KeySourceError::BadUri`].
    pub(crate) fn parse(rest: &str) -> Result<Self, KeySourceError> {
        let parts: Vec<_> = rest.split('/').collect();
        if parts.iter().any(|part| may_be_a_key(part)) || may_be_a_key(rest) {
            return Err(bad("a key is written where its place should be named"));
        }
        if rest.contains('?') {
            return Err(bad("there is a parameter, and it takes none"));
        }
        let (project, location, secret, version) = match parts.as_slice() {
            ["projects", p, "secrets", s] => (p, None, s, "latest"),
            ["projects", p, "secrets", s, "versions", v] => (p, None, s, *v),
            ["projects", p, "locations", l, "secrets", s] => (p, Some(*l), s, "latest"),
            ["projects", p, "locations", l, "secrets", s, "versions", v] => (p, Some(*l), s, *v),
            _ => return Err(bad("it is not a secret's full name")),
        };
        let ids = [location.unwrap_or("global"), *secret, version];
        if !is_project(project) || !ids.into_iter().all(is_id) {
            return Err(bad("a part of the name has a character that no name has"));
        }
        let versioned = if rest.contains("/versions/") {
            rest.to_owned()
        } else {
            format!("{rest}/versions/latest")
        };
        Ok(Self {
            uri: format!("{SCHEME}:{rest}"),
            service: location.map_or("secretmanager".to_owned(), |location| {
                format!("secretmanager.{location}.rep")
            }),
            path: format!("{versioned}:access"),
        })
    }
}

impl Deliver for Secret {
    fn name(&self) -> &str {
        &self.uri
    }

    async fn deliver(&self, env: &Environment) -> Result<Zeroizing<String>, Failure> {
        let call = Call {
            asked: Asked::Secret,
            service: &self.service,
            path: &self.path,
            body: None,
        };
        let Accessed { payload } = call.send(env).await?;
        let mut bytes = decode(&payload.data, payload.data_crc32c.as_deref())?;
        String::from_utf8(std::mem::take(&mut *bytes))
            .map(Zeroizing::new)
            .map_err(|error| {
                drop(Zeroizing::new(error.into_bytes()));
                Failure::new(
                    RemoteProblem::Format,
                    "the secret is not text",
                    "put a key there as `atrest key generate` prints it",
                )
            })
    }
}

fn bad(problem: &str) -> KeySourceError {
    KeySourceError::BadUri {
        scheme: SCHEME,
        problem: problem.to_owned(),
        next:
            "write gcp-secret:projects/PROJECT/secrets/SECRET, and /versions/VERSION for another \
               than the newest; locations/REGION/ stands before secrets/ for a regional one"
                .to_owned(),
    }
}
