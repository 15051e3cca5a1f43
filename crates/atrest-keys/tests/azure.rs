//! `azure-secret:` and `azure-key:` through Azure's SDK, against a stub of Key Vault
//! (REST, api-version 2025-07-01) and of Entra ID's token endpoint. Real keys under it:
//! the stub wraps by RSA-OAEP-256. It is no Key Vault: what it believes of the API is what
//! Microsoft has published of it. There are no pages in what is asked.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

mod cloud;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use atrest_core::{Context, Key};
use atrest_keys::{Environment, KeySourceError, RemoteProblem};
use aws_lc_rs::rsa::{
    KeySize, OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey, OaepPublicEncryptingKey,
    PrivateDecryptingKey,
};
use base64_simd::URL_SAFE_NO_PAD as BASE64URL;
use cloud::{Answer, Asked, Next, Stub, gateway, key, nothing, parse, refused, unreachable};
use serde_json::json;

const TENANT: &str = "11111111-2222-3333-4444-555555555555";
const CLIENT: &str = "66666666-7777-8888-9999-000000000000";
const CLIENT_SECRET: &str = "client~secret/with+signs";
const TOKEN: &str = "access.token.of-the-stub";
const OLD: &str = "0123456789abcdef0123456789abcdef";
const NEW: &str = "fedcba9876543210fedcba9876543210";
const SECRET: &str = "azure-secret:my-vault/field-key";
const KEY: &str = "azure-key:my-vault/root";
const HOSTS: [&str; 3] = [
    "*.vault.azure.net",
    "*.vault.example",
    "login.microsoftonline.com",
];
const API: &str = "api-version=2025-07-01";

/// What the vault holds.
struct Vault {
    stub: Stub,
    secret: Arc<Mutex<String>>,
    newest: Arc<Mutex<&'static str>>,
    /// Answers of the vault, after login.
    next: Next,
    /// Answers of the token endpoint.
    login: Next,
}

impl Vault {
    fn start() -> Self {
        let (secret, newest) = (Arc::new(Mutex::new(key(7).1)), Arc::new(Mutex::new(OLD)));
        let (next, login) = (Next::default(), Next::default());
        let keys = [OLD, NEW].map(|version| {
            let key = PrivateDecryptingKey::generate(KeySize::Rsa2048).unwrap();
            (version, key)
        });
        let api = {
            let (secret, newest) = (Arc::clone(&secret), Arc::clone(&newest));
            let (next, login) = (next.clone(), login.clone());
            move |asked: &Asked| {
                if asked.line.contains("/oauth2/") {
                    let token =
                        json!({"token_type": "Bearer", "expires_in": 3599, "access_token": TOKEN});
                    return login.take().unwrap_or_else(|| Answer::json(200, token));
                }
                if asked.header("authorization").is_none() {
                    return challenge("https://vault.azure.net");
                }
                if asked.header("authorization") != Some(&format!("Bearer {TOKEN}")) {
                    return challenge("https://vault.azure.net");
                }
                next.take().unwrap_or_else(|| {
                    let path: Vec<_> = asked.line.split(['/', '?']).skip(3).collect();
                    match path.as_slice() {
                        ["secrets", "field-key", version, API] => {
                            let version = if version.is_empty() { OLD } else { version };
                            Answer::json(200, json!({
                                "value": *secret.lock().unwrap(),
                                "id": format!("https://my-vault.vault.azure.net/secrets/field-key/{version}"),
                                "attributes": {"enabled": true, "created": 1, "updated": 1},
                            }))
                        }
                        ["keys", "root", version, verb, API] => {
                            let newest = *newest.lock().unwrap();
                            let version = if version.is_empty() { newest } else { version };
                            operate(&keys, version, verb, asked)
                        }
                        _ => error(404, "SecretNotFound", None, "A secret with (name/id) was not found in this key vault."),
                    }
                })
            }
        };
        Self {
            stub: Stub::start(&HOSTS, api),
            secret,
            newest,
            next,
            login,
        }
    }

    fn env(&self) -> Environment {
        self.stub.env(&[
            ("AZURE_TENANT_ID", TENANT),
            ("AZURE_CLIENT_ID", CLIENT),
            ("AZURE_CLIENT_SECRET", CLIENT_SECRET),
        ])
    }
}

fn challenge(resource: &str) -> Answer {
    let said = format!(
        "Bearer authorization=\"https://login.microsoftonline.com/{TENANT}\", resource=\"{resource}\""
    );
    error(
        401,
        "Unauthorized",
        None,
        "AKV10000: Request is missing a Bearer or PoP token.",
    )
    .with_header("www-authenticate", &said)
}

fn error(status: u16, code: &str, inner: Option<&str>, message: &str) -> Answer {
    let mut body = json!({"error": {"code": code, "message": message}});
    if let Some(inner) = inner {
        body["error"]["innererror"] = json!({"code": inner});
    }
    Answer::json(status, body)
}

fn operate(
    keys: &[(&str, PrivateDecryptingKey)],
    version: &str,
    verb: &str,
    asked: &Asked,
) -> Answer {
    let Some((_, key)) = keys.iter().find(|(known, _)| *known == version) else {
        return error(
            404,
            "KeyNotFound",
            None,
            "A key with (name/id) was not found.",
        );
    };
    let body = asked.json();
    assert_eq!(body["alg"], "RSA-OAEP-256");
    assert_eq!(body.as_object().unwrap().len(), 2, "{body}");
    let value = BASE64URL
        .decode_to_vec(body["value"].as_str().unwrap())
        .unwrap();
    let mut out = vec![0; 256];
    let done = if verb == "wrapkey" {
        OaepPublicEncryptingKey::new(key.public_key())
            .unwrap()
            .encrypt(&OAEP_SHA256_MGF1SHA256, &value, &mut out, None)
            .map(|out| out.to_vec())
    } else {
        assert_eq!(verb, "unwrapkey");
        OaepPrivateDecryptingKey::new(key.clone())
            .unwrap()
            .decrypt(&OAEP_SHA256_MGF1SHA256, &value, &mut out, None)
            .map(|out| out.to_vec())
    };
    match done {
        Ok(out) => Answer::json(
            200,
            json!({
                "kid": format!("https://my-vault.vault.azure.net/keys/root/{version}"),
                "value": BASE64URL.encode_to_string(out),
            }),
        ),
        Err(_) => error(400, "BadParameter", None, "The parameter is incorrect."),
    }
}

#[test]
fn a_secret_is_asked_for_as_the_api_is_published() {
    let vault = Vault::start();
    let source = parse(SECRET);
    assert_eq!(source.name(), SECRET);
    let keys = source.keys(&vault.env()).unwrap();
    assert_eq!(keys.len(), 1);
    assert_eq!(keys[0].id(), key(7).0.id());
    // Asked once more within the time to live of what came: no request.
    source.keys(&vault.env()).unwrap();
    let asked = vault.stub.take();
    let lines: Vec<_> = asked.iter().map(|asked| asked.line.as_str()).collect();
    let get = format!("GET https://my-vault.vault.azure.net/secrets/field-key/?{API}");
    let token = format!("POST https://login.microsoftonline.com/{TENANT}/oauth2/v2.0/token");
    assert_eq!(lines, [get.as_str(), token.as_str(), get.as_str()]);
    assert_eq!(asked[0].header("authorization"), None);
    assert_eq!(
        asked[2].header("authorization"),
        Some(&*format!("Bearer {TOKEN}"))
    );
    assert_eq!(asked[2].header("accept"), Some("application/json"));
    let form = asked[1].form();
    let want = [
        ("client_id", CLIENT),
        ("client_secret", CLIENT_SECRET),
        ("grant_type", "client_credentials"),
        ("scope", "https://vault.azure.net/.default"),
    ];
    assert_eq!(form.len(), want.len());
    for (name, value) in want {
        assert_eq!(form[name], value);
    }
}

#[test]
fn a_version_and_a_list_of_keys() {
    let vault = Vault::start();
    let (new, old) = (key(1), key(2));
    *vault.secret.lock().unwrap() = format!("[\"{}\", \"{}\"]", new.1, old.1);
    let keys = parse(&format!("{SECRET}?version={NEW}"))
        .keys(&vault.env())
        .unwrap();
    let ids: Vec<_> = keys.iter().map(Key::id).collect();
    assert_eq!(ids, [new.0.id(), old.0.id()]);
    let last = vault.stub.lines().pop().unwrap();
    assert!(
        last.ends_with(&format!("/secrets/field-key/{NEW}?{API}")),
        "{last}"
    );
}

#[test]
fn a_secret_that_is_no_key_is_named_and_not_shown() {
    let vault = Vault::start();
    *vault.secret.lock().unwrap() = "hunter2hunter2".to_owned();
    let error = parse(SECRET).keys(&vault.env()).unwrap_err();
    assert!(matches!(error, KeySourceError::Malformed { .. }));
    let text = format!("{error} {error:?}");
    assert!(
        text.starts_with(SECRET) && !text.contains("hunter2"),
        "{text}"
    );

    *vault.secret.lock().unwrap() = String::new();
    let error = parse(SECRET).keys(&vault.env()).unwrap_err();
    assert!(matches!(error, KeySourceError::Empty { .. }), "{error}");

    vault.next.will_be([nothing()]);
    let (problem, text) = refused(parse(SECRET).keys(&vault.env()), SECRET, &[]);
    assert_eq!(problem, RemoteProblem::NoSuchField, "{text}");
}

#[test]
fn each_refusal_says_what_is_missing() {
    let vault = Vault::start();
    let secrets = [CLIENT_SECRET, TOKEN];
    let cases = [
        (
            error(
                403,
                "Forbidden",
                Some("ForbiddenByRbac"),
                "Caller is not authorized to perform action on resource.\r\nAction: \"Microsoft.KeyVault/vaults/secrets/getSecret/action\"",
            ),
            RemoteProblem::Denied,
            vec![
                "`Key Vault Secrets User`",
                "ForbiddenByRbac",
                "getSecret/action",
            ],
        ),
        (
            error(
                403,
                "Forbidden",
                Some("SecretDisabled"),
                "Operation get is not allowed on a disabled secret.",
            ),
            RemoteProblem::Unusable,
            vec!["SecretDisabled", "enable it"],
        ),
        (
            error(
                404,
                "SecretNotFound",
                None,
                "A secret with (name/id) field-key was not found.",
            ),
            RemoteProblem::NotFound,
            vec!["SecretNotFound", "az keyvault secret list"],
        ),
        (
            error(
                409,
                "Conflict",
                Some("ObjectIsBeingDeleted"),
                "Secret is being deleted.",
            ),
            RemoteProblem::Refused,
            vec!["ObjectIsBeingDeleted"],
        ),
    ];
    for (answer, problem, words) in cases {
        vault.next.will_be([answer]);
        let (got, text) = refused(parse(SECRET).keys(&vault.env()), SECRET, &secrets);
        assert_eq!(got, problem, "{text}");
        assert!(!text.contains('\n'), "{text}");
        for word in words {
            assert!(text.contains(word), "{word}: {text}");
        }
    }
    vault.stub.take();
    // A vault of another tenant refuses the token for good: no third attempt.
    vault.next.will_be([
        challenge("https://vault.azure.net"),
        challenge("https://vault.azure.net"),
    ]);
    let (got, text) = refused(parse(SECRET).keys(&vault.env()), SECRET, &secrets);
    assert_eq!(got, RemoteProblem::Unauthenticated, "{text}");
    assert_eq!(vault.stub.take().len(), 3);
}

#[test]
fn a_login_that_is_refused_or_fails() {
    let vault = Vault::start();
    let wrong = json!({
        "error": "invalid_client",
        "error_description": "AADSTS7000215: Invalid client secret provided.",
        "error_codes": [7_000_215],
    });
    vault.login.will_be([Answer::json(401, wrong)]);
    let (problem, text) = refused(parse(SECRET).keys(&vault.env()), SECRET, &[CLIENT_SECRET]);
    assert_eq!(problem, RemoteProblem::Unauthenticated, "{text}");
    assert!(
        text.contains("AADSTS7000215") && text.contains("AZURE_CLIENT_SECRET"),
        "{text}"
    );

    // Entra ID's gateway fails, and is there again.
    vault.login.will_be([gateway(503), gateway(429)]);
    parse(SECRET).keys(&vault.env()).unwrap();
    // It fails for good: not a refusal, so that what was kept may serve.
    vault.login.will_be([0; 9].map(|_| gateway(503)));
    let (problem, text) = refused(parse(SECRET).keys(&vault.env()), SECRET, &[CLIENT_SECRET]);
    assert_eq!(problem, RemoteProblem::Failed, "{text}");
}

#[test]
fn a_variable_that_is_missing_is_named() {
    let vault = Vault::start();
    let whole = [
        ("AZURE_TENANT_ID", TENANT),
        ("AZURE_CLIENT_ID", CLIENT),
        ("AZURE_CLIENT_SECRET", CLIENT_SECRET),
    ];
    for missing in ["AZURE_TENANT_ID", "AZURE_CLIENT_ID"] {
        let some: Vec<_> = whole
            .into_iter()
            .filter(|(name, _)| *name != missing)
            .collect();
        let (problem, text) = refused(
            parse(SECRET).keys(&vault.stub.env(&some)),
            SECRET,
            &[CLIENT_SECRET],
        );
        assert_eq!(problem, RemoteProblem::Unauthenticated);
        assert!(text.contains(&format!("{missing} is not set")), "{text}");
    }
    let file = ("AZURE_FEDERATED_TOKEN_FILE", "/nonexistent/token");
    let env = vault.stub.env(&[whole[0], whole[1], file]);
    let (problem, text) = refused(parse(SECRET).keys(&env), SECRET, &[]);
    assert_eq!(problem, RemoteProblem::Unauthenticated);
    assert!(text.contains("/nonexistent/token"), "{text}");
    let env = vault.stub.env(&[("AZURE_TOKEN_CREDENTIALS", "both")]);
    let (_, text) = refused(parse(SECRET).keys(&env), SECRET, &[]);
    assert!(text.contains("AZURE_TOKEN_CREDENTIALS"), "{text}");
}

#[test]
fn nobody_is_logged_in() {
    let vault = Vault::start();
    let env = vault.stub.env(&[("AZURE_TOKEN_CREDENTIALS", "dev")]);
    let (problem, text) = refused(parse(SECRET).keys(&env), SECRET, &[]);
    assert_eq!(problem, RemoteProblem::Unauthenticated, "{text}");
    assert!(text.contains("`az login`"), "{text}");
}

#[test]
fn an_answer_that_is_none() {
    let vault = Vault::start();
    let number = Answer::json(200, json!({"value": 1_234_567_890}));
    for answer in [gateway(200), number] {
        vault.next.will_be([0; 4].map(|_| answer.clone()));
        let result = parse(SECRET).keys(&vault.env());
        let (problem, text) = refused(result, SECRET, &["1234567890"]);
        assert_eq!(problem, RemoteProblem::Failed, "{text}");
    }
}

#[test]
fn a_pod_logs_in_by_its_token_file() {
    let vault = Vault::start();
    let file = vault.stub.file("token", "assertion.of.kubernetes");
    let env = vault.stub.env(&[
        ("AZURE_TENANT_ID", TENANT),
        ("AZURE_CLIENT_ID", CLIENT),
        ("AZURE_FEDERATED_TOKEN_FILE", &file),
    ]);
    parse(SECRET).keys(&env).unwrap();
    let form = vault.stub.take()[1].form();
    assert_eq!(form["client_assertion"], "assertion.of.kubernetes");
    assert_eq!(form["client_id"], CLIENT);
    assert_eq!(form["grant_type"], "client_credentials");
}

#[test]
fn throttled_or_failing_and_then_there_again() {
    let vault = Vault::start();
    for passing in [
        error(429, "Throttled", None, "Too many requests").with_header("retry-after", "1"),
        error(500, "InternalServerError", None, "Unexpected"),
        gateway(503),
    ] {
        let source = parse(SECRET);
        vault.next.will_be([passing.clone(), passing]);
        source.keys(&vault.env()).unwrap();
        let health = source.health().unwrap();
        assert_eq!((health.answered, health.failed), (1, 0));
    }
}

#[test]
fn grace_runs_while_the_vault_fails_and_not_when_it_refuses() {
    let vault = Vault::start();
    let source = parse(SECRET);
    source.keys(&vault.env()).unwrap();
    std::thread::sleep(Duration::from_millis(310));
    vault.next.will_be([0; 9].map(|_| gateway(502)));
    source.keys(&vault.env()).unwrap();
    assert!(source.health().unwrap().stale);
    vault
        .next
        .will_be([error(403, "Forbidden", Some("ForbiddenByPolicy"), "no")]);
    let (problem, _) = refused(source.keys(&vault.env()), SECRET, &[]);
    assert_eq!(problem, RemoteProblem::Denied);
}

#[test]
fn a_vault_that_nobody_reaches() {
    let env = Environment::new(
        [
            ("HTTPS_PROXY", "http://127.0.0.1:9"),
            ("AZURE_TENANT_ID", TENANT),
            ("AZURE_CLIENT_ID", CLIENT),
            ("AZURE_CLIENT_SECRET", CLIENT_SECRET),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned())),
    );
    unreachable(SECRET, &env);
    unreachable(KEY, &env);
}

#[test]
fn no_token_goes_to_a_host_that_is_no_vault() {
    // A host of somebody else asks for a token of Key Vault's.
    let stub = Stub::start(&HOSTS, |_| challenge("https://vault.azure.net"));
    let env = stub.env(&[
        ("AZURE_TENANT_ID", TENANT),
        ("AZURE_CLIENT_ID", CLIENT),
        ("AZURE_CLIENT_SECRET", CLIENT_SECRET),
    ]);
    let uri = "azure-secret:https://my.vault.example/field-key";
    let (problem, text) = refused(parse(uri).keys(&env), uri, &[CLIENT_SECRET]);
    assert!(!problem.is_transient(), "{text}");
    assert!(text.contains("doesn't match"), "{text}");
    let get = format!("GET https://my.vault.example/secrets/field-key/?{API}");
    assert_eq!(stub.lines(), [get]);
}

#[test]
fn an_authority_that_is_not_trusted_is_not_asked() {
    let (vault, other) = (Vault::start(), Vault::start());
    let authority = other.stub.env(&[]);
    let env = vault.stub.env(&[
        ("SSL_CERT_FILE", authority.get("SSL_CERT_FILE").unwrap()),
        ("AZURE_TENANT_ID", TENANT),
        ("AZURE_CLIENT_ID", CLIENT),
        ("AZURE_CLIENT_SECRET", CLIENT_SECRET),
    ]);
    unreachable(SECRET, &env);
    assert!(vault.stub.take().is_empty());
    for (name, value) in [
        ("SSL_CERT_FILE", "/nonexistent.pem"),
        ("HTTPS_PROXY", "::user:word"),
    ] {
        let env = vault.stub.env(&[(name, value)]);
        let (problem, text) = refused(parse(SECRET).keys(&env), SECRET, &["word"]);
        assert_eq!(problem, RemoteProblem::Refused);
        assert!(text.contains(name), "{text}");
    }
}

#[test]
fn a_key_wraps_and_unwraps_as_the_api_is_published() {
    let vault = Vault::start();
    let source = parse(KEY);
    let place = Context::new("keyring").with_row(["1"]);
    let (data, text) = key(9);
    assert!(matches!(
        source.keys(&vault.env()),
        Err(KeySourceError::WrapsOnly { .. })
    ));
    let wrapped = source.wrap_key(&data, &place, &vault.env()).unwrap();
    let lines = vault.stub.lines();
    let post = |version, verb| {
        format!("POST https://my-vault.vault.azure.net/keys/root/{version}/{verb}?{API}")
    };
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[2], post("", "wrapkey"));

    for _ in 0..5 {
        let opened = source.unwrap_key(&wrapped, &place, &vault.env()).unwrap();
        assert_eq!(opened.id(), data.id());
    }
    let asked = vault.stub.take();
    assert_eq!(asked.len(), 3, "asked once for five");
    assert_eq!(asked[0].line, post(OLD, "unwrapkey"));
    // Azure's SDK sends no body before it knows whom to.
    assert!(asked[0].body.is_empty());
    assert_eq!(asked[2].line, post(OLD, "unwrapkey"));
    assert_eq!(asked[2].header("content-type"), Some("application/json"));
    assert_eq!(
        asked[2].header("authorization"),
        Some(&*format!("Bearer {TOKEN}"))
    );
    // The data key itself never goes to the vault, wrapped or not.
    for asked in &asked {
        assert!(!String::from_utf8_lossy(&asked.body).contains(&text));
    }

    // The vault's key was rotated: what the old version wrapped opens, new is by the new.
    *vault.newest.lock().unwrap() = NEW;
    let source = parse(KEY);
    source.unwrap_key(&wrapped, &place, &vault.env()).unwrap();
    let again = source.wrap_key(&data, &place, &vault.env()).unwrap();
    vault.stub.take();
    source.unwrap_key(&again, &place, &vault.env()).unwrap();
    assert_eq!(vault.stub.lines()[2], post(NEW, "unwrapkey"));
    // A pinned version wraps.
    let pinned = parse(&format!("{KEY}?version={OLD}"));
    pinned.wrap_key(&data, &place, &vault.env()).unwrap();
    assert_eq!(vault.stub.lines()[2], post(OLD, "wrapkey"));
}

#[test]
fn what_another_key_or_place_wrapped_is_refused() {
    let (vault, other) = (Vault::start(), Vault::start());
    let place = Context::new("keyring");
    let wrapped = parse(KEY)
        .wrap_key(&key(9).0, &place, &vault.env())
        .unwrap();
    let fails = |wrapped: &[u8], place: &Context, vault: &Vault| {
        let result = parse(KEY).unwrap_key(wrapped, place, &vault.env());
        refused(result, KEY, &[CLIENT_SECRET])
    };
    for (problem, text) in [
        fails(&wrapped, &place, &other),
        fails(&wrapped, &Context::new("elsewhere"), &vault),
        fails(&wrapped[..wrapped.len() - 1], &place, &vault),
        fails(b"", &place, &vault),
        fails(&[1; 77], &place, &vault),
    ] {
        assert_eq!(problem, RemoteProblem::NotItsKey, "{text}");
    }
    // One flipped bit anywhere: of the layout, the version, what RSA wrapped, what is
    // sealed.
    for at in [0, 1, 17, 18, 20, 200, 274, 275, 280, wrapped.len() - 1] {
        let mut damaged = wrapped.clone();
        damaged[at] ^= 1;
        let (problem, text) = fails(&damaged, &place, &vault);
        let no_such_version = (1..17).contains(&at);
        let want = if no_such_version {
            RemoteProblem::NotFound
        } else {
            RemoteProblem::NotItsKey
        };
        assert_eq!(problem, want, "{at}: {text}");
    }
}

#[test]
fn refusals_of_a_key() {
    let vault = Vault::start();
    let place = Context::new("keyring");
    let wrap = || {
        refused(
            parse(KEY).wrap_key(&key(9).0, &place, &vault.env()),
            KEY,
            &[CLIENT_SECRET],
        )
    };
    for (answer, want, word) in [
        (
            error(
                403,
                "Forbidden",
                Some("ForbiddenByRbac"),
                "Caller is not authorized.",
            ),
            RemoteProblem::Denied,
            "`Key Vault Crypto Service Encryption User`",
        ),
        (
            error(
                403,
                "Forbidden",
                Some("KeyDisabled"),
                "Operation wrapKey is not allowed on a disabled key.",
            ),
            RemoteProblem::Unusable,
            "enable it",
        ),
        (
            error(
                403,
                "Forbidden",
                None,
                "Operation wrapKey is not allowed on an expired key.",
            ),
            RemoteProblem::Unusable,
            "valid now",
        ),
        (
            error(400, "BadParameter", None, "Key and algorithm do not match."),
            RemoteProblem::Format,
            "--kty RSA",
        ),
        (
            error(404, "KeyNotFound", None, "not found"),
            RemoteProblem::NotFound,
            "az keyvault key list",
        ),
        (nothing(), RemoteProblem::Failed, "Key Vault"),
    ] {
        vault.next.will_be([0; 4].map(|_| answer.clone()));
        let (problem, text) = wrap();
        assert_eq!(problem, want, "{text}");
        assert!(text.contains(word), "{text}");
        vault.next.will_be([]);
    }
    vault.next.will_be([gateway(429), gateway(500)]);
    parse(KEY)
        .wrap_key(&key(9).0, &place, &vault.env())
        .unwrap();
}

#[test]
fn nothing_that_is_printed_holds_a_secret() {
    let vault = Vault::start();
    let (secret, wraps) = (parse(SECRET), parse(KEY));
    secret.keys(&vault.env()).unwrap();
    let place = Context::new("keyring");
    let wrapped = wraps.wrap_key(&key(9).0, &place, &vault.env()).unwrap();
    wraps.unwrap_key(&wrapped, &place, &vault.env()).unwrap();
    let shown = format!("{secret:?} {wraps:?} {:?}", vault.env());
    for secret in [CLIENT_SECRET, TOKEN, &key(7).1, &key(9).1] {
        assert!(!shown.contains(secret), "{shown}");
    }
}
