//! Who may do what.

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};

use crate::problem::Problem;
use crate::state::Shared;
use crate::token::Role;

impl Shared {
    /// Whether the request's bearer may do what needs `role`.
    pub(crate) fn allow(&self, headers: &HeaderMap, role: Role) -> Result<(), Problem> {
        let Some(tokens) = &self.tokens else {
            return Ok(());
        };
        let Some(token) = bearer(headers) else {
            let detail = "this needs a token; send it as `Authorization: Bearer TOKEN`";
            return Err(challenge(
                StatusCode::UNAUTHORIZED,
                detail,
                r#"Bearer realm="atrest""#,
            ));
        };
        match tokens.role(token) {
            Some(has) if has >= role => Ok(()),
            Some(_) => Err(challenge(
                StatusCode::FORBIDDEN,
                "this token does not allow it; use one with the role `write`",
                r#"Bearer realm="atrest", error="insufficient_scope", scope="write""#,
            )),
            None => Err(challenge(
                StatusCode::UNAUTHORIZED,
                "the token is not known here; ask who runs this server for one",
                r#"Bearer realm="atrest", error="invalid_token""#,
            )),
        }
    }
}

fn challenge(status: StatusCode, detail: &str, challenge: &'static str) -> Problem {
    Problem::new(status, detail).with(
        header::WWW_AUTHENTICATE,
        HeaderValue::from_static(challenge),
    )
}

/// The token of the one `Authorization: Bearer`.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (value, None) = (values.next()?.to_str().ok()?, values.next()) else {
        return None;
    };
    let (scheme, token) = value.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then_some(token.trim())
}
