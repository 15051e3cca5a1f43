//! Every truncation and every single-bit flip of tokens: nothing opens, nothing
//! panics, and what is cut off is never taken for plaintext.
//!
//! All lengths up to 64 bytes and a spread up to 512 always; every length from 0
//! to 512 with `ATREST_LONG=1`.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::fmt;

use atrest_core::{
    Context, FieldOpener, FieldSealer, Form, Key, Keyring, OpenError, Stored, Suite,
};

const FORMS: [Form; 2] = [Form::Text, Form::Bytes];

struct Bench {
    context: Context,
    sealer: FieldSealer,
    opener: FieldOpener,
    clear: Vec<u8>,
}

impl Bench {
    fn new(suite: Suite) -> Self {
        let keyring =
            Keyring::new(Key::from_bytes([1; 32]), vec![Key::from_bytes([2; 32])]).unwrap();
        Self {
            context: Context::new("people.extras").with_row(["17"]),
            sealer: FieldSealer::new(&keyring, suite, 1_767_225_600).unwrap(),
            opener: FieldOpener::new(&keyring),
            clear: Vec::new(),
        }
    }

    fn seal(&mut self, form: Form, length: usize) -> Vec<u8> {
        let mut token = Vec::new();
        self.sealer
            .seal(form, &self.context, &vec![b'v'; length], &mut token)
            .unwrap();
        token
    }

    /// Reads a damaged value, which must not open; gives what it is.
    fn damaged(&mut self, form: Form, stored: &[u8], what: fmt::Arguments<'_>) -> Stored {
        let read = self
            .opener
            .read(form, &self.context, stored, &mut self.clear);
        match read {
            Stored::Sealed(_) => panic!("opens: {what}"),
            Stored::Plaintext => assert_eq!(self.clear, stored, "{what}"),
            Stored::Undecryptable(_) => {
                assert!(self.clear.is_empty(), "{what}");
                // `out` grew to the input's size at the most, whatever it claims.
                assert!(self.clear.capacity() <= 1024, "{what}");
            }
        }
        let opened = self
            .opener
            .open(form, &self.context, stored, &mut self.clear);
        let error = opened.unwrap_err();
        assert_eq!(
            error == OpenError::NotAToken,
            read == Stored::Plaintext,
            "{what}"
        );
        assert!(self.clear.is_empty(), "{what}");
        read
    }
}

fn lengths() -> Vec<usize> {
    if std::env::var_os("ATREST_LONG").is_some_and(|v| v == "1") {
        return (0..=512).collect();
    }
    let spread = [
        79, 80, 81, 95, 96, 97, 127, 128, 129, 200, 255, 256, 257, 370, 511, 512,
    ];
    (0..=64).chain(spread).collect()
}

/// The shortest cut that still looks like a token.
fn recognisable(suite: Suite, form: Form) -> usize {
    match (suite, form) {
        (Suite::Fernet, _) => "gAAAAA".len(),
        (_, Form::Text) => "ar1.".len(),
        (_, Form::Bytes) => 6,
    }
}

#[test]
fn truncated_tokens_are_undecryptable() {
    let mut ran = 0;
    for suite in Suite::ALL {
        let mut bench = Bench::new(suite);
        for form in FORMS {
            for length in lengths() {
                let token = bench.seal(form, length);
                assert_eq!(token.len() as u64, suite.token_len(form, length as u64));
                for cut in 0..token.len() {
                    let what = format_args!("{suite} {form:?} {length} cut at {cut}");
                    let stored = bench.damaged(form, &token[..cut], what);
                    let looks = matches!(stored, Stored::Undecryptable(_));
                    assert_eq!(looks, cut >= recognisable(suite, form), "{what}");
                    ran += 1;
                }
            }
        }
    }
    assert!(ran > 50_000, "{ran}");
}

#[test]
fn flipped_bits_never_open() {
    let mut ran = 0;
    for suite in Suite::ALL {
        let mut bench = Bench::new(suite);
        for form in FORMS {
            for length in lengths() {
                let mut token = bench.seal(form, length);
                for bit in 0..8 * token.len() {
                    token[bit / 8] ^= 1 << (bit % 8);
                    let what = format_args!("{suite} {form:?} {length} bit {bit}");
                    let stored = bench.damaged(form, &token, what);
                    // Beyond what makes it look like a token, damage is seen as such.
                    if bit / 8 >= 12 {
                        assert!(matches!(stored, Stored::Undecryptable(_)), "{what}");
                    }
                    token[bit / 8] ^= 1 << (bit % 8);
                }
                ran += 8 * token.len();
                let read = bench
                    .opener
                    .read(form, &bench.context, &token, &mut bench.clear);
                assert!(matches!(read, Stored::Sealed(_)), "the token itself opens");
            }
        }
    }
    assert!(ran > 500_000, "{ran}");
}

#[test]
fn lengthened_tokens_never_open() {
    for suite in Suite::ALL {
        let mut bench = Bench::new(suite);
        for form in FORMS {
            for length in lengths() {
                let token = bench.seal(form, length);
                for tail in ["=", "A", "AAAA", "\0", "\n", " ", "=="] {
                    let longer = [&token[..], tail.as_bytes()].concat();
                    let what = format_args!("{suite} {form:?} {length} and {tail:?}");
                    let stored = bench.damaged(form, &longer, what);
                    assert!(matches!(stored, Stored::Undecryptable(_)), "{what}");
                }
                let spaced = [b" ", &token[..]].concat();
                assert_eq!(
                    bench.damaged(form, &spaced, format_args!("space before")),
                    Stored::Plaintext
                );
            }
        }
    }
}

/// Text that is not canonical spells the same bytes and still does not open.
#[test]
fn other_spellings_never_open() {
    for suite in Suite::ALL {
        let mut bench = Bench::new(suite);
        for length in lengths() {
            let token = String::from_utf8(bench.seal(Form::Text, length)).unwrap();
            let bare = token.trim_end_matches('=');
            let mut others = vec![format!("{bare}="), format!("{bare}=="), format!("{bare}\n")];
            if bare != token {
                others.push(bare.to_owned());
            }
            others.push(token.replace('-', "+").replace('_', "/"));
            // The spare bits of the last character, set.
            let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
            let last = bare.as_bytes()[bare.len() - 1];
            let value = alphabet.iter().position(|&c| c == last).unwrap();
            let body = bare.strip_prefix("ar1.").unwrap_or(bare).len();
            for spare in 1..[1, 0, 16, 4][body % 4] {
                let changed = char::from(alphabet[value | spare]);
                others.push(format!(
                    "{}{changed}{}",
                    &bare[..bare.len() - 1],
                    &token[bare.len()..]
                ));
            }
            for other in others.iter().filter(|&other| *other != token) {
                let what = format_args!("{suite} {length}: {other}");
                let stored = bench.damaged(Form::Text, other.as_bytes(), what);
                assert!(matches!(stored, Stored::Undecryptable(_)), "{what}");
            }
        }
    }
}

/// A token's form is part of it: text in a binary column is not a token, nor the
/// other way round; but Fernet is the same ASCII in both.
#[test]
fn each_form_reads_only_its_own() {
    for suite in [Suite::Xaes256Gcm, Suite::A256CbcHs512] {
        let mut bench = Bench::new(suite);
        let (text, bytes) = (bench.seal(Form::Text, 20), bench.seal(Form::Bytes, 20));
        assert_eq!(
            bench.damaged(Form::Bytes, &text, format_args!("text as bytes")),
            Stored::Plaintext
        );
        assert_eq!(
            bench.damaged(Form::Text, &bytes, format_args!("bytes as text")),
            Stored::Plaintext
        );
    }
}
