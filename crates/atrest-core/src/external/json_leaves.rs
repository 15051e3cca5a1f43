//! JSON whose leaves are tokens, as `EncryptedJSONField` of django-fernet-encrypted-fields
//! stores it: the names of members stay in clear, every other value is a string with the
//! token of its Python `str()`.

use crate::buffer;

/// What a text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Read {
    /// Every leaf was taken.
    AllOpened,
    /// Some leaf looks like a token, or some were taken, and not all.
    Some,
    /// Nothing of that kind.
    Other,
}

/// Copies `text` into `out` with each leaf replaced by what `open` writes for it; `open`
/// gives `None` for a leaf that it does not take.
pub(super) fn read(
    text: &[u8],
    out: &mut Vec<u8>,
    mut open: impl FnMut(&[u8], &mut Vec<u8>) -> Option<()>,
) -> Read {
    buffer::empty(out, text.len());
    let first = text.iter().find(|byte| !byte.is_ascii_whitespace());
    if !matches!(first, Some(b'{' | b'[' | b'"')) {
        return Read::Other;
    }
    let (mut opened, mut not, mut tokens) = (0_u64, 0_u64, 0_u64);
    let (mut nested, mut whole) = (Vec::new(), true);
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        match byte {
            b'"' => {
                let Some(end) = string_end(text, at) else {
                    return Read::Other;
                };
                let inside = text.get(at + 1..end - 1).unwrap_or_default();
                let quoted = text.get(at..end).unwrap_or_default();
                let rest = text.get(end..).unwrap_or_default();
                let next = rest.iter().find(|byte| !byte.is_ascii_whitespace());
                if next == Some(&b':') {
                    out.extend_from_slice(quoted);
                } else {
                    tokens += u64::from(crate::fernet::looks_like(inside));
                    match open(inside, out) {
                        Some(()) => opened += 1,
                        None => {
                            not += 1;
                            out.extend_from_slice(quoted);
                        }
                    }
                }
                at = end;
            }
            b'{' | b'[' => {
                nested.push(*byte);
                out.push(*byte);
                at += 1;
            }
            b'}' | b']' => {
                // '{' and '}', '[' and ']' are two apart.
                whole &= nested.pop().is_some_and(|start| start + 2 == *byte);
                out.push(*byte);
                at += 1;
            }
            b',' | b':' | b' ' | b'\n' | b'\t' | b'\r' => {
                out.push(*byte);
                at += 1;
            }
            // A number, true, false or null: never written by that field.
            _ => {
                not += 1;
                let rest = text.get(at..).unwrap_or_default();
                let length = rest
                    .iter()
                    .position(|b| b"{}[],:\" \n\t\r".contains(b))
                    .unwrap_or(rest.len());
                out.extend_from_slice(rest.get(..length).unwrap_or_default());
                at += length;
            }
        }
    }
    whole &= nested.is_empty();
    match (opened, not, tokens) {
        (1.., 0, _) if whole => Read::AllOpened,
        (0, _, 0) => Read::Other,
        _ => Read::Some,
    }
}

/// Behind the closing quote of the string that begins at `start`.
fn string_end(text: &[u8], start: usize) -> Option<usize> {
    let mut at = start + 1;
    loop {
        match text.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

/// Appends a JSON string; `None` for what is not UTF-8.
pub(super) fn write_string(value: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let value = std::str::from_utf8(value).ok()?;
    out.push(b'"');
    for c in value.chars() {
        match c {
            '"' => out.extend_from_slice(b"\\\""),
            '\\' => out.extend_from_slice(b"\\\\"),
            '\n' => out.extend_from_slice(b"\\n"),
            '\r' => out.extend_from_slice(b"\\r"),
            '\t' => out.extend_from_slice(b"\\t"),
            c if (c as u32) < 0x20 => {
                out.extend_from_slice(format!("\\u{:04x}", c as u32).as_bytes());
            }
            c => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    out.push(b'"');
    Some(())
}
