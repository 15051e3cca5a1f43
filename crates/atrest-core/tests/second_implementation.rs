//! `spec/atrest_spec.py` (Python, pyca/cryptography) against this crate: 10,000
//! random values per suite each way, and the same answer for damaged ones.
//!
//! `ATREST_PYTHON` names the Python to use (default `python3`); it needs the
//! package `cryptography`.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::io::{BufRead, BufReader, BufWriter, Write};
use std::process::{Command, Stdio};
use std::thread;

use atrest_core::object::{open_object, seal_object};
use atrest_core::{Context, FieldOpener, Form, Key, Keyring, Stored, Suite, seal_one};
use serde_json::{Value, json};
use shake::Shake128;
use shake::digest::{ExtendableOutput, Update, XofReader};

const VALUES: usize = 10_000;
const SPEC: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../spec/atrest_spec.py");

/// Sends the requests and gives the answers, in order.
fn ask(requests: Vec<Value>) -> Vec<Value> {
    let python = std::env::var("ATREST_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let advice = format!(
        "set ATREST_PYTHON to a Python 3.9+ that has `cryptography`, or install it with \
         `{python} -m pip install cryptography` (scripts/test does all that)"
    );
    let mut child = Command::new(&python)
        .arg(SPEC)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("cannot start `{python}`: {error}; {advice}"));
    let stdin = child.stdin.take().unwrap();
    let expected = requests.len();
    let writer = thread::spawn(move || -> std::io::Result<()> {
        let mut stdin = BufWriter::new(stdin);
        for request in requests {
            writeln!(stdin, "{request}")?;
        }
        stdin.flush()
    });
    let stdout = BufReader::new(child.stdout.take().unwrap());
    let answers: Vec<Value> = stdout
        .lines()
        .map(|line| serde_json::from_str(&line.unwrap()).unwrap())
        .collect();
    let status = child.wait().unwrap();
    let _ = writer.join().unwrap(); // a broken pipe: the exit status says it better
    assert!(
        status.success(),
        "{SPEC} failed ({status}), its reason is above; {advice}"
    );
    assert_eq!(answers.len(), expected);
    answers
}

/// Deterministic random material: a SHAKE-128 stream.
struct Random(shake::Shake128Reader);

impl Random {
    fn new(seed: &str) -> Self {
        Self(Shake128::default().chain(seed.as_bytes()).finalize_xof())
    }

    fn bytes(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        self.0.read(&mut bytes);
        bytes
    }

    fn below(&mut self, limit: usize) -> usize {
        let bytes = self.bytes(8);
        usize::from_be_bytes(bytes.try_into().unwrap()) % limit
    }

    fn form(&mut self) -> Form {
        if self.below(2) == 0 {
            Form::Text
        } else {
            Form::Bytes
        }
    }

    /// Mostly short, sometimes none, sometimes long.
    fn value(&mut self) -> Vec<u8> {
        let limit = [1, 20, 200, 2_000][self.below(4)];
        let length = self.below(limit);
        self.bytes(length)
    }

    fn context(&mut self) -> Vec<String> {
        let ids = ["people.extras", "", "Mitarbeiter.größe", "a\0b.c"];
        let mut parts = vec![ids[self.below(ids.len())].to_owned()];
        for _ in 0..self.below(3) {
            parts.push(format!("{:x}", self.below(1 << 30)));
        }
        parts
    }

    /// Three keys, in an order of its own.
    fn keys(&mut self) -> Vec<[u8; 32]> {
        let first = self.below(3);
        (0..3)
            .map(|n| [17 * ((first + n) % 3 + 1) as u8; 32])
            .collect()
    }
}

fn keyring(keys: &[[u8; 32]]) -> Keyring {
    let mut keys = keys.iter().map(|&bytes| Key::from_bytes(bytes));
    Keyring::new(keys.next().unwrap(), keys.collect()).unwrap()
}

fn context(parts: &[String]) -> Context {
    let column = Context::new(&parts[0]);
    if parts.len() > 1 {
        column.with_row(&parts[1..])
    } else {
        column
    }
}

fn request(op: &str, form: Form, keys: &[[u8; 32]], context: &[String], value: &[u8]) -> Value {
    let keys: Vec<_> = keys
        .iter()
        .map(|&k| Key::from_bytes(k).to_base64url().to_string())
        .collect();
    let form = if form == Form::Text { "text" } else { "bytes" };
    let value = base64_simd::STANDARD.encode_to_string(value);
    json!({"op": op, "form": form, "keys": keys, "context": context, "value": value})
}

fn value(answer: &Value) -> Vec<u8> {
    let text = answer["value"]
        .as_str()
        .unwrap_or_else(|| panic!("{answer}"));
    base64_simd::STANDARD.decode_to_vec(text).unwrap()
}

fn rust_seals_python_opens(suite: Suite) {
    let mut random = Random::new(&format!("rust seals {suite}"));
    let (mut requests, mut wanted) = (Vec::new(), Vec::new());
    for _ in 0..VALUES {
        let (form, keys, parts, value) = (
            random.form(),
            random.keys(),
            random.context(),
            random.value(),
        );
        let ring = keyring(&keys);
        let token = seal_one(&ring, suite, 1_767_225_600, form, &context(&parts), &value).unwrap();
        let mut shuffled = keys;
        shuffled.rotate_left(random.below(3)); // theirs may have another primary
        requests.push(request("open", form, &shuffled, &parts, &token));
        wanted.push((ring.primary().id().to_string(), value));
    }
    let answers = ask(requests);
    for (answer, (key, clear)) in answers.iter().zip(&wanted) {
        assert_eq!(answer["suite"], suite.name(), "{answer}");
        assert_eq!(answer["key"], **key, "{answer}");
        assert_eq!(value(answer), *clear);
    }
    assert_eq!(answers.len(), VALUES);
}

fn python_seals_rust_opens(suite: Suite) {
    let mut random = Random::new(&format!("python seals {suite}"));
    let (mut requests, mut wanted) = (Vec::new(), Vec::new());
    for _ in 0..VALUES {
        let (form, keys, parts, value) = (
            random.form(),
            random.keys(),
            random.context(),
            random.value(),
        );
        let mut request = request("seal", form, &keys, &parts, &value);
        request["suite"] = json!(suite.name());
        requests.push(request);
        wanted.push((form, keys, parts, value, random.below(3)));
    }
    let answers = ask(requests);
    let mut clear = Vec::new();
    for (answer, (form, keys, parts, plain, turn)) in answers.iter().zip(wanted) {
        let sealed_by = Key::from_bytes(keys[0]).id();
        let mut shuffled = keys;
        shuffled.rotate_left(turn);
        let mut opener = FieldOpener::new(&keyring(&shuffled));
        let sealed = opener
            .open(form, &context(&parts), &value(answer), &mut clear)
            .unwrap();
        assert_eq!((sealed.suite, sealed.key), (suite, sealed_by));
        assert_eq!(clear, plain);
    }
    assert_eq!(answers.len(), VALUES);
}

#[test]
fn rust_seals_python_opens_xaes_256_gcm() {
    rust_seals_python_opens(Suite::Xaes256Gcm);
}

#[test]
fn rust_seals_python_opens_a256cbc_hs512() {
    rust_seals_python_opens(Suite::A256CbcHs512);
}

#[test]
fn rust_seals_pyca_multifernet_opens() {
    rust_seals_python_opens(Suite::Fernet);
}

#[test]
fn python_seals_rust_opens_xaes_256_gcm() {
    python_seals_rust_opens(Suite::Xaes256Gcm);
}

#[test]
fn python_seals_rust_opens_a256cbc_hs512() {
    python_seals_rust_opens(Suite::A256CbcHs512);
}

#[test]
fn pyca_multifernet_seals_rust_opens() {
    python_seals_rust_opens(Suite::Fernet);
}

/// An object's length: mostly short, sometimes at or around a chunk's border.
fn object(random: &mut Random) -> Vec<u8> {
    let length = match random.below(20) {
        0 => 16_383 + random.below(3),
        1 => random.below(40_000),
        _ => random.below(300),
    };
    random.bytes(length)
}

fn object_request(op: &str, keys: &[[u8; 32]], id: &[u8], value: &[u8]) -> Value {
    let mut request = request(op, Form::Bytes, keys, &[], value);
    request["id"] = json!(base64_simd::STANDARD.encode_to_string(id));
    request
}

#[test]
fn rust_seals_pyca_cobblestone_256_opens() {
    let mut random = Random::new("rust seals objects");
    let (mut requests, mut wanted) = (Vec::new(), Vec::new());
    for n in 0..VALUES {
        let (keys, clear) = (random.keys(), object(&mut random));
        let length = random.below(40);
        let id = random.bytes(length);
        let mut sealed = seal_object(&keyring(&keys), &id, &clear).unwrap();
        let damaged = n % 10 == 0;
        if damaged {
            let at = random.below(sealed.len());
            sealed[at] ^= 1 << random.below(8);
            assert!(open_object(&keyring(&keys), &id, &sealed).is_err());
        }
        requests.push(object_request("object_open", &keys, &id, &sealed));
        wanted.push((!damaged).then_some((keys, clear)));
    }
    for (answer, wanted) in ask(requests).iter().zip(&wanted) {
        let Some((keys, clear)) = wanted else {
            assert!(answer["error"].is_string(), "{answer}");
            continue;
        };
        assert_eq!(answer["key"], *Key::from_bytes(keys[0]).id().to_string());
        assert_eq!(value(answer), *clear);
    }
}

#[test]
fn pyca_cobblestone_256_seals_rust_opens() {
    let mut random = Random::new("python seals objects");
    let (mut requests, mut wanted) = (Vec::new(), Vec::new());
    for _ in 0..VALUES {
        let (keys, clear) = (random.keys(), object(&mut random));
        let length = random.below(40);
        let id = random.bytes(length);
        requests.push(object_request("object_seal", &keys, &id, &clear));
        wanted.push((keys, id, clear));
    }
    for (answer, (keys, id, clear)) in ask(requests).iter().zip(wanted) {
        let opened = open_object(&keyring(&keys), &id, &value(answer)).unwrap();
        assert_eq!(opened, clear);
    }
}

/// Both read 10,000 damaged, moved, foreign and merely similar values alike.
#[test]
fn both_classify_alike() {
    let mut random = Random::new("classify");
    let (mut requests, mut ours) = (Vec::new(), Vec::new());
    let mut kinds = std::collections::BTreeMap::new();
    for _ in 0..VALUES {
        let suite = Suite::ALL[random.below(3)];
        let (form, mut keys, mut parts) = (random.form(), random.keys(), random.context());
        let clear = random.bytes(5);
        let here = context(&parts);
        let mut stored =
            seal_one(&keyring(&keys), suite, 1_767_225_600, form, &here, &clear).unwrap();
        match random.below(7) {
            0 => stored.truncate(random.below(stored.len())),
            1 => stored.truncate(random.below(16)),
            2 => {
                let at = random.below(stored.len());
                stored[at] ^= 1 << random.below(8);
            }
            3 => stored[..12]
                .iter_mut()
                .for_each(|b| *b ^= u8::from(random.below(12) == 0)),
            4 => parts.push("elsewhere".to_owned()),
            5 => keys = vec![[99; 32]],
            _ => {} // as it is
        }
        let mut out = Vec::new();
        let read =
            FieldOpener::new(&keyring(&keys)).read(form, &context(&parts), &stored, &mut out);
        let clear = base64_simd::STANDARD.encode_to_string(&out);
        let answer = match read {
            Stored::Plaintext => json!({"stored": "plaintext", "value": clear}),
            Stored::Sealed(sealed) => json!({
                "stored": "sealed",
                "suite": sealed.suite.name(),
                "key": sealed.key.to_string(),
                "value": clear,
            }),
            Stored::Undecryptable(u) => json!({
                "stored": "undecryptable",
                "suite": u.suite.map(Suite::name),
                "key": u.key.map(|id| id.to_string()),
                "key_known": u.key_known,
            }),
        };
        *kinds.entry(answer["stored"].to_string()).or_insert(0) += 1;
        requests.push(request("read", form, &keys, &parts, &stored));
        ours.push((stored, answer));
    }
    let theirs = ask(requests);
    for ((stored, ours), theirs) in ours.iter().zip(&theirs) {
        assert_eq!(ours, theirs, "{}", String::from_utf8_lossy(stored));
    }
    assert!(
        kinds.len() == 3 && kinds.values().all(|&n| n > 200),
        "{kinds:?}"
    );
}
