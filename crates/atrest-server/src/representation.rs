//! The headers of an object's answer.

use axum::http::{HeaderMap, HeaderValue, header};
use object_store::{Attribute, Attributes};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::condition::Version;
use crate::name::ClipName;

/// RFC 8187 `attr-char`: what stands as it is in `filename*`.
const NOT_ATTR: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'#')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b'-')
    .remove(b'.')
    .remove(b'^')
    .remove(b'_')
    .remove(b'`')
    .remove(b'|')
    .remove(b'~');

/// What a browser that opens an object itself may do with it: show it, and nothing
/// that the object asks for.
const SANDBOX: &str = "sandbox; default-src 'none'; img-src 'self'; media-src 'self'; \
                       style-src 'unsafe-inline'";

/// What distinguishes the object's state: also part of 304.
pub(crate) fn validators(version: &Version) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if let Some(etag) = version.etag.as_deref().and_then(|etag| etag.parse().ok()) {
        headers.insert(header::ETAG, etag);
    }
    if let Ok(date) = httpdate::fmt_http_date(version.modified).parse() {
        headers.insert(header::LAST_MODIFIED, date);
    }
    // Clear content is for who asked with a token; they ask again before they reuse it.
    let private = HeaderValue::from_static("private, no-cache");
    headers.insert(header::CACHE_CONTROL, private);
    headers
}

/// All headers of a whole object.
pub(crate) fn headers(name: &ClipName, version: &Version, attributes: &Attributes) -> HeaderMap {
    let mut headers = validators(version);
    let kind = content_type(name, attributes);
    headers.insert(header::CONTENT_DISPOSITION, disposition(name, &kind));
    headers.insert(header::CONTENT_TYPE, kind);
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    let nosniff = HeaderValue::from_static("nosniff");
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, nosniff);
    let sandbox = HeaderValue::from_static(SANDBOX);
    headers.insert(header::CONTENT_SECURITY_POLICY, sandbox);
    headers
}

/// As it was given when the object was put, else by the name's ending.
fn content_type(name: &ClipName, attributes: &Attributes) -> HeaderValue {
    let stored = attributes.get(&Attribute::ContentType);
    let stored = stored.and_then(|stored| stored.parse().ok());
    stored.unwrap_or_else(|| {
        let guess = mime_guess::from_path(name.file()).first_raw();
        HeaderValue::from_static(guess.unwrap_or("application/octet-stream"))
    })
}

/// Shown in place if it is a medium that carries no script, else saved.
fn disposition(name: &ClipName, kind: &HeaderValue) -> HeaderValue {
    let kind = kind.to_str().unwrap_or_default().to_ascii_lowercase();
    let medium = ["video/", "audio/", "image/", "text/plain"];
    let shown = medium.iter().any(|medium| kind.starts_with(medium)) && !kind.contains("svg");
    let how = if shown { "inline" } else { "attachment" };
    let file = utf8_percent_encode(name.file(), NOT_ATTR);
    // Percent-encoded: always a header's value.
    format!("{how}; filename*=UTF-8''{file}")
        .parse()
        .unwrap_or_else(|_| HeaderValue::from_static("attachment"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_carry_a_script_is_saved_and_names_do_not_break_out() {
        for (raw, kind, want) in [
            ("a.webm", "video/webm", "inline; filename*=UTF-8''a.webm"),
            (
                "x/b%22%3B.html",
                "text/html",
                "attachment; filename*=UTF-8''b%22%3B.html",
            ),
            (
                "c.svg",
                "image/svg+xml",
                "attachment; filename*=UTF-8''c.svg",
            ),
            (
                "T%C3%BCr",
                "application/octet-stream",
                "attachment; filename*=UTF-8''T%C3%BCr",
            ),
        ] {
            let name = ClipName::from_target(raw).unwrap();
            let headers = headers(&name, &VERSION, &Attributes::new());
            assert_eq!(headers["content-type"], kind);
            assert_eq!(headers["content-disposition"], want);
        }
    }

    const VERSION: Version = Version {
        etag: None,
        modified: std::time::SystemTime::UNIX_EPOCH,
    };
}
