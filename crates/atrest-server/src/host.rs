//! For which host a request is meant (RFC 9112 section 3.2).

use std::net::IpAddr;

use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{StatusCode, Version, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use crate::problem::Problem;
use crate::state::App;

/// Refuses a request of HTTP/1.1 that does not name one host, and, where no token is
/// asked for, one for another host than this machine: a page of somebody else's whose
/// name was made to lead here (DNS rebinding) is not to read and write what is here.
pub(crate) async fn host(State(app): App, request: Request, next: Next) -> Response {
    match check(&request, app.tokens.is_none()) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

fn check(request: &Request, only_here: bool) -> Result<(), Problem> {
    let mut said = request.headers().get_all(header::HOST).iter();
    let (first, second) = (said.next(), said.next());
    if second.is_some() || (first.is_none() && request.version() == Version::HTTP_11) {
        return Err(Problem::bad_request(
            "a request names its host once; send one Host header",
        ));
    }
    if !only_here {
        return Ok(());
    }
    // Both, where there are both: a client that says two things is let in by neither.
    let in_target = request.uri().authority().cloned();
    let in_header = first.map(|host| host.as_bytes().try_into().ok());
    let mut named = in_target.map(Some).into_iter().chain(in_header).peekable();
    let here = named.peek().is_some()
        && named.all(|host: Option<Authority>| host.is_some_and(|host| is_here(&host)));
    if here {
        return Ok(());
    }
    let detail = "without tokens (--no-auth) requests are answered for localhost, 127.0.0.1 and \
                  [::1] only; ask for one of these, or configure tokens";
    Err(Problem::new(StatusCode::MISDIRECTED_REQUEST, detail))
}

/// Whether it is a name or an address of loopback, with any port.
fn is_here(host: &Authority) -> bool {
    if host.as_str().contains('@') {
        return false;
    }
    let host = host.host();
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || address
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_is_here() {
        for host in [
            "localhost",
            "LocalHost:80",
            "127.0.0.1",
            "127.8.9.1:1",
            "[::1]",
            "[::1]:8080",
        ] {
            assert!(is_here(&host.parse().unwrap()), "{host}");
        }
        for host in [
            "x",
            "localhost.evil.example",
            "evil.example:8080",
            "127.0.0.1.nip.io",
            "0.0.0.0",
            "192.168.0.1",
            "[::]",
            "[::2]:80",
            "localhost@evil.example",
            "evil@localhost",
        ] {
            assert!(!is_here(&host.parse().unwrap()), "{host}");
        }
    }
}
