//! What holds for every value, context and key.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::collections::HashSet;

use atrest_core::{
    Context, FieldOpener, FieldSealer, Form, Key, KeyId, Keyring, OpenError, Sealed, Stored, Suite,
    Undecryptable, seal_one,
};
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;

const TIME: u64 = 1_767_225_600;

fn suite() -> impl Strategy<Value = Suite> {
    prop::sample::select(&Suite::ALL[..])
}

/// The suites that bind a context.
fn bound_suite() -> impl Strategy<Value = Suite> {
    prop::sample::select(&[Suite::Xaes256Gcm, Suite::A256CbcHs512][..])
}

fn form() -> impl Strategy<Value = Form> {
    prop::sample::select(&[Form::Text, Form::Bytes][..])
}

fn context() -> impl Strategy<Value = Context> {
    (".{0,20}", prop::collection::vec(".{0,12}", 0..4)).prop_map(|(id, row)| {
        let column = Context::new(&id);
        if row.is_empty() {
            column
        } else {
            column.with_row(row)
        }
    })
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..600)
}

fn ring(primary: u8, previous: &[u8]) -> Keyring {
    let previous = previous.iter().map(|&b| Key::from_bytes([b; 32])).collect();
    Keyring::new(Key::from_bytes([primary; 32]), previous).unwrap()
}

/// A reading, and what it left in the buffer.
fn read(keyring: &Keyring, form: Form, context: &Context, stored: &[u8]) -> (Stored, Vec<u8>) {
    let mut clear = b"what was here before".to_vec();
    let read = FieldOpener::new(keyring).read(form, context, stored, &mut clear);
    (read, clear)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 2_000,
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("regressions"))),
        ..ProptestConfig::default()
    })]

    #[test]
    fn what_is_sealed_opens(suite in suite(), form in form(), context in context(), value in value()) {
        let (now, later) = (ring(1, &[]), ring(2, &[3, 1]));
        let token = seal_one(&now, suite, TIME, form, &context, &value).unwrap();
        prop_assert_eq!(token.len() as u64, suite.token_len(form, value.len() as u64));
        let sealed = Sealed { suite, key: now.primary().id() };
        for keyring in [&now, &later] {
            let (stored, clear) = read(keyring, form, &context, &token);
            prop_assert_eq!(stored, Stored::Sealed(sealed));
            prop_assert_eq!(&clear, &value);
            let mut clear = Vec::new();
            let opened = FieldOpener::new(keyring).open(form, &context, &token, &mut clear);
            prop_assert_eq!(opened, Ok(sealed));
            prop_assert_eq!(&clear, &value);
        }
    }

    #[test]
    fn another_place_never_opens(
        suite in bound_suite(), form in form(), here in context(), there in context(), value in value(),
    ) {
        prop_assume!(here != there);
        let keyring = ring(1, &[]);
        let token = seal_one(&keyring, suite, TIME, form, &here, &value).unwrap();
        let (stored, clear) = read(&keyring, form, &there, &token);
        let key = Some(keyring.primary().id());
        let moved = Undecryptable { suite: Some(suite), key, key_known: true };
        prop_assert_eq!(stored, Stored::Undecryptable(moved));
        prop_assert!(clear.is_empty());
        let mut out = Vec::new();
        let opened = FieldOpener::new(&keyring).open(form, &there, &token, &mut out);
        prop_assert_eq!(opened, Err(OpenError::Failed));
    }

    #[test]
    fn another_row_never_opens(
        suite in bound_suite(), form in form(), row in ".{0,9}", other in ".{0,9}", value in value(),
    ) {
        prop_assume!(row != other);
        let (keyring, column) = (ring(1, &[]), Context::new("people.extras"));
        let here = column.with_row([&row]);
        let token = seal_one(&keyring, suite, TIME, form, &here, &value).unwrap();
        for there in [column.with_row([&other]), column.with_row([&row, &other]), column] {
            let (stored, clear) = read(&keyring, form, &there, &token);
            prop_assert!(matches!(stored, Stored::Undecryptable(_)));
            prop_assert!(clear.is_empty());
        }
    }

    #[test]
    fn another_key_never_opens(
        suite in suite(), form in form(), context in context(), value in value(),
    ) {
        let (ours, theirs) = (ring(1, &[]), ring(2, &[3, 4]));
        let token = seal_one(&ours, suite, TIME, form, &context, &value).unwrap();
        let (stored, clear) = read(&theirs, form, &context, &token);
        let id = ours.primary().id();
        let key = suite.has_key_id().then_some(id);
        let unknown = Undecryptable { suite: Some(suite), key, key_known: false };
        prop_assert_eq!(stored, Stored::Undecryptable(unknown));
        prop_assert!(clear.is_empty());
        let mut out = Vec::new();
        let opened = FieldOpener::new(&theirs).open(form, &context, &token, &mut out);
        let error = if suite.has_key_id() { OpenError::UnknownKey { id } } else { OpenError::Failed };
        prop_assert_eq!(opened, Err(error));
    }

    #[test]
    fn arbitrary_bytes_are_never_sealed(form in form(), stored in value()) {
        let (read, clear) = read(&ring(1, &[2]), form, &Context::new("c"), &stored);
        match read {
            Stored::Sealed(sealed) => prop_assert!(false, "{:?}", sealed),
            Stored::Plaintext => prop_assert_eq!(clear, stored),
            Stored::Undecryptable(_) => prop_assert!(clear.is_empty()),
        }
    }

    /// What nearly looks like a token: a header or prefix, and anything after it.
    #[test]
    fn forged_beginnings_are_never_sealed(
        form in form(), code in 0u8..4, known in any::<bool>(), tail in value(), cut in 0usize..20,
    ) {
        let keyring = ring(1, &[2]);
        let KeyId(id) = if known { keyring.primary().id() } else { KeyId(*b"none") };
        let bytes = [&[1, code], &id[..], &tail].concat();
        let mut stored = match form {
            Form::Bytes => bytes,
            Form::Text => {
                let mut text = b"ar1.".to_vec();
                text.extend(base64(&bytes).bytes());
                text
            }
        };
        stored.truncate(stored.len().saturating_sub(cut));
        let context = Context::new("c");
        let (got, clear) = read(&keyring, form, &context, &stored);
        prop_assert!(!matches!(got, Stored::Sealed(_)));
        if cut == 0 {
            prop_assert_eq!(matches!(got, Stored::Undecryptable(_)), (1..=2).contains(&code));
        }
        prop_assert_eq!(clear.is_empty(), got != Stored::Plaintext || stored.is_empty());
        let fernet = [b"gAAAAA", base64(&tail).as_bytes()].concat();
        let (got, _) = read(&keyring, form, &context, &fernet);
        prop_assert!(matches!(got, Stored::Undecryptable(_)));
    }
}

/// Unpadded base64url, written out here so that the test has its own.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let mut group = [0; 4];
        group[1..=chunk.len()].copy_from_slice(chunk);
        let group = u32::from_be_bytes(group);
        for i in 0..=chunk.len() {
            text.push(char::from(ALPHABET[(group >> (18 - 6 * i)) as usize & 63]));
        }
    }
    text
}

/// Nonces and IVs are never the same twice, and a batch shares its prefix.
#[test]
fn nonces_are_unique_within_a_batch() {
    let (keyring, context) = (ring(1, &[]), Context::new("c"));
    for suite in [Suite::Xaes256Gcm, Suite::A256CbcHs512] {
        let mut sealer = FieldSealer::new(&keyring, suite, TIME).unwrap();
        let length = if suite == Suite::Xaes256Gcm { 24 } else { 16 };
        let (mut nonces, mut prefixes) = (HashSet::new(), HashSet::new());
        for _ in 0..20_000 {
            let mut token = Vec::new();
            sealer.seal(Form::Bytes, &context, b"", &mut token).unwrap();
            assert!(
                nonces.insert(token[6..6 + length].to_vec()),
                "a nonce came twice"
            );
            prefixes.insert(token[6..18].to_vec());
        }
        assert_eq!(
            prefixes.len(),
            if suite == Suite::Xaes256Gcm {
                1
            } else {
                20_000
            }
        );
    }
}

/// 2^20 values share a prefix; the next one draws another.
#[test]
fn a_batch_ends_after_2_to_the_20_values() {
    let (keyring, context) = (ring(1, &[]), Context::new("c"));
    let mut sealer = FieldSealer::new(&keyring, Suite::Xaes256Gcm, TIME).unwrap();
    let (mut prefixes, mut token) = (Vec::new(), Vec::new());
    for _ in 0..(1 << 20) + 1 {
        token.clear();
        sealer.seal(Form::Bytes, &context, b"", &mut token).unwrap();
        let prefix = token[6..18].to_vec();
        if prefixes.last().is_none_or(|(last, _)| *last != prefix) {
            prefixes.push((prefix, 0));
        }
        prefixes.last_mut().unwrap().1 += 1;
    }
    let counts: Vec<u32> = prefixes.iter().map(|(_, n)| *n).collect();
    assert_eq!(counts, [1 << 20, 1]);
}

#[test]
fn single_values_share_no_nonce_half() {
    let (keyring, context) = (ring(1, &[]), Context::new("c"));
    let mut halves = HashSet::new();
    for _ in 0..2_000 {
        let token = seal_one(
            &keyring,
            Suite::Xaes256Gcm,
            TIME,
            Form::Bytes,
            &context,
            b"",
        )
        .unwrap();
        assert!(
            halves.insert(token[6..18].to_vec()),
            "the first half came twice"
        );
        assert!(
            halves.insert(token[18..30].to_vec()),
            "the second half came twice"
        );
    }
}

/// A page of values from many batches, keys and suites in any order opens: the
/// cache of derived keys never answers for another.
#[test]
fn a_page_of_many_batches_opens_in_any_order() {
    let (old, new) = (ring(1, &[]), ring(2, &[1]));
    let context = Context::new("c");
    let mut tokens = Vec::new();
    for batch in 0..50u32 {
        for keyring in [&old, &new] {
            for suite in Suite::ALL {
                let mut sealer = FieldSealer::new(keyring, suite, TIME).unwrap();
                for n in 0..3u32 {
                    let value = format!("{batch} {suite} {n}");
                    let mut token = Vec::new();
                    sealer
                        .seal(Form::Text, &context, value.as_bytes(), &mut token)
                        .unwrap();
                    tokens.push((
                        token,
                        value,
                        Sealed {
                            suite,
                            key: keyring.primary().id(),
                        },
                    ));
                }
            }
        }
    }
    let mut opener = FieldOpener::new(&new);
    let mut clear = Vec::new();
    let mut at = 0;
    for _ in 0..5 * tokens.len() {
        at = (at + 331) % tokens.len(); // 331 is prime: every one of them, again and again
        let (token, value, sealed) = &tokens[at];
        assert_eq!(
            opener.open(Form::Text, &context, token, &mut clear),
            Ok(*sealed)
        );
        assert_eq!(clear, value.as_bytes());
    }
}

#[test]
fn a_time_in_milliseconds_is_refused() {
    let (keyring, context) = (ring(1, &[]), Context::new("c"));
    let seal = |time| seal_one(&keyring, Suite::Fernet, time, Form::Text, &context, b"v");
    let error = seal(1_767_225_600_000).unwrap_err();
    assert!(error.to_string().contains("not in milliseconds"), "{error}");
    for time in [0, TIME, u64::from(u32::MAX), (1 << 36) - 1] {
        assert!(seal(time).unwrap().starts_with(b"gAAAAA"), "{time}");
    }
    assert!(seal(1 << 36).is_err());
}

#[test]
fn an_empty_value_is_plaintext() {
    for form in [Form::Text, Form::Bytes] {
        assert_eq!(
            read(&ring(1, &[]), form, &Context::new("c"), b""),
            (Stored::Plaintext, vec![])
        );
    }
}

/// A token in front of 100 MB: nothing is allocated beyond the value's size.
#[test]
fn a_large_value_goes_there_and_back() {
    let (keyring, context) = (ring(1, &[]), Context::new("c"));
    let value: Vec<u8> = (0..20_000_000u32).map(|n| n as u8).collect();
    for suite in Suite::ALL {
        let token = seal_one(&keyring, suite, TIME, Form::Text, &context, &value).unwrap();
        let mut clear = Vec::new();
        let stored = FieldOpener::new(&keyring).read(Form::Text, &context, &token, &mut clear);
        assert!(matches!(stored, Stored::Sealed(s) if s.suite == suite));
        assert!(clear == value);
        assert!(
            clear.capacity() <= token.len(),
            "{} for {}",
            clear.capacity(),
            token.len()
        );
    }
}

#[test]
fn secrets_are_in_no_debug_output() {
    let keyring = ring(7, &[8]);
    let sealer = FieldSealer::new(&keyring, Suite::Fernet, TIME).unwrap();
    let opener = FieldOpener::new(&keyring);
    let mac = atrest_core::hazmat::Mac::new(keyring.primary(), atrest_core::Purpose::Journal);
    let shown = format!(
        "{keyring:?} {sealer:?} {opener:?} {mac:?} {:?}",
        keyring.primary()
    );
    for secret in ["0707", "7, 7", "BwcH"] {
        assert!(!shown.contains(secret), "{shown}");
    }
    assert!(shown.contains(&keyring.primary().id().to_string()));
}
