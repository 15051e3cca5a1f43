//! The six bytes that our own tokens begin with, and what counts as looking like
//! them: `0x01 | suite | key id (4)` (spec/formats.md, "Header").

use crate::{Form, KeyId, Suite, base64};

/// What our text tokens begin with.
pub(crate) const TEXT_PREFIX: &str = "ar1.";
/// The format's version.
const VERSION: u8 = 0x01;
/// How many bytes a header has.
pub(crate) const LEN: usize = 6;
/// How many base64url characters spell it.
const TEXT_LEN: usize = 8;

/// As much of a header as a stored value shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    /// `None` when the value ends before its suite is settled.
    pub(crate) suite: Option<Suite>,
    /// `None` when the value ends before the id does.
    pub(crate) key: Option<KeyId>,
}

/// The header's bytes; `None` for Fernet, which has none.
pub(crate) fn bytes(suite: Suite, KeyId([a, b, c, d]): KeyId) -> Option<[u8; LEN]> {
    suite.code().map(|code| [VERSION, code, a, b, c, d])
}

/// The header that a stored value shows; `None` when it does not look like ours.
///
/// Text: `ar1.`, and then as many of eight characters as are there agree with a
/// header. Bytes: a whole header.
pub(crate) fn look(form: Form, stored: &[u8]) -> Option<Header> {
    match form {
        Form::Bytes => stored.first_chunk().and_then(whole),
        Form::Text => {
            let body = stored.strip_prefix(TEXT_PREFIX.as_bytes())?;
            let shown = body.get(..TEXT_LEN).unwrap_or(body);
            look_text(shown)
        }
    }
}

fn whole([version, code, id @ ..]: &[u8; LEN]) -> Option<Header> {
    let suite = Suite::from_code(*code)?;
    (*version == VERSION).then_some(Header {
        suite: Some(suite),
        key: Some(KeyId(*id)),
    })
}

/// `shown` is at most eight characters. The missing ones are tried as zero bits
/// and as one bits: a known suite must lie between.
fn look_text(shown: &[u8]) -> Option<Header> {
    let fill = |with: u8| {
        let mut text = [with; TEXT_LEN];
        text.get_mut(..shown.len())?.copy_from_slice(shown);
        let mut header = [0; LEN];
        base64::decode(&base64::URL, &text, &mut header)?;
        Some(header)
    };
    let low = fill(b'A')?;
    if shown.len() == TEXT_LEN {
        return whole(&low);
    }
    let high = fill(b'_')?;
    let range = [low[0], low[1]]..=[high[0], high[1]];
    let mut suites = Suite::ALL
        .into_iter()
        .filter(|s| s.code().is_some_and(|c| range.contains(&[VERSION, c])));
    let suite = suites.next()?;
    Some(Header {
        suite: suites.next().is_none().then_some(suite),
        key: None,
    })
}

#[cfg(test)]
mod tests {
    use super::{Header, bytes, look};
    use crate::{Form, KeyId, Suite, base64};

    #[test]
    fn every_cut_of_a_header_is_still_known() {
        let id = KeyId([0xfe, 0xdc, 0xba, 0x98]);
        for suite in [Suite::Xaes256Gcm, Suite::A256CbcHs512] {
            let header = bytes(suite, id).unwrap();
            let text = format!("ar1.{}", base64::URL.encode_to_string(header));
            assert_eq!(text.len(), 12);
            for cut in 4..=12 {
                let want = Header {
                    suite: (cut >= 7).then_some(suite),
                    key: (cut == 12).then_some(id),
                };
                assert_eq!(
                    look(Form::Text, &text.as_bytes()[..cut]),
                    Some(want),
                    "{cut}"
                );
            }
            for cut in 0..4 {
                assert_eq!(look(Form::Text, &text.as_bytes()[..cut]), None);
            }
            for cut in 0..6 {
                assert_eq!(look(Form::Bytes, &header[..cut]), None);
            }
            let whole = Header {
                suite: Some(suite),
                key: Some(id),
            };
            assert_eq!(look(Form::Bytes, &header), Some(whole));
        }
    }

    #[test]
    fn what_only_begins_alike_is_not_ours() {
        for text in [
            "ar1",
            "ar1.hello",
            "ar1.A-",
            "ar1.AQM",
            "ar1.AQE=",
            "ar1.AQEAAAA.",
            "AR1.AQE",
        ] {
            assert_eq!(look(Form::Text, text.as_bytes()), None, "{text}");
        }
        for bytes in [
            &[2, 1, 0, 0, 0, 0][..],
            &[1, 0, 0, 0, 0, 0],
            &[1, 3, 0, 0, 0, 0],
            b"ar1.AQEAAAAA",
        ] {
            assert_eq!(look(Form::Bytes, bytes), None, "{bytes:?}");
        }
    }
}
