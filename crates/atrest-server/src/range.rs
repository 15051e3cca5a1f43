//! `Range`, as RFC 9110 section 14 has it.

use std::ops::Range;

/// What a `Range` header asks of a representation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Asked {
    /// All of it: there is no range, or none that is understood, or several.
    Whole,
    /// These bytes; never an empty range.
    Part(Range<u64>),
    /// Bytes that it does not have.
    Beyond,
}

/// Reads the header's value for a representation of `length` bytes.
///
/// Several ranges are answered with the whole, which the RFC leaves to the server:
/// no player asks for them, and many small ones are a known way to wear servers out.
pub(crate) fn asked(value: &str, length: u64) -> Asked {
    let Some(set) = value.split_once('=').and_then(|(unit, set)| {
        unit.trim()
            .eq_ignore_ascii_case("bytes")
            .then_some(set.trim())
    }) else {
        return Asked::Whole;
    };
    let Some((first, last)) = set.split_once('-') else {
        return Asked::Whole;
    };
    match (first, last) {
        ("", suffix) => match number(suffix) {
            None => Asked::Whole,
            Some(0) => Asked::Beyond,
            // The last bytes of nothing are all of it.
            Some(_) if length == 0 => Asked::Whole,
            Some(n) => Asked::Part(length.saturating_sub(n)..length),
        },
        (first, last) => {
            let end = match last {
                "" => Some(length),
                last => number(last).map(|last| last.saturating_add(1).min(length)),
            };
            match (number(first), end) {
                (Some(first), Some(_)) if !last.is_empty() && number(last) < Some(first) => {
                    Asked::Whole
                }
                (Some(first), Some(_)) if first >= length => Asked::Beyond,
                (Some(first), Some(end)) => Asked::Part(first..end),
                _ => Asked::Whole,
            }
        }
    }
}

/// Decimal digits and nothing else; what is too great for 64 bits is the greatest.
fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::Asked::{Beyond, Part, Whole};
    use super::*;

    #[test]
    fn rfc9110_section_14_1_2() {
        for (value, length, want) in [
            ("bytes=0-499", 10_000, Part(0..500)),
            ("bytes=500-999", 10_000, Part(500..1000)),
            ("bytes=-500", 10_000, Part(9500..10_000)),
            ("bytes=9500-", 10_000, Part(9500..10_000)),
            ("bytes=0-0", 10_000, Part(0..1)),
            ("Bytes=0-0", 1, Part(0..1)),
            ("bytes= 0-0 ", 1, Part(0..1)),
            ("bytes=0-99999999999999999999999", 10, Part(0..10)),
            ("bytes=0-18446744073709551615", 10, Part(0..10)),
            ("bytes=-11", 10, Part(0..10)),
            ("bytes=10-", 10, Beyond),
            ("bytes=10-20", 10, Beyond),
            ("bytes=99999999999999999999999-", 10, Beyond),
            ("bytes=-0", 10, Beyond),
            ("bytes=0-", 0, Beyond),
            ("bytes=-5", 0, Whole),
            // Not understood: as if it were not there.
            ("bytes=5-4", 10, Whole),
            ("bytes=-", 10, Whole),
            ("bytes=", 10, Whole),
            ("bytes=a-b", 10, Whole),
            ("bytes=+1-2", 10, Whole),
            ("bytes=1-2x", 10, Whole),
            ("bytes=--1", 10, Whole),
            ("bytes 0-1", 10, Whole),
            ("items=0-1", 10, Whole),
            ("", 10, Whole),
            // Several.
            ("bytes=0-0,-1", 10, Whole),
            ("bytes=0-1, 4-5", 10, Whole),
        ] {
            assert_eq!(asked(value, length), want, "{value} of {length}");
        }
    }
}
