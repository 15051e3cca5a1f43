//! Python pickles of the values that Django's fields hold, as text. Nothing is ever
//! called: a class is a name here, and an unknown one makes the whole value unreadable.
//!
//! Protocols 2 to 5 (docs.python.org/3/library/pickletools.html). Text and bytes come out
//! as they are, lists and dictionaries as JSON, everything else as Python's `str()` has it
//! (booleans as `true` and `false`).

mod machine;
mod render;

use std::rc::Rc;

/// What a pickle builds.
#[derive(Debug, Clone, PartialEq)]
enum Value {
    None,
    Bool(bool),
    Int(i128),
    /// An integer above `i128`, as UUIDs are.
    Big(u128),
    Float(f64),
    Text(Rc<str>),
    Bytes(Rc<[u8]>),
    Tuple(Rc<[Value]>),
    List(Vec<Value>),
    Dict(Vec<(Value, Value)>),
    /// "module.name".
    Class(Rc<str>),
    /// What a class made of these arguments, and the state it was given.
    Object(Rc<Object>),
    Mark,
}

#[derive(Debug, PartialEq)]
struct Object {
    class: Rc<str>,
    args: Vec<Value>,
    state: Option<Value>,
}

/// The pickled value as text; `None` for what is none, or cannot be told in text.
pub(super) fn text(pickle: &[u8]) -> Option<Vec<u8>> {
    render::text(&machine::run(pickle)?, room(pickle))
}

/// How much may be made of a pickle. It can name one long text, or a tuple of tuples, any
/// number of times in a few bytes each; what Django's fields hold does not grow so.
fn room(pickle: &[u8]) -> usize {
    pickle.len().saturating_mul(64).saturating_add(1 << 16)
}

#[cfg(test)]
mod tests {
    use super::text;

    fn unhex(hex: &str) -> Vec<u8> {
        let digit = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
        (0..hex.len()).step_by(2).map(digit).collect()
    }

    /// What the memo gives again costs two bytes: a text, a tuple of two of the tuple before.
    #[test]
    fn a_small_pickle_of_much_is_refused() {
        let chain = |seed: &[u8], link: &dyn Fn(u8) -> Vec<u8>, times: usize| {
            let mut all = [b"\x80\x02", seed].concat();
            (0..times).for_each(|n| all.extend(link((n % 200) as u8)));
            all.push(b'.');
            all
        };
        let doubled = |n: u8| vec![b'q', n, b'h', n, 0x86];
        assert_eq!(text(&chain(b")", &doubled, 3)).unwrap().len(), 44);
        assert_eq!(text(&chain(b")", &doubled, 60)), None);
        let deeper = |n: u8| vec![b'q', n, b'h', n, 0x85];
        assert_eq!(text(&chain(b")", &deeper, 100_000)), None);
        let nested = |n: u8| vec![b'q', n, 0x85];
        assert!(text(&chain(b")", &nested, 63)).is_some());
        assert_eq!(text(&chain(b")", &nested, 100_000)), None);
        let long = [b"](X\x10\x27\x00\x00".as_slice(), &[b'x'; 10_000], b"q\x00"].concat();
        let again = |_| vec![b'h', 0];
        let list = |times| {
            let mut all = chain(&long, &again, times);
            all.insert(all.len() - 1, b'e');
            all
        };
        assert_eq!(text(&list(2)).unwrap().len(), 3 * 10_002 + 6);
        assert_eq!(text(&list(5000)), None);
    }

    /// tests/data/pickles.json: made by CPython 3.11 in protocols 2 to 5.
    #[test]
    fn what_cpython_pickles_comes_out_as_text() {
        let all: serde_json::Value =
            serde_json::from_str(include_str!("../../tests/data/pickles.json")).unwrap();
        let all = all.as_array().unwrap();
        for case in all {
            let pickle = unhex(case["pickle"].as_str().unwrap());
            let got = text(&pickle).map(|bytes| String::from_utf8(bytes).unwrap());
            assert_eq!(got.as_deref(), case["text"].as_str(), "{}", case["repr"]);
            for length in 0..pickle.len() {
                assert_eq!(text(&pickle[..length]), None, "{} cut", case["repr"]);
            }
            // No byte of it can make it panic.
            for at in 0..pickle.len() {
                for bit in 0..8 {
                    let mut other = pickle.clone();
                    other[at] ^= 1 << bit;
                    text(&other);
                }
            }
        }
        assert_eq!(all.len(), 132);
    }

    #[test]
    fn a_pickle_that_calls_something_is_no_value() {
        // cos\nsystem\n(S'id'\ntR. and the like, in protocol 4.
        let evil = b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x02id\x85R.";
        assert_eq!(text(evil), None);
        let deep: Vec<u8> = b"\x80\x04"
            .iter()
            .copied()
            .chain(std::iter::repeat_n(b']', 100_000))
            .chain(std::iter::repeat_n(b'a', 99_999))
            .chain([b'.'])
            .collect();
        assert_eq!(text(&deep), None);
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(20_000))]

        /// Whatever the instructions are, in whatever order.
        #[test]
        fn no_program_makes_it_panic(
            ops in proptest::collection::vec(
                proptest::sample::select(&b"NKMJGXCBqrhj()t]ae}sucRb.\x01\x02\x04a\n\x80\x81\x85\x86\x87\x88\x89\x8a\x8c\x8d\x8e\x93\x94\x95"[..]),
                0..60,
            )
        ) {
            let _ = text(&ops);
            let _ = text(&[b"\x80\x04".as_slice(), &ops, b"."].concat());
        }
    }
}
