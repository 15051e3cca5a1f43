//! Conditional requests, as RFC 9110 section 13 has them.

use std::time::{Duration, SystemTime};

use axum::http::{HeaderMap, HeaderName, header};
use object_store::ObjectMeta;

/// What distinguishes one state of an object from another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Version {
    /// An entity tag with its quotes, where the store gives one.
    pub(crate) etag: Option<String>,
    /// When it changed, to the second as HTTP has it.
    pub(crate) modified: SystemTime,
}

/// What the conditions of a request come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Do what is asked.
    Go,
    /// 304.
    NotModified,
    /// 412.
    Failed,
}

impl Version {
    pub(crate) fn of(meta: &ObjectMeta) -> Self {
        let modified = SystemTime::from(meta.last_modified);
        let seconds = modified.duration_since(SystemTime::UNIX_EPOCH);
        let seconds = seconds.unwrap_or_default().as_secs();
        Self {
            etag: meta.e_tag.as_deref().map(quoted),
            modified: SystemTime::UNIX_EPOCH + Duration::from_secs(seconds),
        }
    }

    /// Of what is there, but does not say which it is: no entity tag is its own, and
    /// it may have changed just now.
    pub(crate) fn unknown() -> Self {
        Self {
            etag: None,
            modified: SystemTime::now(),
        }
    }

    fn is(&self, listed: &str) -> bool {
        self.etag.as_deref() == Some(listed) && !listed.starts_with("W/")
    }

    fn is_like(&self, listed: &str) -> bool {
        let plain = |tag: &str| tag.strip_prefix("W/").unwrap_or(tag).to_owned();
        self.etag.as_deref().map(plain) == Some(plain(listed))
    }
}

/// An entity tag as HTTP writes it: some stores leave its quotes out.
pub(crate) fn quoted(etag: &str) -> String {
    if etag.ends_with('"') {
        etag.to_owned()
    } else {
        format!("\"{etag}\"")
    }
}

/// Whether a request has a condition that only changes care for.
pub(crate) fn is_conditional(headers: &HeaderMap) -> bool {
    [
        header::IF_MATCH,
        header::IF_NONE_MATCH,
        header::IF_UNMODIFIED_SINCE,
    ]
    .iter()
    .any(|name| headers.contains_key(name))
}

/// Evaluates the conditions in the RFC's order (13.2.2). `reading` is GET or HEAD;
/// `now` is what the object is, if there is one.
pub(crate) fn verdict(headers: &HeaderMap, now: Option<&Version>, reading: bool) -> Verdict {
    if headers.contains_key(header::IF_MATCH) {
        let holds = |tags: &[String]| {
            now.is_some_and(|now| tags.iter().any(|tag| tag == "*" || now.is(tag)))
        };
        if !holds(&tags(headers, &header::IF_MATCH)) {
            return Verdict::Failed;
        }
    } else if let Some(since) = date(headers, &header::IF_UNMODIFIED_SINCE)
        && now.is_none_or(|now| now.modified > since)
    {
        return Verdict::Failed;
    }
    let (Some(now), not) = (
        now,
        if reading {
            Verdict::NotModified
        } else {
            Verdict::Failed
        },
    ) else {
        return Verdict::Go;
    };
    if headers.contains_key(header::IF_NONE_MATCH) {
        let tags = tags(headers, &header::IF_NONE_MATCH);
        if tags.iter().any(|tag| tag == "*" || now.is_like(tag)) {
            return not;
        }
    } else if reading
        && let Some(since) = date(headers, &header::IF_MODIFIED_SINCE)
        && now.modified <= since
    {
        return Verdict::NotModified;
    }
    Verdict::Go
}

/// Whether `Range` counts: there is no `If-Range`, or it holds (13.1.5).
pub(crate) fn range_counts(headers: &HeaderMap, now: &Version, clock: SystemTime) -> bool {
    let Some(value) = headers.get(header::IF_RANGE) else {
        return true;
    };
    let Ok(value) = value.to_str() else {
        return false;
    };
    if value.contains('"') {
        return now.is(value.trim());
    }
    // A date is a strong validator only once its second has passed (8.8.2.2).
    let settled = now.modified + Duration::from_secs(1) < clock;
    settled && httpdate::parse_http_date(value).is_ok_and(|date| date == now.modified)
}

fn date(headers: &HeaderMap, name: &HeaderName) -> Option<SystemTime> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    if values.next().is_some() {
        return None;
    }
    httpdate::parse_http_date(value.to_str().ok()?).ok()
}

/// The entity tags of a list, with their quotes; `*` as it is. What is not an entity
/// tag matches none and is left out.
fn tags(headers: &HeaderMap, name: &HeaderName) -> Vec<String> {
    let mut found = Vec::new();
    for value in headers.get_all(name) {
        let Ok(mut rest) = value.to_str() else {
            continue;
        };
        loop {
            rest = rest.trim_start_matches([' ', '\t', ',']);
            let weak = if rest.starts_with("W/\"") { 2 } else { 0 };
            let Some(after) = rest[weak..].strip_prefix('"') else {
                if rest.trim() == "*" {
                    found.push("*".to_owned());
                }
                break;
            };
            let Some(end) = after.find('"') else { break };
            let whole = weak + end + 2;
            found.push(rest[..whole].to_owned());
            rest = &rest[whole..];
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_entity_tags_are_read_as_they_are_written() {
        let mut headers = HeaderMap::new();
        let name = header::IF_NONE_MATCH;
        for value in ["\"a,b\", W/\"c\" ,\"\"", "\"d\"", "junk", "\"open", "*"] {
            headers.append(&name, value.parse().unwrap());
        }
        let want = ["\"a,b\"", "W/\"c\"", "\"\"", "\"d\"", "*"];
        assert_eq!(tags(&headers, &name), want);
    }
}
