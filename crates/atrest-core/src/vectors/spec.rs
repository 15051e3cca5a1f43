//! The worked examples of spec/formats.md, each made again from its inputs.

use std::collections::HashMap;

use super::hex;
use crate::fernet::FernetKey;
use crate::hazmat::{Mac, Xaes256Gcm};
use crate::object::{ObjectSealer, open_object};
use crate::{Context, FieldOpener, Form, Key, KeyWrapper, Keyring, Purpose, Stored, Suite};
use crate::{base64, field_cbc_hmac, header};

/// `name = value` of every indented line, by section.
fn examples() -> HashMap<String, HashMap<String, String>> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../spec/formats.md");
    let text = std::fs::read_to_string(path).unwrap();
    let mut sections: HashMap<String, HashMap<String, String>> = HashMap::new();
    let mut section = String::new();
    for line in text.lines() {
        if let Some(title) = line.strip_prefix("## ") {
            section = title.replace('`', "");
        }
        if let Some((name, value)) = line
            .strip_prefix("    ")
            .and_then(|line| line.split_once(" = "))
        {
            let values = sections.entry(section.clone()).or_default();
            values.insert(name.trim().to_owned(), value.to_owned());
        }
    }
    sections
}

fn key() -> Key {
    Key::parse(&examples()["Keys"]["key"]).unwrap()
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn column() -> Context {
    Context::new("people.extras")
}

/// The example's token opens in its place through the public door.
fn opens(suite: Suite, context: &Context, forms: [(Form, &[u8]); 2]) {
    let keyring = Keyring::new(key(), vec![]).unwrap();
    for (form, token) in forms {
        let mut clear = Vec::new();
        let stored = FieldOpener::new(&keyring).read(form, context, token, &mut clear);
        assert!(
            matches!(stored, Stored::Sealed(s) if s.suite == suite),
            "{stored:?}"
        );
        assert_eq!(clear, b"born 1912");
        assert_eq!(token.len() as u64, suite.token_len(form, 9));
    }
}

#[test]
fn spec_keys_and_subkeys() {
    let sections = examples();
    let key = key();
    assert_eq!(*key.to_base64url(), sections["Keys"]["printed"]);
    assert_eq!(key.id().to_string(), sections["Keys"]["key id"]);
    let subkeys = &sections["Purposes"];
    let derived = |purpose| to_hex(&key.derive::<32>(purpose)[..]);
    assert_eq!(
        derived(Purpose::FieldXaes256Gcm),
        subkeys["field/xaes-256-gcm"]
    );
    assert_eq!(derived(Purpose::Journal), subkeys["journal"]);
    assert_eq!(derived(Purpose::Backup), subkeys["backup"]);
    let long = to_hex(&key.derive::<64>(Purpose::FieldA256CbcHs512)[..]);
    assert_eq!(long, subkeys["field/a256cbc-hs512"]);
    assert_eq!(
        derived(Purpose::ObjectCobblestone256),
        subkeys["object/cobblestone-256"]
    );
    for purpose in [
        Purpose::KeyWrap,
        Purpose::Keyring,
        Purpose::SubjectTag,
        Purpose::SubjectRecord,
        Purpose::Receipt,
    ] {
        assert_eq!(derived(purpose), subkeys[purpose.label()]);
    }
}

#[test]
fn spec_wrapped_key() {
    let example = &examples()["Wrapped key"];
    let wrapped = hex(&example["wrapped"]);
    let opened = KeyWrapper::new(&key()).unwrap(&wrapped, &column()).unwrap();
    assert_eq!(to_hex(opened.expose_secret()), example["key"]);
    assert_eq!(wrapped[5..29], hex(&example["nonce"]));
}

#[test]
fn spec_objects() {
    let example = &examples()["Objects: suite cobblestone-256"];
    let keyring = Keyring::new(key(), vec![]).unwrap();
    let id = example["logical id"].as_bytes();
    let salt: [u8; 24] = hex(&example["salt"]).try_into().unwrap();
    let mut sealer = ObjectSealer::with_salt(&keyring, id, &salt).unwrap();
    let mut last = vec![0; example["clear"].len() + 16];
    let chunks = sealer.chunks(example["clear"].len()).unwrap();
    chunks.seal(example["clear"].as_bytes(), &mut last).unwrap();
    let object = [sealer.prologue(), &last[..]].concat();
    assert_eq!(to_hex(&object), example["object"]);
    let clear = open_object(&keyring, id, &object).unwrap();
    assert_eq!(clear, example["clear"].as_bytes());
}

#[test]
fn spec_contexts() {
    let contexts = &examples()["Context"];
    let row = column().with_row(["17"]);
    assert_eq!(
        to_hex(column().encoded()),
        contexts["context \"people.extras\""]
    );
    assert_eq!(
        to_hex(row.encoded()),
        contexts["context \"people.extras\", row \"17\""]
    );
}

#[test]
fn spec_xaes_256_gcm() {
    let example = &examples()["Suite xaes-256-gcm"];
    let (key, context) = (key(), column().with_row(["17"]));
    let head = header::bytes(Suite::Xaes256Gcm, key.id()).unwrap();
    let nonce: [u8; 24] = hex(&example["nonce"]).try_into().unwrap();
    let aad = [&head[..], context.encoded()].concat();
    let cipher = Xaes256Gcm::new(&key.derive(Purpose::FieldXaes256Gcm));
    let mut message = b"born 1912".to_vec();
    cipher
        .seal_in_place_append_tag(&nonce, &aad, &mut message)
        .unwrap();
    let token = [&head[..], &nonce, &message].concat();
    assert_eq!(to_hex(&token), example["bytes form"]);
    let text = format!("ar1.{}", base64::URL.encode_to_string(&token));
    assert_eq!(text, example["text form"]);
    opens(
        Suite::Xaes256Gcm,
        &context,
        [(Form::Bytes, &token), (Form::Text, text.as_bytes())],
    );
    let derived: [u8; 32] = hex(&example["derived key"]).try_into().unwrap();
    let mut direct = vec![0; 9 + 16];
    let subkey = crate::xaes::Subkey::new(&derived).unwrap();
    subkey
        .seal_into(
            nonce[12..].try_into().unwrap(),
            &aad,
            b"born 1912",
            &mut direct,
        )
        .unwrap();
    assert_eq!(direct, message);
}

#[test]
fn spec_a256cbc_hs512() {
    let example = &examples()["Suite a256cbc-hs512"];
    let keyring = Keyring::new(key(), vec![]).unwrap();
    let head = header::bytes(Suite::A256CbcHs512, key().id()).unwrap();
    let iv = hex(&example["IV"]).try_into().unwrap();
    let aad = [&head[..], column().encoded()].concat();
    let cipher = keyring.primary_member().cbc_hmac();
    let mut token = Vec::new();
    field_cbc_hmac::seal(cipher, &head, &iv, &aad, b"born 1912", &mut token);
    assert_eq!(to_hex(&token), example["bytes form"]);
    let text = format!("ar1.{}", base64::URL.encode_to_string(&token));
    assert_eq!(text, example["text form"]);
    opens(
        Suite::A256CbcHs512,
        &column(),
        [(Form::Bytes, &token), (Form::Text, text.as_bytes())],
    );
}

#[test]
fn spec_fernet() {
    let example = &examples()["Suite fernet"];
    let iv = hex(&example["IV"]).try_into().unwrap();
    let time = example["time"].parse().unwrap();
    let mut token = Vec::new();
    let fernet = FernetKey::new(key().expose_secret());
    fernet.seal(time, &iv, b"born 1912", &mut Vec::new(), &mut token);
    assert_eq!(token, example["token"].as_bytes());
    opens(
        Suite::Fernet,
        &column(),
        [(Form::Bytes, &token), (Form::Text, &token)],
    );
}

#[test]
fn spec_journal_record_mac() {
    let example = &examples()["Journal record MAC"];
    let unquote = |name: &str| {
        let quoted = example[name]
            .strip_prefix('"')
            .and_then(|text| text.strip_suffix('"'));
        quoted.unwrap().to_owned()
    };
    let (name, body) = (unquote("name"), unquote("body"));
    let length = u32::try_from(name.len()).unwrap().to_be_bytes();
    let message = [&length[..], name.as_bytes(), body.as_bytes()];
    let mac = Mac::new(&key(), Purpose::Journal);
    assert_eq!(to_hex(&mac.tag(&message)), example["mac"]);
}
