//! Golden files: one per suite, written once, opened by every later version. They
//! hold fixed tokens with everything needed to open them.
//!
//! `golden/*.json` never change. A new format gets a new file, from
//! `cargo test -p atrest-core --test golden -- --ignored`, which writes only what
//! is missing.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::PathBuf;

use atrest_core::object::{open_object, seal_object};
use atrest_core::{Context, FieldOpener, Form, Key, Keyring, Sealed, Stored, Suite, seal_one};
use serde_json::{Value, json};

const LENGTHS: [usize; 12] = [0, 1, 2, 3, 15, 16, 17, 31, 32, 64, 255, 370];
const CONTEXTS: [&[&str]; 4] = [
    &["people.extras"],
    &["people.extras", "17"],
    &["Mitarbeiter.größe", "DE", "-4"],
    &[""],
];

fn path(suite: Suite) -> PathBuf {
    format!("{}/tests/golden/{suite}.json", env!("CARGO_MANIFEST_DIR")).into()
}

fn context(parts: &[impl AsRef<str>]) -> Context {
    let column = Context::new(parts[0].as_ref());
    if parts.len() > 1 {
        column.with_row(&parts[1..])
    } else {
        column
    }
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn from_hex(hex: &Value) -> Vec<u8> {
    let hex = hex.as_str().unwrap();
    (0..hex.len())
        .step_by(2)
        .map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap())
        .collect()
}

fn check(suite: Suite) {
    let file: Value = serde_json::from_str(&std::fs::read_to_string(path(suite)).unwrap()).unwrap();
    assert_eq!(file["suite"], suite.name());
    let key = |text: &Value| Key::parse(text.as_str().unwrap()).unwrap();
    let keys = file["keys"].as_array().unwrap();
    let keyring = Keyring::new(
        Key::from_bytes([0xaa; 32]), // today's primary; the old keys only open
        keys.iter().map(|k| key(&k["key"])).collect(),
    )
    .unwrap();
    for k in keys {
        assert_eq!(key(&k["key"]).id().to_string(), k["id"]);
    }
    let mut opener = FieldOpener::new(&keyring);
    let (mut clear, mut ran) = (Vec::new(), 0);
    for case in file["cases"].as_array().unwrap() {
        let (form, token) = match case["form"].as_str().unwrap() {
            "text" => (
                Form::Text,
                case["token"].as_str().unwrap().as_bytes().to_vec(),
            ),
            _ => (Form::Bytes, from_hex(&case["token_hex"])),
        };
        let parts: Vec<String> = serde_json::from_value(case["context"].clone()).unwrap();
        let stored = opener.read(form, &context(&parts), &token, &mut clear);
        let key = case["key"].as_str().unwrap().parse().unwrap();
        assert_eq!(stored, Stored::Sealed(Sealed { suite, key }), "{case}");
        assert_eq!(clear, from_hex(&case["plaintext_hex"]), "{case}");
        ran += 1;
    }
    assert_eq!(ran, 2 * 2 * LENGTHS.len());
}

#[test]
fn golden_xaes_256_gcm() {
    check(Suite::Xaes256Gcm);
}

#[test]
fn golden_fernet() {
    check(Suite::Fernet);
}

#[test]
fn golden_a256cbc_hs512() {
    check(Suite::A256CbcHs512);
}

/// Objects of lengths around the borders of a chunk; their content is told by its
/// length, so that the file stays small.
fn object_content(length: usize) -> Vec<u8> {
    (0..length).map(|i| (7 * i + length) as u8).collect()
}

#[test]
fn golden_cobblestone_256() {
    let folder = env!("CARGO_MANIFEST_DIR");
    let file = std::fs::read_to_string(format!("{folder}/tests/golden/cobblestone-256.json"));
    let file: Value = serde_json::from_str(&file.unwrap()).unwrap();
    let key = Key::parse(file["key"].as_str().unwrap()).unwrap();
    let keyring = Keyring::new(Key::from_bytes([0xaa; 32]), vec![key]).unwrap();
    let mut ran = 0;
    for case in file["cases"].as_array().unwrap() {
        let id = case["id"].as_str().unwrap();
        let length = case["length"].as_u64().unwrap();
        let object = base64_simd::STANDARD.decode_to_vec(case["object"].as_str().unwrap());
        let clear = open_object(&keyring, id.as_bytes(), &object.unwrap()).unwrap();
        assert_eq!(
            clear,
            object_content(length.try_into().unwrap()),
            "{length}"
        );
        ran += 1;
    }
    assert_eq!(ran, OBJECT_LENGTHS.len());
}

const OBJECT_LENGTHS: [usize; 6] = [0, 1, 100, 16_383, 16_384, 16_385];

#[test]
#[ignore = "writes the golden file of objects where there is none; run by hand"]
fn write_missing_golden_objects() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/golden/cobblestone-256.json"
    );
    if std::path::Path::new(path).exists() {
        return;
    }
    let key: [u8; 32] = std::array::from_fn(|i| i as u8 + 1);
    let keyring = Keyring::new(Key::from_bytes(key), vec![]).unwrap();
    let cases: Vec<Value> = OBJECT_LENGTHS
        .into_iter()
        .zip(
            ["", "gate/2026-11-22.mp4", "größe/雪.png"]
                .into_iter()
                .cycle(),
        )
        .map(|(length, id)| {
            let object = seal_object(&keyring, id.as_bytes(), &object_content(length)).unwrap();
            let object = base64_simd::STANDARD.encode_to_string(object);
            json!({"id": id, "length": length, "object": object})
        })
        .collect();
    let key = Key::from_bytes(key);
    let file = json!({
        "suite": "cobblestone-256",
        "content": "byte i of an object of n clear bytes is (7 i + n) mod 256",
        "key": *key.to_base64url(),
        "key_id": key.id().to_string(),
        "cases": cases,
    });
    std::fs::write(path, serde_json::to_string_pretty(&file).unwrap() + "\n").unwrap();
}

#[test]
#[ignore = "writes golden files that do not exist yet; run by hand for a new suite"]
fn write_missing_golden_files() {
    for suite in Suite::ALL
        .into_iter()
        .filter(|&suite| !path(suite).exists())
    {
        let keyrings = [1u8, 101].map(|first| {
            let bytes: Vec<u8> = (first..first + 32).collect();
            Keyring::new(Key::from_bytes(bytes.try_into().unwrap()), vec![]).unwrap()
        });
        let mut cases = Vec::new();
        for keyring in &keyrings {
            for form in [Form::Text, Form::Bytes] {
                for (n, length) in LENGTHS.into_iter().enumerate() {
                    let parts = CONTEXTS[n % CONTEXTS.len()];
                    let plaintext: Vec<u8> = (0..length).map(|i| (7 * i + n) as u8).collect();
                    let token = seal_one(
                        keyring,
                        suite,
                        1_767_225_600,
                        form,
                        &context(parts),
                        &plaintext,
                    )
                    .unwrap();
                    let key = keyring.primary().id().to_string();
                    let plaintext = to_hex(&plaintext);
                    cases.push(match form {
                        Form::Text => json!({
                            "form": "text", "key": key, "context": parts, "plaintext_hex": plaintext,
                            "token": String::from_utf8(token).unwrap(),
                        }),
                        Form::Bytes => json!({
                            "form": "bytes", "key": key, "context": parts, "plaintext_hex": plaintext,
                            "token_hex": to_hex(&token),
                        }),
                    });
                }
            }
        }
        let keys: Vec<Value> = keyrings
            .iter()
            .map(
                |k| json!({"id": k.primary().id().to_string(), "key": *k.primary().to_base64url()}),
            )
            .collect();
        let file = json!({"suite": suite.name(), "keys": keys, "cases": cases});
        std::fs::write(
            path(suite),
            serde_json::to_string_pretty(&file).unwrap() + "\n",
        )
        .unwrap();
    }
}
