//! Azure Key Vault: what `azure-secret:` and `azure-key:` share, which is the vault, the
//! login and the errors.

mod credential;
mod key;
mod problem;
mod secret;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use azure_core::cloud::{CloudConfiguration, CustomConfiguration};
use azure_core::http::{ClientOptions, RetryOptions, Transport};

use crate::remote::Failure;
use crate::source::may_be_a_key;
use crate::{Environment, KeySourceError, https};

pub(crate) use key::Key;
pub(crate) use secret::Secret;

/// What a URI names: `VAULT/NAME[?version=VERSION]`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Item {
    /// The whole URI, for messages.
    uri: String,
    /// `https://HOST[:PORT]`.
    vault: String,
    /// The secret's or key's name.
    name: String,
    /// 32 hex digits; the newest where there is none.
    version: Option<String>,
}

impl Item {
    /// Reads what stands after the scheme.
    ///
    /// VAULT is a vault's name, or `https://HOST` of one in another cloud than Azure's
    /// public one. A host that is no vault gets no token that a vault takes: the
    /// audience of the token is the one that the host's challenge names, the SDK demands
    /// that the host lies in that audience's domain, and it is sent over TLS only.
    fn parse(scheme: &'static str, rest: &str) -> Result<Self, KeySourceError> {
        let bad = |problem: &str| KeySourceError::BadUri {
            scheme,
            problem: problem.to_owned(),
            next: format!(
                "write {scheme}:VAULT/NAME, or {scheme}:https://HOST/NAME for a vault in another \
                 cloud; ?version=VERSION may follow"
            ),
        };
        if may_be_a_key(rest) {
            return Err(bad("a key is written where its place should be named"));
        }
        let (path, query) = match rest.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (rest, None),
        };
        let (vault, name) = match path.strip_prefix("https://") {
            Some(path) => {
                let (host, name) = path
                    .split_once('/')
                    .ok_or_else(|| bad("no name follows the vault"))?;
                if !is_host(host) {
                    return Err(bad("what follows https:// is not a host"));
                }
                (format!("https://{host}"), name)
            }
            None if path.contains("://") => {
                return Err(bad("a vault's address begins with https://"));
            }
            None => {
                let (vault, name) = path
                    .split_once('/')
                    .ok_or_else(|| bad("no name follows the vault"))?;
                if !is_name(vault, 3..=24) {
                    return Err(bad(
                        "a vault's name has 3 to 24 letters, digits and hyphens",
                    ));
                }
                (format!("https://{vault}.vault.azure.net"), name)
            }
        };
        if may_be_a_key(name) {
            return Err(bad("a key is written where its name should be"));
        }
        if !is_name(name, 1..=127) {
            return Err(bad(
                "a secret's or key's name has 1 to 127 letters, digits and hyphens",
            ));
        }
        let mut version = None;
        for parameter in query.unwrap_or_default().split('&') {
            match parameter.split_once('=') {
                _ if parameter.is_empty() => {}
                Some(("version", value)) if version.is_some() || !is_version(value) => {
                    return Err(bad("`version` is one version's 32 hex digits"));
                }
                Some(("version", value)) => version = Some(value.to_owned()),
                _ => {
                    return Err(bad(
                        "there is a parameter that is not `version`, the only one",
                    ));
                }
            }
        }
        Ok(Self {
            uri: format!("{scheme}:{rest}"),
            vault,
            name: name.to_owned(),
            version,
        })
    }

    fn uri(&self) -> &str {
        &self.uri
    }

    /// The SDK's options: our client, one attempt (ours are around it), and the cloud
    /// whose login the vault believes.
    fn options(&self, env: &Environment) -> Result<ClientOptions, Failure> {
        Ok(ClientOptions {
            transport: Some(Transport::new(Arc::new(problem::Watched(https::client(
                env,
            )?)))),
            retry: RetryOptions::none(),
            cloud: Some(Arc::new(self.cloud(env))),
            ..ClientOptions::default()
        })
    }

    fn cloud(&self, env: &Environment) -> CloudConfiguration {
        let host = self.vault.split(':').nth(1).unwrap_or_default();
        let within = |domains: &[&str]| domains.iter().any(|domain| host.ends_with(domain));
        if let Some(authority) = env.get("AZURE_AUTHORITY_HOST") {
            let mut custom = CustomConfiguration::default();
            custom.authority_host = authority.to_owned();
            custom.into()
        } else if within(&[".vault.usgovcloudapi.net", ".managedhsm.usgovcloudapi.net"]) {
            CloudConfiguration::AzureGovernment
        } else if within(&[".vault.azure.cn", ".managedhsm.azure.cn"]) {
            CloudConfiguration::AzureChina
        } else {
            CloudConfiguration::AzurePublic
        }
    }
}

fn is_name(text: &str, lengths: std::ops::RangeInclusive<usize>) -> bool {
    lengths.contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

/// A host's name with a dot, and perhaps a port.
fn is_host(text: &str) -> bool {
    let (host, port) = text.split_once(':').unwrap_or((text, "443"));
    host.contains('.')
        && host
            .split('.')
            .all(|label| is_name(label, 1..=63) && !label.starts_with('-'))
        && port.parse::<u16>().is_ok()
}

fn is_version(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit())
}
