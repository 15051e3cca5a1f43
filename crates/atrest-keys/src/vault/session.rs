//! Requests to Vault of whoever is logged in, and what its answers mean.

use std::time::Duration;

use bytes::Bytes;
use reqwest::header::HeaderValue;
use reqwest::{Certificate, Client, Method, Request, Url, redirect};
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::RemoteProblem;
use crate::remote::{Failure, address, words};

/// Far more than any secret of keys has, in bytes.
const LONGEST: usize = 1 << 20;
/// A standby server names the active one; that one answers.
const REDIRECTS: usize = 2;
/// How long the end of a session may take.
const FAREWELL: Duration = Duration::from_secs(1);

/// A client of one server, with a token once there is one.
pub(super) struct Session {
    http: Client,
    /// `https://host:8200/v1`
    base: Url,
    namespace: Option<HeaderValue>,
    token: Option<HeaderValue>,
    /// The token was made for this session.
    own: bool,
}

/// An answer that is no success.
pub(super) struct No {
    /// The HTTP status.
    pub(super) status: u16,
    /// The whole answer. Not shown: of a deleted secret it holds metadata.
    pub(super) text: Zeroizing<String>,
}

#[derive(Deserialize)]
struct Errors {
    #[serde(default)]
    errors: Vec<String>,
}

#[derive(Deserialize)]
struct Lookup {
    data: Policies,
}

#[derive(Deserialize)]
struct Policies {
    #[serde(default)]
    policies: Vec<String>,
}

impl Session {
    /// A client without a token; nothing is asked yet.
    pub(super) fn open(
        url: &str,
        namespace: Option<&str>,
        ca: Option<&str>,
        allow_http: bool,
    ) -> Result<Self, Failure> {
        let mut base = address::server(url, allow_http).map_err(|problem| {
            not_configured(
                format!("VAULT_ADDR {problem}"),
                "write the server's address, as https://vault.example:8200",
            )
        })?;
        let tls = base.scheme() == "https";
        if let Ok(mut path) = base.path_segments_mut() {
            path.pop_if_empty().push("v1");
        }
        // No way leads from https to http, also none that the server names.
        let mut http = Client::builder()
            .https_only(tls)
            .redirect(redirect::Policy::limited(REDIRECTS));
        match ca {
            _ if !tls => http = http.tls_certs_only([]),
            Some(path) => http = http.tls_certs_only(certificates(path)?),
            None => {}
        }
        let http = http.build().map_err(|error| {
            not_configured(
                words::chain(&error),
                "name a PEM file with the server's certificate authority in VAULT_CACERT",
            )
        })?;
        let namespace = namespace
            .map(|name| header(name, "the namespace"))
            .transpose()?;
        Ok(Self {
            http,
            base,
            namespace,
            token: None,
            own: false,
        })
    }

    /// With a token; `own`: it was made for this session.
    pub(super) fn with_token(mut self, token: &str, own: bool) -> Result<Self, Failure> {
        let mut token = header(token, "the token in VAULT_TOKEN")?;
        token.set_sensitive(true);
        (self.token, self.own) = (Some(token), own);
        Ok(self)
    }

    /// Reads. The outer error: there is no answer.
    pub(super) async fn get(
        &self,
        path: &[&str],
        version: Option<u64>,
    ) -> Result<Result<Zeroizing<String>, No>, Failure> {
        let mut url = self.url(path)?;
        if let Some(version) = version {
            url.query_pairs_mut()
                .append_pair("version", &version.to_string());
        }
        self.send(Request::new(Method::GET, url)).await
    }

    /// Writes a JSON object of strings. The outer error: there is no answer.
    pub(super) async fn post(
        &self,
        path: &[&str],
        members: &[(&str, &str)],
    ) -> Result<Result<Zeroizing<String>, No>, Failure> {
        let mut request = Request::new(Method::POST, self.url(path)?);
        // Wiped when the last part of it was sent.
        *request.body_mut() = Some(Bytes::from_owner(object(members)).into());
        self.send(request).await
    }

    /// Ends a session of its own, so that its token does not wait for its last day.
    /// Whoever may not do so, or not in time, has a token that expires.
    pub(super) async fn end(self) {
        if self.own {
            let revoke = self.post(&["auth", "token", "revoke-self"], &[]);
            let _expires_otherwise = tokio::time::timeout(FAREWELL, revoke).await;
        }
    }

    /// What a *403* means: a token that is not valid, or a policy that lacks a rule.
    /// `rule` is that rule; `also` a sentence for what else it may be, or nothing.
    pub(super) async fn denied(&self, no: &No, rule: &str, also: &str) -> Failure {
        let lookup = self.get(&["auth", "token", "lookup-self"], None).await;
        match lookup {
            Ok(Ok(text)) => {
                let policies = serde_json::from_str::<Lookup>(&text)
                    .map(|lookup| lookup.data.policies.join(", "))
                    .unwrap_or_default();
                Failure::new(
                    RemoteProblem::Denied,
                    format!(
                        "{}; the token has the policies {}",
                        no.said(),
                        words::line(&policies)
                    ),
                    format!("add to one of them: {rule}{also}"),
                )
            }
            Ok(Err(no)) if no.status == 403 => Failure::new(
                RemoteProblem::Unauthenticated,
                no.said(),
                format!(
                    "log in again, the token is not valid or has expired; if it is valid, its policy lacks: {rule}"
                ),
            ),
            _ => Failure::new(
                RemoteProblem::Denied,
                no.said(),
                format!("add to the token's policy: {rule}{also}"),
            ),
        }
    }

    fn url(&self, path: &[&str]) -> Result<Url, Failure> {
        let mut url = self.base.clone();
        if path
            .iter()
            .any(|part| part.is_empty() || matches!(*part, "." | ".."))
        {
            return Err(not_configured(
                "an empty part, `.` or `..` in a path of Vault",
                "write the path as `vault kv get -mount=MOUNT PATH` takes it",
            ));
        }
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.extend(path);
        }
        Ok(url)
    }

    async fn send(&self, mut request: Request) -> Result<Result<Zeroizing<String>, No>, Failure> {
        let headers = request.headers_mut();
        headers.insert("X-Vault-Request", HeaderValue::from_static("true"));
        if let Some(token) = &self.token {
            headers.insert("X-Vault-Token", token.clone());
        }
        if let Some(namespace) = &self.namespace {
            headers.insert("X-Vault-Namespace", namespace.clone());
        }
        let mut response = self.http.execute(request).await.map_err(broken)?;
        let status = response.status();
        let mut text = Zeroizing::new(Vec::with_capacity(
            LONGEST.min(
                response
                    .content_length()
                    .and_then(|n| usize::try_from(n).ok())
                    .unwrap_or(16 * 1024),
            ),
        ));
        while let Some(part) = response.chunk().await.map_err(broken)? {
            if text.len() + part.len() > LONGEST {
                return Err(Failure::new(
                    RemoteProblem::Format,
                    format!("the answer is longer than {LONGEST} bytes"),
                    "check that VAULT_ADDR is the address of Vault, and keep keys in a secret of their own",
                ));
            }
            text.extend_from_slice(&part);
        }
        let text = String::from_utf8(std::mem::take(&mut *text))
            .map(Zeroizing::new)
            .map_err(|_| {
                Failure::new(
                    RemoteProblem::Format,
                    "the answer is not text",
                    "check that VAULT_ADDR is the address of Vault",
                )
            })?;
        if status.is_success() {
            return Ok(Ok(text));
        }
        Ok(Err(No {
            status: status.as_u16(),
            text,
        }))
    }
}

impl No {
    /// The errors that the server names, or the status.
    pub(super) fn said(&self) -> String {
        let errors = serde_json::from_str::<Errors>(&self.text).map(|body| body.errors);
        match errors.unwrap_or_default().join("; ") {
            said if said.is_empty() => format!("HTTP status {}", self.status),
            said => words::line(&said),
        }
    }

    /// What the status alone says; `next` where it is the request that is wrong.
    pub(super) fn failure(&self, next: &str) -> Failure {
        let (problem, next) = match self.status {
            429 => (
                RemoteProblem::Throttled,
                "wait, or raise the rate limit quota of this path (`vault list sys/quotas/rate-limit`)",
            ),
            // 412: a standby that has not seen yet what was written.
            412 | 500.. => (
                RemoteProblem::Failed,
                "look at the server (`vault status`): it may be sealed, starting, or not initialized",
            ),
            401 | 403 => (RemoteProblem::Denied, next),
            404 => (RemoteProblem::NotFound, next),
            _ => (RemoteProblem::Refused, next),
        };
        Failure::new(problem, self.said(), next)
    }
}

/// A JSON object of strings, in a buffer that never grows.
fn object(members: &[(&str, &str)]) -> Zeroizing<Vec<u8>> {
    // A character of JSON has six at most: \u0000.
    let most: usize = members
        .iter()
        .map(|(name, value)| 6 * (name.len() + value.len()) + 6)
        .sum();
    let mut out = Zeroizing::new(Vec::with_capacity(most + 2));
    out.push(b'{');
    for (index, (name, value)) in members.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        // Neither can fail: a string into memory.
        let _never = serde_json::to_writer(&mut *out, name);
        out.push(b':');
        let _never = serde_json::to_writer(&mut *out, value);
    }
    out.push(b'}');
    out
}

fn header(text: &str, what: &str) -> Result<HeaderValue, Failure> {
    HeaderValue::from_str(text).map_err(|_| {
        not_configured(
            format!("{what} holds a character that none can have"),
            "copy it again",
        )
    })
}

fn certificates(path: &str) -> Result<Vec<Certificate>, Failure> {
    let next = "name a PEM file with the server's certificate authority in VAULT_CACERT";
    let problem = |detail: String| not_configured(format!("{path}: {detail}"), next);
    let pem = std::fs::read(path).map_err(|error| problem(words::chain(&error)))?;
    match Certificate::from_pem_bundle(&pem) {
        Ok(found) if found.is_empty() => Err(problem("holds no certificate".to_owned())),
        Ok(found) => Ok(found),
        Err(error) => Err(problem(words::chain(&error))),
    }
}

/// A connection that could not be had, or broke.
fn broken(error: reqwest::Error) -> Failure {
    let problem = if error.is_timeout() {
        RemoteProblem::TimedOut
    } else {
        RemoteProblem::Unreachable
    };
    let detail = words::chain(&error.without_url());
    let next = if detail.contains("certificate") {
        "name the certificate authority of the server in VAULT_CACERT, and check that VAULT_ADDR has the name of its certificate"
    } else {
        "check VAULT_ADDR, the network, and whether the server runs"
    };
    Failure::new(problem, detail, next)
}

fn not_configured(detail: impl Into<String>, next: &str) -> Failure {
    Failure::new(RemoteProblem::NotConfigured, detail, next)
}
