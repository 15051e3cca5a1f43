//! Who asks Vault: a token, AppRole or a Kubernetes service account.

use std::path::PathBuf;

use serde::Deserialize;
use zeroize::Zeroizing;

use super::session::{No, Session};
use crate::remote::address::Address;
use crate::remote::{Failure, words};
use crate::{Environment, KeySourceError, RemoteProblem, Settings};

/// The parameters that say how to log in.
pub(super) const PARAMETERS: [&str; 6] =
    ["auth", "mount", "role", "jwt", "namespace", "allow-http"];

/// Where Kubernetes puts a pod's token.
const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";
/// Far more than any token has, in bytes.
const LONGEST_JWT: usize = 64 * 1024;

/// How to log in, as the URI says it.
#[derive(Debug)]
pub(super) struct Login {
    method: Method,
    namespace: Option<String>,
    allow_http: bool,
}

#[derive(Debug)]
enum Method {
    Token,
    AppRole {
        mount: String,
    },
    Kubernetes {
        mount: String,
        role: String,
        jwt: PathBuf,
    },
}

impl Login {
    /// Reads the parameters of a URI.
    pub(super) fn of(address: &Address, settings: &Settings) -> Result<Self, KeySourceError> {
        let mount = |usual: &str| {
            address
                .get("mount")
                .unwrap_or(usual)
                .trim_matches('/')
                .to_owned()
        };
        let only = |names: &[&str], method: &str| match names
            .iter()
            .find(|n| address.get(n).is_some())
        {
            Some(name) => Err(address.bad(format!("`{name}` means nothing with `auth={method}`"))),
            None => Ok(()),
        };
        let method = match address.get("auth").unwrap_or("token") {
            "token" => {
                only(&["mount", "role", "jwt"], "token")?;
                Method::Token
            }
            "approle" => {
                only(&["role", "jwt"], "approle")?;
                Method::AppRole {
                    mount: mount("approle"),
                }
            }
            "kubernetes" => Method::Kubernetes {
                mount: mount("kubernetes"),
                role: address
                    .get("role")
                    .ok_or_else(|| {
                        address.bad("`auth=kubernetes` needs `role=`, the name of a role there")
                    })?
                    .to_owned(),
                jwt: settings
                    .base_dir
                    .join(address.get("jwt").unwrap_or(SERVICE_ACCOUNT)),
            },
            _ => {
                return Err(address.bad("`auth` is none of token, approle, kubernetes"));
            }
        };
        Ok(Self {
            method,
            namespace: address.get("namespace").map(str::to_owned),
            allow_http: address.flag("allow-http")?,
        })
    }

    /// Logs in. A token that this made is for one piece of work: end the session.
    pub(super) async fn session(&self, env: &Environment) -> Result<Session, Failure> {
        let namespace = self
            .namespace
            .as_deref()
            .or_else(|| set(env, "VAULT_NAMESPACE"));
        let session = Session::open(
            needed(
                env,
                "VAULT_ADDR",
                "the server's address, as https://vault.example:8200",
            )?,
            namespace,
            set(env, "VAULT_CACERT"),
            self.allow_http,
        )?;
        match &self.method {
            Method::Token => {
                let token = needed(
                    env,
                    "VAULT_TOKEN",
                    "a token, or log in by `auth=approle` or `auth=kubernetes`",
                )?;
                session.with_token(token, false)
            }
            Method::AppRole { mount } => {
                let role = needed(
                    env,
                    "VAULT_ROLE_ID",
                    "the role's id (`vault read auth/approle/role/NAME/role-id`)",
                )?;
                let secret = needed(
                    env,
                    "VAULT_SECRET_ID",
                    "a secret id of the role (`vault write -f auth/approle/role/NAME/secret-id`)",
                )?;
                let body = [("role_id", role), ("secret_id", secret)];
                let advice = "check VAULT_ROLE_ID and VAULT_SECRET_ID: the secret id may have expired, be used up, or be bound to other addresses";
                log_in(session, mount, "approle", &body, advice).await
            }
            Method::Kubernetes { mount, role, jwt } => {
                let jwt = service_account(jwt)?;
                let body = [("role", role.as_str()), ("jwt", jwt.trim())];
                let advice = format!(
                    "check that the role {role} exists and is bound to this service account and its namespace (`vault read auth/{mount}/role/{role}`)"
                );
                log_in(session, mount, "kubernetes", &body, &advice).await
            }
        }
    }
}

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow)]
    auth: Option<Token<'a>>,
}

/// No token holds a character that JSON escapes, so that it is read where it lies.
#[derive(Deserialize)]
struct Token<'a> {
    client_token: &'a str,
}

async fn log_in(
    session: Session,
    mount: &str,
    method: &str,
    body: &[(&str, &str)],
    advice: &str,
) -> Result<Session, Failure> {
    let mut path = vec!["auth"];
    path.extend(mount.split('/'));
    path.push("login");
    let answer = match session.post(&path, body).await? {
        Ok(answer) => answer,
        Err(no) => return Err(refused(&no, mount, method, advice)),
    };
    let token = serde_json::from_str::<Answer<'_>>(&answer)
        .ok()
        .and_then(|answer| answer.auth)
        .map(|auth| auth.client_token)
        .filter(|token| !token.is_empty())
        .ok_or_else(|| {
            Failure::new(
                RemoteProblem::Unauthenticated,
                "the answer holds no token",
                "name a role that asks for no second factor",
            )
        })?;
    session.with_token(token, true)
}

fn refused(no: &No, mount: &str, method: &str, advice: &str) -> Failure {
    let next = match no.status {
        400 | 401 => advice.to_owned(),
        // Who has no token is told of a place that is not there in the same words.
        403 | 404 => format!(
            "check that {method} is enabled at auth/{mount} (`vault auth enable {method}`; `mount=` names another place); {advice}"
        ),
        _ => return no.failure(advice),
    };
    Failure::new(RemoteProblem::Unauthenticated, no.said(), next)
}

/// A pod's token, read anew each time: Kubernetes exchanges it every hour.
fn service_account(path: &PathBuf) -> Result<Zeroizing<String>, Failure> {
    let problem = |detail: String| {
        Failure::new(
            RemoteProblem::NotConfigured,
            format!("the service account's token {}: {detail}", path.display()),
            "mount a service account's token into the pod (`automountServiceAccountToken`), or name its file as `jwt=`",
        )
    };
    let text = std::fs::read_to_string(path)
        .map(Zeroizing::new)
        .map_err(|error| problem(words::chain(&error)))?;
    if text.len() > LONGEST_JWT || text.split('.').count() != 3 {
        return Err(problem("it holds no token".to_owned()));
    }
    Ok(text)
}

/// A variable's value, without what a copy leaves at its ends.
fn set<'e>(env: &'e Environment, name: &str) -> Option<&'e str> {
    env.get(name)
        .map(str::trim)
        .filter(|value| !value.is_empty())
}

fn needed<'e>(env: &'e Environment, name: &str, what: &str) -> Result<&'e str, Failure> {
    set(env, name).ok_or_else(|| {
        Failure::new(
            RemoteProblem::NotConfigured,
            format!("{name} is not set"),
            format!("put into it {what}, in the environment or in the .env file that `env_file` in [keys] names"),
        )
    })
}
