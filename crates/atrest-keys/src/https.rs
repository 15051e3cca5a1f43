//! The HTTPS client of sources whose SDK takes one: aws-lc-rs under rustls, with what
//! [`Environment`] says of proxies and trusted authorities.
//!
//! | variable | |
//! |---|---|
//! | `SSL_CERT_FILE` | a PEM file of authorities, trusted in place of the system's |
//! | `HTTPS_PROXY`, `https_proxy`, `ALL_PROXY`, `all_proxy` | the proxy for HTTPS, the first that is set |
//! | `NO_PROXY`, `no_proxy` | hosts that are asked without it |

use reqwest::{Certificate, Client, NoProxy, Proxy, redirect};

use crate::remote::Failure;
use crate::{Environment, RemoteProblem};

/// A client for one request: pools live as long as the runtime they are made on.
///
/// # Errors
/// [`RemoteProblem::Refused`] when a variable names no usable proxy or authorities.
pub(crate) fn client(env: &Environment) -> Result<Client, Failure> {
    let mut builder = Client::builder()
        .user_agent(concat!("atrest/", env!("CARGO_PKG_VERSION")))
        .redirect(redirect::Policy::none())
        .no_proxy();
    if let Some((name, proxy)) = first(
        env,
        &["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"],
    ) {
        // The variable may hold a password: only its name is shown.
        let proxy = Proxy::https(proxy).map_err(|_| {
            bad(
                env,
                name,
                "is not the address of a proxy",
                "write http://HOST:PORT",
            )
        })?;
        let direct = first(env, &["NO_PROXY", "no_proxy"])
            .and_then(|(_, hosts)| NoProxy::from_string(hosts));
        builder = builder.proxy(proxy.no_proxy(direct));
    }
    if let Some((name, path)) = first(env, &["SSL_CERT_FILE"]) {
        let next = "name a readable PEM file of certificates, or unset it";
        let pem =
            std::fs::read(path).map_err(|error| bad(env, name, &format!("({error})"), next))?;
        let authorities = Certificate::from_pem_bundle(&pem)
            .ok()
            .filter(|authorities| !authorities.is_empty())
            .ok_or_else(|| bad(env, name, "holds no certificate", next))?;
        builder = builder.tls_certs_only(authorities);
    }
    builder.build().map_err(|error| {
        Failure::new(
            RemoteProblem::Refused,
            format!("no HTTPS client: {}", chain(&error)),
            "check SSL_CERT_FILE and the system's trusted authorities (package ca-certificates)",
        )
    })
}

/// An error with what is behind it, on one line and not too long: what a server sent may
/// be in it.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        next = error.source();
    }
    one_line(&text)
}

/// The first words of a text, on one line.
pub(crate) fn one_line(text: &str) -> String {
    const MOST: usize = 400;
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let printable = line.chars().filter(|c| !c.is_control());
    if line.chars().count() <= MOST {
        return printable.collect();
    }
    printable.take(MOST).chain("...".chars()).collect()
}

fn first<'a>(env: &'a Environment, names: &[&'a str]) -> Option<(&'a str, &'a str)> {
    names
        .iter()
        .find_map(|name| Some((*name, env.get(name).filter(|value| !value.is_empty())?)))
}

fn bad(env: &Environment, name: &str, problem: &str, next: &str) -> Failure {
    Failure::new(
        RemoteProblem::Refused,
        format!("{} {problem}", env.describe(name)),
        next,
    )
}
