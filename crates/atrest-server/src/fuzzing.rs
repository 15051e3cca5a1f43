//! What reads requests, for the fuzz targets. Without the feature `fuzzing`, which nothing
//! that is shipped has on, none of it is to be reached.

use std::ops::Range;
use std::time::{Duration, SystemTime};

use axum::http::{HeaderMap, HeaderName, HeaderValue};

use crate::condition::{Verdict, Version, range_counts, verdict};
use crate::name::ClipName;
use crate::range::{Asked, asked};

/// What a request comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// 200.
    Whole,
    /// 206.
    Part(Range<u64>),
    /// 304, 412 or 416.
    Refused(u16),
}

/// What a GET with these headers is answered for an object of `length` bytes, whose entity
/// tag is `"a"`, and which changed in the second 1,000,000,000.
#[must_use]
pub fn get(headers: &[(&[u8], &[u8])], length: u64) -> Answer {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let name = HeaderName::from_bytes(name);
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(value)) {
            map.append(name, value);
        }
    }
    let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    let now = Version {
        etag: Some("\"a\"".to_owned()),
        modified,
    };
    match verdict(&map, Some(&now), true) {
        Verdict::NotModified => return Answer::Refused(304),
        Verdict::Failed => return Answer::Refused(412),
        Verdict::Go => {}
    }
    let clock = modified + Duration::from_secs(60);
    let range = map.get("range").and_then(|value| value.to_str().ok());
    match range {
        Some(range) if range_counts(&map, &now, clock) => match asked(range, length) {
            Asked::Whole => Answer::Whole,
            Asked::Part(part) => Answer::Part(part),
            Asked::Beyond => Answer::Refused(416),
        },
        _ => Answer::Whole,
    }
}

/// The name in a request's target, if it is one.
#[must_use]
pub fn name(raw: &str) -> Option<String> {
    let name = ClipName::from_target(raw).ok()?;
    Some(name.path().to_string())
}
