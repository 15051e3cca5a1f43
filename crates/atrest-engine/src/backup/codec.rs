//! A page of originals as bytes: `spec/backup.md`, "Frame content".
//!
//! ```text
//! content = 0x01 | pass32 | str(target) | row*         values as they were stored
//!         | 0x02 | pass32 | str(target) | row*         values as tokens of their subjects
//! row     = parts8 | part* | kind8 | bytes(value)        (NULL has no bytes)
//! part    = 0x00 | int128  |  0x01 | str  |  0x02 | bytes  |  0x03 | bits64
//! ```
//! `bytes` is a 64-bit big-endian length and the bytes; `str` is the same, UTF-8.

use crate::backup::BackupPage;
use crate::target::{KeyValue, RowKey, Value};

const PAGE: u8 = 1;
const SEALED_PAGE: u8 = 2;

pub(super) fn encode(
    target: &str,
    pass: u32,
    sealed: bool,
    rows: &[(&RowKey, &Value)],
    out: &mut Vec<u8>,
) {
    out.push(if sealed { SEALED_PAGE } else { PAGE });
    out.extend_from_slice(&pass.to_be_bytes());
    put(out, target.as_bytes());
    for (key, value) in rows {
        // A key of more than 255 columns exists in no database (32 at most).
        out.push(u8::try_from(key.0.len()).unwrap_or(u8::MAX));
        for part in &key.0 {
            match part {
                KeyValue::Integer(i) => {
                    out.push(0);
                    out.extend_from_slice(&i.to_be_bytes());
                }
                KeyValue::Text(s) => {
                    out.push(1);
                    put(out, s.as_bytes());
                }
                KeyValue::Bytes(b) => {
                    out.push(2);
                    put(out, b);
                }
                KeyValue::Real(bits) => {
                    out.push(3);
                    out.extend_from_slice(&bits.to_be_bytes());
                }
            }
        }
        match value {
            Value::Null | Value::Deferred(_) => out.push(0),
            Value::Text(v) => {
                out.push(1);
                put(out, v);
            }
            Value::Bytes(v) => {
                out.push(2);
                put(out, v);
            }
            Value::Number(v) => {
                out.push(3);
                put(out, v);
            }
        }
    }
}

fn put(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&(bytes.len() as u64).to_be_bytes());
    out.extend_from_slice(bytes);
}

/// `None` when the bytes are not a page: a later version's frame, or a defect
/// (the content was authenticated before).
pub(super) fn decode(content: &[u8]) -> Option<BackupPage> {
    let mut rest = content;
    let sealed = match take::<1>(&mut rest)? {
        [PAGE] => false,
        [SEALED_PAGE] => true,
        _ => return None,
    };
    let pass = u32::from_be_bytes(take(&mut rest)?);
    let target = text(&mut rest)?;
    let mut rows = Vec::new();
    while !rest.is_empty() {
        let [parts] = take::<1>(&mut rest)?;
        let mut key = Vec::with_capacity(usize::from(parts));
        for _ in 0..parts {
            key.push(match take::<1>(&mut rest)? {
                [0] => KeyValue::Integer(i128::from_be_bytes(take(&mut rest)?)),
                [1] => KeyValue::Text(text(&mut rest)?),
                [2] => KeyValue::Bytes(bytes(&mut rest)?.to_vec()),
                [3] => KeyValue::Real(u64::from_be_bytes(take(&mut rest)?)),
                _ => return None,
            });
        }
        let value = match take::<1>(&mut rest)? {
            [0] => Value::Null,
            [1] => Value::Text(bytes(&mut rest)?.to_vec()),
            [2] => Value::Bytes(bytes(&mut rest)?.to_vec()),
            [3] => Value::Number(bytes(&mut rest)?.to_vec()),
            _ => return None,
        };
        rows.push((RowKey(key), value));
    }
    Some(BackupPage {
        target,
        pass,
        sealed,
        rows,
    })
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = rest.split_first_chunk::<N>()?;
    *rest = tail;
    Some(*head)
}

fn bytes<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let len = usize::try_from(u64::from_be_bytes(take(rest)?)).ok()?;
    let (head, tail) = rest.split_at_checked(len)?;
    *rest = tail;
    Some(head)
}

fn text(rest: &mut &[u8]) -> Option<String> {
    bytes(rest).and_then(|b| String::from_utf8(b.to_vec()).ok())
}
