//! Records: written, read back, edited, moved, foreign.

use super::*;
use crate::target::KeyValue;
use atrest_core::Key;

fn scribe(byte: u8) -> Scribe {
    Scribe::new(&Keyring::new(Key::from_bytes([byte; 32]), vec![]).unwrap())
}

fn record() -> RangeRecord {
    RangeRecord {
        range: KeyRange {
            after: None,
            until: Some(RowKey(vec![
                KeyValue::Integer(i128::from(u64::MAX)),
                KeyValue::Integer(i64::MIN.into()),
                KeyValue::Text("é\"".into()),
                KeyValue::Bytes(vec![0, 255]),
                KeyValue::Real(f64::NAN.to_bits()),
            ])),
        },
        cursor: Some(RowKey(vec![KeyValue::Integer(50_000)])),
        done: false,
        opened: false,
        changed: 7,
        backup_len: 0,
    }
}

#[test]
fn a_record_comes_back_as_it_was_written() {
    let (body, mac) = scribe(1).write("range:0:t.c", &record());
    let stored = Record {
        name: "range:0:t.c".into(),
        body,
        mac,
    };
    assert_eq!(scribe(1).read::<RangeRecord>(&stored).unwrap(), record());
}

#[test]
fn an_edited_moved_or_foreign_record_is_refused() {
    let (body, mac) = scribe(1).write("range:0:t.c", &record());
    let stored = Record {
        name: "range:0:t.c".into(),
        body,
        mac,
    };
    let forged = |s: &Record| {
        matches!(
            scribe(1).read::<RangeRecord>(s),
            Err(JournalError::Forged { .. })
        )
    };
    assert!(forged(&Record {
        body: stored.body.replace("\"changed\":7", "\"changed\":8"),
        ..stored.clone()
    }));
    assert!(forged(&Record {
        name: "range:1:t.c".into(),
        ..stored.clone()
    }));
    assert!(forged(&Record {
        mac: stored.mac.replace(|c: char| c.is_ascii_digit(), "a"),
        ..stored.clone()
    }));
    assert!(forged(&Record {
        mac: String::new(),
        ..stored.clone()
    }));
    assert!(matches!(
        scribe(2).read::<RangeRecord>(&stored),
        Err(JournalError::UnknownKey { .. })
    ));
}
