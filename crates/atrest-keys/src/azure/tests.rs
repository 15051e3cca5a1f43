//! URIs, and the layout of a wrapped key, without a network.

use atrest_core::{Context, Key, KeyWrapper};

use super::Item;
use super::key::{pack, read_context, unpack};
use crate::{KeySourceError, Settings, source};

const VERSION: &str = "0123456789abcdef0123456789abcdef";

#[test]
fn a_uri_names_vault_item_and_version() {
    let item = |rest: &str| Item::parse("azure-secret", rest).unwrap();
    let short = item("my-vault/field-key");
    assert_eq!(short.uri, "azure-secret:my-vault/field-key");
    assert_eq!(short.vault, "https://my-vault.vault.azure.net");
    assert_eq!((short.name.as_str(), short.version), ("field-key", None));
    let full = item(&format!(
        "https://my-vault.vault.azure.cn/field-key?version={VERSION}"
    ));
    assert_eq!(full.vault, "https://my-vault.vault.azure.cn");
    assert_eq!(full.version.as_deref(), Some(VERSION));
    assert_eq!(
        item("https://v.example:8443/k").vault,
        "https://v.example:8443"
    );
}

#[test]
fn what_is_no_uri_is_refused_and_never_shown() {
    let key = Key::from_bytes([0x5a; 32]);
    let hex = "5a".repeat(32);
    let base64 = key.to_base64url();
    for rest in [
        "",
        "vault",
        "vault/",
        "/name",
        "ab/name",
        "a-vault-whose-name-is-too-long/name",
        "vault/na_me",
        "vault/name/0123456789abcdef0123456789abcdef",
        "vault/../name",
        "vault/name?versoin=1",
        "vault/name?version=",
        "vault/name?version=latest",
        "vault/name?version=0123456789abcdef0123456789abcdef&version=0123456789abcdef0123456789abcdef",
        "vault/name#fragment",
        "http://my-vault.vault.azure.net/name",
        "https://my-vault.vault.azure.net",
        "https://my-vault.vault.azure.net/",
        "https://my-vault.vault.azure.net/secrets/name",
        "https://user:word@my-vault.vault.azure.net/name",
        "https://user@my-vault.vault.azure.net/name",
        "https://vault/name",
        "https://my-vault.vault.azure.net:port/name",
        "https://-x.azure.net/name",
        &hex,
        &base64,
        &format!("vault/{hex}"),
        &format!("https://my-vault.vault.azure.net/{hex}"),
        &format!("vault/name?version={hex}"),
        &format!("vault/name?{hex}"),
    ] {
        for scheme in ["azure-secret", "azure-key"] {
            let error = Item::parse(scheme, rest).unwrap_err();
            assert!(matches!(error, KeySourceError::BadUri { .. }), "{rest}");
            let text = format!("{error} {error:?}");
            assert!(
                text.contains(&format!("write {scheme}:VAULT/NAME")),
                "{text}"
            );
            for secret in [hex.as_str(), &base64, "user", "word"] {
                assert!(!text.contains(secret), "{text}");
            }
        }
    }
    let unknown = Item::parse("azure-key", "vault/name?versoin=1").unwrap_err();
    assert!(unknown.to_string().contains("`version`, the only one"));
}

#[test]
fn a_secret_delivers_and_a_key_wraps() {
    let settings = Settings::new(".");
    let secret = source::parse("azure-secret:vault/name", &settings).unwrap();
    let key = source::parse("azure-key:vault/name", &settings).unwrap();
    assert!(secret.delivers() && !key.delivers());
    assert_eq!(key.name(), "azure-key:vault/name");
}

#[test]
fn the_cloud_follows_the_vault_unless_a_variable_says_otherwise() {
    use crate::Environment;
    use azure_core::cloud::CloudConfiguration;
    let cloud = |rest: &str, env: &Environment| Item::parse("azure-key", rest).unwrap().cloud(env);
    let none = Environment::default();
    assert_eq!(cloud("vault/k", &none), CloudConfiguration::AzurePublic);
    assert_eq!(
        cloud("https://v.vault.usgovcloudapi.net/k", &none),
        CloudConfiguration::AzureGovernment
    );
    assert_eq!(
        cloud("https://v.vault.azure.cn:443/k", &none),
        CloudConfiguration::AzureChina
    );
    let authority = "https://login.example".to_owned();
    let env = Environment::new([("AZURE_AUTHORITY_HOST".to_owned(), authority.clone())]);
    match cloud("vault/k", &env) {
        CloudConfiguration::Custom(custom) => assert_eq!(custom.authority_host, authority),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_wrapped_key_is_read_as_it_was_written_and_no_other_is() {
    let sealed = KeyWrapper::new(&Key::from_bytes([1; 32]))
        .wrap(&Key::from_bytes([2; 32]), &Context::new("keyring"))
        .unwrap();
    let wrapped = pack([7; 16], &[8; 256], &sealed).unwrap();
    assert_eq!(wrapped.len(), 1 + 16 + 2 + 256 + 77);
    assert_eq!(
        unpack(&wrapped),
        Some((&[7; 16], &[8; 256][..], sealed.as_slice()))
    );
    for length in 0..wrapped.len() {
        assert_eq!(unpack(&wrapped[..length]), None);
    }
    let longer = [&wrapped[..], &[0]].concat();
    assert_eq!(unpack(&longer), None);
    let mut other = wrapped.clone();
    other[0] = 2;
    assert_eq!(unpack(&other), None);
    assert_eq!(unpack(&pack([7; 16], &[], &sealed).unwrap()), None);
    assert_eq!(pack([7; 16], &[0; 65536], &sealed), None);
}

#[test]
fn a_context_is_read_back_whole() {
    for context in [
        Context::new(""),
        Context::new("keyring"),
        Context::new("people.extras").with_row(["17", "", "Å"]),
    ] {
        assert_eq!(
            read_context(context.encoded()).unwrap().encoded(),
            context.encoded()
        );
    }
    for bytes in [
        &b""[..],
        b"\0",
        b"\0\0\0\x02a",
        b"\0\0\0\x01a\0",
        b"\0\0\0\x01\xff",
    ] {
        assert!(read_context(bytes).is_err(), "{bytes:?}");
    }
}

#[test]
fn spec_wrapped_key_by_azure_key_vault() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../spec/formats.md");
    let spec = std::fs::read_to_string(path).unwrap();
    let example = |name: &str| -> Vec<u8> {
        let start = format!("    {name} = ");
        let line = spec.lines().find_map(|line| line.strip_prefix(&start));
        let digits: String = line.unwrap().split(' ').collect();
        (0..digits.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap())
            .collect()
    };
    let wrapped = example("vault wrapped");
    let (version, between, sealed) = unpack(&wrapped).unwrap();
    assert_eq!(version.as_slice(), example("vault version"));
    assert_eq!(between, b"\xaa\xbb\xcc");
    assert_eq!(pack(*version, between, sealed).unwrap(), wrapped);
    // k is the key of all examples, and what it wraps that of "Wrapped key".
    let k = Key::parse(&(0..32).map(|n| format!("{n:02x}")).collect::<String>()).unwrap();
    let opened = KeyWrapper::new(&k)
        .unwrap(sealed, &Context::new("people.extras"))
        .unwrap();
    let want: Vec<u8> = (32..64).collect();
    assert_eq!(opened.expose_secret().as_slice(), want);
}
