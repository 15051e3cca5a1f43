//! `vault:` and `vault-transit:` on a real server (OpenBao, or Vault by
//! `ATREST_TEST_VAULT`).
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

mod remote;

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::time::Duration;

use atrest_core::Key;
use atrest_keys::{Environment, KeySourceError, RemoteProblem, Settings, source};
use atrest_testing::{Fault, HttpProxy, Responder, server};
use remote::{elsewhere, env, fails, failure, key, open, place, settings, unique, wait};
use serde_json::{Value, json};

/// The server with a root token.
struct Vault {
    url: String,
    token: String,
}

impl Vault {
    fn new() -> Self {
        let mut url = url::Url::parse(&server::vault()).unwrap();
        let token = url.username().to_owned();
        url.set_username("").unwrap();
        Self {
            url: url.as_str().trim_end_matches('/').to_owned(),
            token,
        }
    }

    /// A request as root; the status and the answer.
    fn ask(&self, method: &str, path: &str, namespace: &str, body: &Value) -> (u16, Value) {
        let request = reqwest::Client::builder()
            .tls_certs_only([])
            .build()
            .unwrap()
            .request(method.parse().unwrap(), format!("{}/v1/{path}", self.url))
            .header("X-Vault-Token", &self.token)
            .header("X-Vault-Namespace", namespace)
            .body(body.to_string());
        wait(async {
            let answer = request.send().await.unwrap();
            let status = answer.status().as_u16();
            let text = answer.text().await.unwrap();
            (status, serde_json::from_str(&text).unwrap_or(Value::Null))
        })
    }

    fn write(&self, path: &str, body: Value) -> Value {
        let (status, answer) = self.ask("POST", path, "", &body);
        assert!(status < 300, "{path}: {status} {answer}");
        answer
    }

    /// A secret of the store that a development server has.
    fn put(&self, path: &str, data: Value) {
        self.write(&format!("secret/data/{path}"), json!({ "data": data }));
    }

    /// A new mount of its own.
    fn mount(&self, kind: &str) -> String {
        let name = unique(kind);
        self.write(&format!("sys/mounts/{name}"), json!({ "type": kind }));
        name
    }

    fn policy(&self, rules: &str) -> String {
        let name = unique("policy");
        self.write(
            &format!("sys/policies/acl/{name}"),
            json!({ "policy": rules }),
        );
        name
    }

    /// A token that may do what `rules` say.
    fn token(&self, rules: &str) -> String {
        let policy = self.policy(rules);
        let answer = self.write("auth/token/create", json!({ "policies": [policy] }));
        answer["auth"]["client_token"].as_str().unwrap().to_owned()
    }

    fn env(&self) -> Environment {
        self.env_as(&self.token)
    }

    fn env_as(&self, token: &str) -> Environment {
        env(&[("VAULT_ADDR", &self.url), ("VAULT_TOKEN", token)])
    }
}

fn reads(path: &str) -> String {
    format!("path \"{path}\" {{ capabilities = [\"read\"] }}")
}

fn updates(paths: &[String]) -> String {
    let rule = |path: &String| format!("path \"{path}\" {{ capabilities = [\"update\"] }}\n");
    paths.iter().map(rule).collect()
}

#[test]
fn a_secret_is_a_key_and_asked_for_once() {
    let vault = Vault::new();
    let path = unique("app");
    let (one, text) = key();
    vault.put(
        &format!("team/{path}"),
        json!({ "key": text, "password": "x" }),
    );
    let proxy = HttpProxy::to(&vault.url);
    let env = env(&[("VAULT_ADDR", proxy.url()), ("VAULT_TOKEN", &vault.token)]);
    let source = open(&format!("vault:secret/team/{path}"));
    assert!(source.delivers());
    assert_eq!(source.name(), format!("vault:secret/team/{path}"));
    for _ in 0..5 {
        let keys = source.keys(&env).unwrap();
        assert_eq!(keys.len(), 1);
        assert_eq!(keys[0].id(), one.id());
    }
    let asked = proxy.requests();
    assert_eq!(asked, [format!("GET /v1/secret/data/team/{path} HTTP/1.1")]);
    assert_eq!(source.health().unwrap().answered, 1);
    assert!(!format!("{source:?}").contains(&text));
    // What a source that delivers wraps, it opens; another source does not.
    let wrapped = source.wrap_key(&key().0, &place(), &env).unwrap();
    source.unwrap_key(&wrapped, &place(), &env).unwrap();
    assert!(source.unwrap_key(&wrapped, &elsewhere(), &env).is_err());
}

#[test]
fn a_field_holds_a_list_and_old_versions_are_there() {
    let vault = Vault::new();
    let path = unique("app");
    let ((a, text_a), (b, text_b)) = (key(), key());
    vault.put(&path, json!({ "keys": format!("{text_a},{text_b}") }));
    vault.put(
        &path,
        json!({ "keys": [text_b, text_a], "o'k e/y": text_b }),
    );
    let ids = |query: &str| -> Vec<_> {
        let source = open(&format!("vault:secret/{path}?{query}"));
        let keys = source.keys(&vault.env()).unwrap();
        keys.iter().map(Key::id).collect()
    };
    assert_eq!(ids("field=keys"), [b.id(), a.id()]);
    assert_eq!(ids("field=keys&version=1"), [a.id(), b.id()]);
    assert_eq!(ids("field=o'k%20e/y&version=2"), [b.id()]);
}

#[test]
fn a_mount_may_have_a_slash() {
    let vault = Vault::new();
    let mount = format!("{}/kv", unique("team"));
    let body = json!({ "type": "kv", "options": { "version": "2" } });
    vault.write(&format!("sys/mounts/{mount}"), body);
    let (one, text) = key();
    // A new store is made version 2 in the background.
    for attempt in 0.. {
        let body = json!({ "data": { "key": text } });
        let (status, answer) = vault.ask("POST", &format!("{mount}/data/a b"), "", &body);
        if status < 300 {
            break;
        }
        assert!(attempt < 50, "{answer}");
        std::thread::sleep(Duration::from_millis(100));
    }
    let source = open(&format!("vault:{}/a%20b", mount.replace('/', "%2F")));
    assert_eq!(source.keys(&vault.env()).unwrap()[0].id(), one.id());
}

#[test]
fn what_is_missing_is_named() {
    let vault = Vault::new();
    let path = unique("app");
    let (_, text) = key();
    vault.put(
        &path,
        json!({ "key": text, "count": 7, "short": &text[..20] }),
    );
    let gone = unique("gone");
    vault.put(&gone, json!({ "key": text }));
    vault.write(&format!("secret/delete/{gone}"), json!({ "versions": [1] }));
    let destroyed = unique("destroyed");
    vault.put(&destroyed, json!({ "key": text }));
    vault.write(
        &format!("secret/destroy/{destroyed}"),
        json!({ "versions": [1] }),
    );
    let old = vault.mount("kv");
    vault.write(&format!("{old}/data/app"), json!({ "key": text }));
    use RemoteProblem::{Format, NoSuchField, NotFound};
    for (rest, problem, words) in [
        (
            "secret/absent".to_owned(),
            NotFound,
            vec!["vault kv put -mount=secret absent key="],
        ),
        (
            format!("secret/{path}?version=9"),
            NotFound,
            vec!["vault kv metadata get", "leave `version` out"],
        ),
        (
            format!("secret/data/{path}"),
            NotFound,
            vec!["without `data/`"],
        ),
        (
            "absent/app".to_owned(),
            NotFound,
            vec!["no handler", "nothing is mounted at absent"],
        ),
        (
            format!("secret/{gone}"),
            NotFound,
            vec!["version 1", "deleted", "vault kv undelete"],
        ),
        (
            format!("secret/{destroyed}"),
            NotFound,
            vec!["version 1", "destroyed"],
        ),
        (
            format!("secret/{path}?field=kye"),
            NoSuchField,
            vec!["`key`", "`count`", "`kye`"],
        ),
        (
            format!("secret/{path}?field=count"),
            Format,
            vec!["`count` holds no text"],
        ),
        (
            format!("secret/{path}?field=short"),
            Format,
            vec!["atrest key generate"],
        ),
        (
            format!("{old}/app"),
            Format,
            vec!["not that of a KV version 2 store", "enable-versioning"],
        ),
    ] {
        let uri = format!("vault:{rest}");
        let result = open(&uri).keys(&vault.env());
        fails(
            &uri,
            result,
            problem,
            &words,
            &[&text, &text[..20], &vault.token],
        );
    }
}

#[test]
fn a_missing_permission_is_named_with_the_rule_to_add() {
    let vault = Vault::new();
    let path = unique("app");
    let (one, text) = key();
    vault.put(&path, json!({ "key": text }));
    let uri = format!("vault:secret/{path}");
    let token = vault.token(&reads("secret/data/other"));
    let result = open(&uri).keys(&vault.env_as(&token));
    let rule = reads(&format!("secret/data/{path}"));
    let policies = ["the policies", "atrest-policy-", "default"];
    let words = [&policies[..], &[&rule]].concat();
    fails(
        &uri,
        result,
        RemoteProblem::Denied,
        &words,
        &[&token, &text],
    );
    // The rule that it names is enough.
    let token = vault.token(&rule);
    let keys = open(&uri).keys(&vault.env_as(&token)).unwrap();
    assert_eq!(keys[0].id(), one.id());
    // A token that there is not.
    let result = open(&uri).keys(&vault.env_as("hvs.never-issued"));
    let secrets = ["hvs.never-issued"];
    fails(
        &uri,
        result,
        RemoteProblem::Unauthenticated,
        &["log in again"],
        &secrets,
    );
}

#[test]
fn settings_that_are_missing_or_wrong_are_named() {
    let uri = "vault:secret/app";
    for (variables, words) in [
        (vec![], vec!["VAULT_ADDR is not set"]),
        (
            vec![("VAULT_ADDR", "https://127.0.0.1:1")],
            vec!["VAULT_TOKEN is not set", "auth=approle"],
        ),
        (
            vec![
                ("VAULT_ADDR", "http://vault.example"),
                ("VAULT_TOKEN", "t0ken"),
            ],
            vec!["VAULT_ADDR is `http`", "allow-http=true"],
        ),
        (
            vec![("VAULT_ADDR", "vault.example"), ("VAULT_TOKEN", "t0ken")],
            vec!["VAULT_ADDR is not a URL"],
        ),
        (
            vec![
                ("VAULT_ADDR", "http://127.0.0.1:1"),
                ("VAULT_TOKEN", "t0ken\u{1}x"),
            ],
            vec!["VAULT_TOKEN", "character"],
        ),
        (
            vec![
                ("VAULT_ADDR", "https://127.0.0.1:1"),
                ("VAULT_TOKEN", "t0ken"),
                ("VAULT_CACERT", "/nonexistent.pem"),
            ],
            vec!["/nonexistent.pem", "VAULT_CACERT"],
        ),
    ] {
        let result = open(uri).keys(&env(&variables));
        fails(
            uri,
            result,
            RemoteProblem::NotConfigured,
            &words,
            &["t0ken"],
        );
    }
    let uri = "vault:secret/app?auth=approle";
    let result = open(uri).keys(&env(&[
        ("VAULT_ADDR", "http://127.0.0.1:1"),
        ("VAULT_ROLE_ID", "r"),
    ]));
    fails(
        uri,
        result,
        RemoteProblem::NotConfigured,
        &["VAULT_SECRET_ID is not set"],
        &[],
    );
    let uri = "vault:secret/app?auth=kubernetes&role=app";
    let result = open(uri).keys(&env(&[("VAULT_ADDR", "http://127.0.0.1:1")]));
    fails(
        uri,
        result,
        RemoteProblem::NotConfigured,
        &[
            "/var/run/secrets/kubernetes.io/serviceaccount/token",
            "jwt=",
        ],
        &[],
    );
}

#[test]
fn approle_logs_in_and_leaves_no_token_behind() {
    let vault = Vault::new();
    let (mount, path) = (unique("approle"), unique("app"));
    let (one, text) = key();
    vault.put(&path, json!({ "key": text }));
    vault.write(&format!("sys/auth/{mount}"), json!({ "type": "approle" }));
    let policy = vault.policy(&reads(&format!("secret/data/{path}")));
    let role = format!("auth/{mount}/role/app");
    vault.write(&role, json!({ "token_policies": [policy.clone()] }));
    let (_, answer) = vault.ask("GET", &format!("{role}/role-id"), "", &Value::Null);
    let role_id = answer["data"]["role_id"].as_str().unwrap();
    let answer = vault.write(&format!("{role}/secret-id"), json!({}));
    let secret_id = answer["data"]["secret_id"].as_str().unwrap();

    let uri = format!("vault:secret/{path}?auth=approle&mount={mount}");
    let env_of = |secret_id: &str| {
        env(&[
            ("VAULT_ADDR", &vault.url),
            ("VAULT_ROLE_ID", role_id),
            ("VAULT_SECRET_ID", secret_id),
        ])
    };
    let keys = open(&uri).keys(&env_of(secret_id)).unwrap();
    assert_eq!(keys[0].id(), one.id());
    let (_, accessors) = vault.ask("LIST", "auth/token/accessors", "", &Value::Null);
    for accessor in accessors["data"]["keys"].as_array().unwrap() {
        let body = json!({ "accessor": accessor });
        // Tokens of other tests come and go.
        let (_, token) = vault.ask("POST", "auth/token/lookup-accessor", "", &body);
        assert!(!token.to_string().contains(&policy), "{token}");
    }

    let wrong = "00000000-0000-0000-0000-000000000000";
    let words = ["invalid", "VAULT_SECRET_ID"];
    let result = open(&uri).keys(&env_of(wrong));
    fails(
        &uri,
        result,
        RemoteProblem::Unauthenticated,
        &words,
        &[wrong, role_id, &text],
    );
    let uri = format!("vault:secret/{path}?auth=approle&mount=absent");
    let result = open(&uri).keys(&env_of(secret_id));
    let words = ["auth/absent", "vault auth enable approle", "mount="];
    fails(
        &uri,
        result,
        RemoteProblem::Unauthenticated,
        &words,
        &[secret_id],
    );
}

/// A service account's token as Kubernetes writes one; its signature is checked by
/// Kubernetes alone, which here is a stub.
fn jwt() -> String {
    let encoded = |value: Value| base64_simd::URL_SAFE_NO_PAD.encode_to_string(value.to_string());
    let claims = json!({
        "iss": "https://kubernetes.default.svc.cluster.local",
        "sub": "system:serviceaccount:shop:app",
        "kubernetes.io": { "namespace": "shop", "serviceaccount": { "name": "app", "uid": "u1" } },
        "iat": 1, "nbf": 1, "exp": 4_000_000_000_u64,
    });
    let head = json!({ "alg": "RS256", "kid": "k" });
    let signature = base64_simd::URL_SAFE_NO_PAD.encode_to_string([7; 256]);
    format!("{}.{}.{signature}", encoded(head), encoded(claims))
}

#[test]
fn kubernetes_logs_in_with_the_service_account() {
    let vault = Vault::new();
    let (mount, path) = (unique("kubernetes"), unique("app"));
    let (one, text) = key();
    vault.put(&path, json!({ "key": text }));
    let kubernetes = Responder::new(|request| {
        assert!(
            request
                .line
                .starts_with("POST /apis/authentication.k8s.io/v1/tokenreviews")
        );
        let user = json!({ "username": "system:serviceaccount:shop:app", "uid": "u1",
            "groups": ["system:serviceaccounts", "system:serviceaccounts:shop"] });
        let answer = json!({ "apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview",
            "status": { "authenticated": true, "user": user } });
        (201, answer.to_string())
    });
    vault.write(
        &format!("sys/auth/{mount}"),
        json!({ "type": "kubernetes" }),
    );
    // Of the server's, were it https.
    let ca = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let config = json!({ "kubernetes_ca_cert": ca.cert.pem(), "kubernetes_host": kubernetes.url(), "disable_local_ca_jwt": true,
        "disable_iss_validation": true });
    vault.write(&format!("auth/{mount}/config"), config);
    let policy = vault.policy(&reads(&format!("secret/data/{path}")));
    let role = json!({ "bound_service_account_names": ["app"], "token_policies": [policy],
        "bound_service_account_namespaces": ["shop"] });
    vault.write(&format!("auth/{mount}/role/app"), role.clone());
    let mut others = role;
    others["bound_service_account_namespaces"] = json!(["bank"]);
    vault.write(&format!("auth/{mount}/role/others"), others);

    let folder = tempfile::tempdir().unwrap();
    let jwt = jwt();
    std::fs::write(folder.path().join("token"), format!("{jwt}\n")).unwrap();
    std::fs::write(folder.path().join("empty"), "").unwrap();
    let env = env(&[("VAULT_ADDR", &vault.url)]);
    let ask = |query: &str| {
        let uri = format!("vault:secret/{path}?auth=kubernetes&mount={mount}&{query}");
        let source = source::parse(&uri, &Settings::new(folder.path())).unwrap();
        let keys = source.keys(&env);
        (uri, keys)
    };
    let (_, keys) = ask("role=app&jwt=token");
    assert_eq!(keys.unwrap()[0].id(), one.id());
    assert_eq!(kubernetes.received().len(), 1);
    for (query, problem, words) in [
        (
            "role=others&jwt=token",
            RemoteProblem::Unauthenticated,
            ["the role others", "bound"],
        ),
        (
            "role=absent&jwt=token",
            RemoteProblem::Unauthenticated,
            ["absent", "vault read"],
        ),
        (
            "role=app&jwt=empty",
            RemoteProblem::NotConfigured,
            ["holds no token", "jwt="],
        ),
        (
            "role=app&jwt=missing",
            RemoteProblem::NotConfigured,
            ["missing", "jwt="],
        ),
    ] {
        let (uri, keys) = ask(query);
        fails(&uri, keys, problem, &words, &[&jwt, &text]);
    }
}

#[test]
fn a_namespace_is_named_in_the_uri_or_the_environment() {
    let vault = Vault::new();
    let namespace = unique("ns");
    vault.write(&format!("sys/namespaces/{namespace}"), json!({}));
    let ask = |path: &str, body: Value| {
        let (status, answer) = vault.ask("POST", path, &namespace, &body);
        assert!(status < 300, "{path}: {answer}");
    };
    ask("sys/mounts/transit", json!({ "type": "transit" }));
    ask("transit/keys/root", json!({}));
    let (one, _) = key();
    let uri = format!("vault-transit:transit/root?namespace={namespace}");
    let source = open(&uri);
    let wrapped = source.wrap_key(&one, &place(), &vault.env()).unwrap();
    let env = env(&[
        ("VAULT_ADDR", &vault.url),
        ("VAULT_TOKEN", &vault.token),
        ("VAULT_NAMESPACE", &namespace),
    ]);
    let uri = "vault-transit:transit/root";
    let opened = open(uri).unwrap_key(&wrapped, &place(), &env).unwrap();
    assert_eq!(opened.id(), one.id());
    let result = open(uri).unwrap_key(&wrapped, &place(), &vault.env());
    let (problem, message) = failure(uri, result, &[&vault.token]);
    assert_eq!(problem, RemoteProblem::NotFound, "{message}");
}

#[test]
fn a_server_that_fails_is_asked_again() {
    let vault = Vault::new();
    let path = unique("app");
    let (one, text) = key();
    vault.put(&path, json!({ "key": text }));
    let proxy = HttpProxy::to(&vault.url);
    let env = env(&[("VAULT_ADDR", proxy.url()), ("VAULT_TOKEN", &vault.token)]);
    let uri = format!("vault:secret/{path}");
    for fault in [
        Fault::Answer(503),
        Fault::Answer(429),
        Fault::Answer(412),
        Fault::CutAnswer(40),
        Fault::LoseAnswer,
    ] {
        proxy.fail(1, "GET", fault);
        let source = open(&uri);
        assert_eq!(source.keys(&env).unwrap()[0].id(), one.id(), "{fault:?}");
        assert_eq!(proxy.requests().len(), 2, "{fault:?}");
        assert_eq!(source.health().unwrap().answered, 1);
    }
    for (status, problem, words) in [
        (503, RemoteProblem::Failed, "vault status"),
        (429, RemoteProblem::Throttled, "rate limit"),
    ] {
        proxy.fail(4, "GET", Fault::Answer(status));
        let result = open(&uri).keys(&env);
        fails(&uri, result, problem, &[words], &[&text, &vault.token]);
        assert_eq!(proxy.requests().len(), 4, "four attempts");
    }
    proxy.fail(4, "GET", Fault::Answer(418));
    fails(
        &uri,
        open(&uri).keys(&env),
        RemoteProblem::Refused,
        &["418"],
        &[],
    );
    assert_eq!(proxy.requests().len(), 1, "a no is believed");
    // Kept while it is down, for as long as grace runs.
    proxy.fail_no_more();
    let settings = Settings {
        cache: Duration::ZERO,
        ..settings()
    };
    let source = source::parse(&uri, &settings).unwrap();
    source.keys(&env).unwrap();
    proxy.fail(4, "GET", Fault::Answer(503));
    assert_eq!(source.keys(&env).unwrap()[0].id(), one.id());
    assert!(source.health().unwrap().stale);
}

#[test]
fn an_unreachable_server_fails_in_time() {
    for uri in ["vault:secret/app", "vault-transit:transit/root"] {
        remote::unreachable_fails_in_time(|url| {
            let env = env(&[("VAULT_ADDR", url), ("VAULT_TOKEN", "t")]);
            (uri.to_owned(), env)
        });
    }
}

#[test]
fn an_answer_that_is_none_is_refused() {
    let long = Responder::new(|_| (200, format!("{{\"data\": \"{}\"}}", "x".repeat(1 << 20))));
    let odd = Responder::new(|_| (200, "<html>".to_owned()));
    let uri = "vault:secret/app";
    for (server, words) in [(&long, "longer than"), (&odd, "KV version 2")] {
        let env = env(&[("VAULT_ADDR", &server.url()), ("VAULT_TOKEN", "t")]);
        fails(
            uri,
            open(uri).keys(&env),
            RemoteProblem::Format,
            &[words],
            &[],
        );
    }
    let nothing = Responder::new(|_| (404, "{\"errors\": []}".to_owned()));
    let env = env(&[("VAULT_ADDR", &nothing.url()), ("VAULT_TOKEN", "t0ken")]);
    fails(
        uri,
        open(uri).keys(&env),
        RemoteProblem::NotFound,
        &[],
        &["t0ken"],
    );
    let request = &nothing.received()[0];
    assert_eq!(request.header("x-vault-token"), "t0ken");
    assert_eq!(request.header("x-vault-request"), "true");
}

#[test]
fn transit_wraps_and_is_asked_once_for_each_key() {
    let vault = Vault::new();
    let mount = vault.mount("transit");
    vault.write(&format!("{mount}/keys/root"), json!({}));
    let proxy = HttpProxy::to(&vault.url);
    let rules = [
        format!("{mount}/encrypt/root"),
        format!("{mount}/decrypt/root"),
    ];
    let token = vault.token(&updates(&rules));
    let env = env(&[("VAULT_ADDR", proxy.url()), ("VAULT_TOKEN", &token)]);
    let uri = format!("vault-transit:{mount}/root");
    let source = open(&uri);
    assert!(!source.delivers());
    assert!(matches!(
        source.keys(&env),
        Err(KeySourceError::WrapsOnly { .. })
    ));
    let (one, text) = key();
    let wrapped = source.wrap_key(&one, &place(), &env).unwrap();
    assert!(wrapped.starts_with(b"vault:v1:"));
    assert_eq!(
        proxy.requests().len(),
        2,
        "encrypted, and not opened elsewhere"
    );
    for _ in 0..10 {
        let opened = source.unwrap_key(&wrapped, &place(), &env).unwrap();
        assert_eq!(opened.expose_secret(), one.expose_secret());
    }
    assert_eq!(proxy.requests().len(), 1);
    assert!(!format!("{source:?}").contains(&text));
    // A new version of the key opens what the old one wrapped.
    vault.write(&format!("{mount}/keys/root/rotate"), json!({}));
    assert!(open(&uri).unwrap_key(&wrapped, &place(), &env).is_ok());
    let again = source.wrap_key(&one, &place(), &env).unwrap();
    assert!(again.starts_with(b"vault:v2:"));
    vault.write(
        &format!("{mount}/keys/root/config"),
        json!({ "min_decryption_version": 2 }),
    );
    let result = open(&uri).unwrap_key(&wrapped, &place(), &env);
    fails(
        &uri,
        result,
        RemoteProblem::Unusable,
        &["min_decryption_version"],
        &[&text],
    );
}

#[test]
fn transit_opens_nothing_that_is_not_its_own() {
    let vault = Vault::new();
    let mount = vault.mount("transit");
    for name in ["root", "other"] {
        vault.write(&format!("{mount}/keys/{name}"), json!({}));
    }
    let (one, text) = key();
    let uri = format!("vault-transit:{mount}/root");
    let wrapped = open(&uri).wrap_key(&one, &place(), &vault.env()).unwrap();
    let mut changed = wrapped.clone();
    let last = changed.len() - 3;
    changed[last] = if changed[last] == b'A' { b'B' } else { b'A' };
    let newer = [b"vault:v9:", &wrapped[9..]].concat();
    let other = format!("vault-transit:{mount}/other");
    for (uri, wrapped, place) in [
        (&other, &wrapped, place()),
        (&uri, &wrapped, elsewhere()),
        (&uri, &changed, place()),
        (&uri, &newer, place()),
        (&uri, &wrapped[..20].to_vec(), place()),
        (&uri, &b"\x01\xff".to_vec(), place()),
        (&uri, &Vec::new(), place()),
    ] {
        let result = open(uri).unwrap_key(wrapped, &place, &vault.env());
        fails(
            uri,
            result,
            RemoteProblem::NotItsKey,
            &["put a backup"],
            &[&text, &vault.token],
        );
    }
    // What it encrypted, but is no key.
    let context = base64_simd::STANDARD.encode_to_string(place().encoded());
    let body = json!({ "plaintext": "aGVsbG8=", "associated_data": context });
    let answer = vault.write(&format!("{mount}/encrypt/root"), body);
    let short = answer["data"]["ciphertext"].as_str().unwrap();
    let result = open(&uri).unwrap_key(short.as_bytes(), &place(), &vault.env());
    fails(
        &uri,
        result,
        RemoteProblem::Format,
        &["5 bytes"],
        &["hello"],
    );
}

#[test]
fn every_kind_of_transit_key_binds_the_place_or_is_refused() {
    let vault = Vault::new();
    let mount = vault.mount("transit");
    let (one, text) = key();
    for (name, body) in [
        ("aes128", json!({ "type": "aes128-gcm96" })),
        ("aes256", json!({ "type": "aes256-gcm96" })),
        ("chacha", json!({ "type": "chacha20-poly1305" })),
        (
            "derived",
            json!({ "type": "aes256-gcm96", "derived": true }),
        ),
    ] {
        vault.write(&format!("{mount}/keys/{name}"), body);
        let uri = format!("vault-transit:{mount}/{name}");
        let wrapped = open(&uri).wrap_key(&one, &place(), &vault.env()).unwrap();
        let opened = open(&uri).unwrap_key(&wrapped, &place(), &vault.env());
        assert_eq!(opened.unwrap().id(), one.id(), "{name}");
        let result = open(&uri).unwrap_key(&wrapped, &elsewhere(), &vault.env());
        fails(&uri, result, RemoteProblem::NotItsKey, &[], &[&text]);
    }
    for (name, body) in [
        ("rsa", json!({ "type": "rsa-2048" })),
        ("ed25519", json!({ "type": "ed25519" })),
        ("hmac", json!({ "type": "hmac", "key_size": 32 })),
    ] {
        vault.write(&format!("{mount}/keys/{name}"), body);
        let uri = format!("vault-transit:{mount}/{name}");
        let result = open(&uri).wrap_key(&one, &place(), &vault.env());
        fails(
            &uri,
            result,
            RemoteProblem::Format,
            &["type=aes256-gcm96"],
            &[&text],
        );
    }
}

#[test]
fn a_key_that_does_not_exist_is_not_made() {
    let vault = Vault::new();
    let mount = vault.mount("transit");
    let (one, text) = key();
    let uri = format!("vault-transit:{mount}/rooot");
    let result = open(&uri).wrap_key(&one, &place(), &vault.env());
    let make = format!("vault write -f {mount}/keys/rooot");
    fails(&uri, result, RemoteProblem::NotFound, &[&make], &[&text]);
    let result = open(&uri).unwrap_key(b"vault:v1:aaaa", &place(), &vault.env());
    fails(&uri, result, RemoteProblem::NotFound, &[&make], &[]);
    let (status, _) = vault.ask("GET", &format!("{mount}/keys/rooot"), "", &Value::Null);
    assert_eq!(status, 404);
    let uri = "vault-transit:absent/root";
    let result = open(uri).wrap_key(&one, &place(), &vault.env());
    let words = ["vault secrets enable -path=absent transit"];
    fails(uri, result, RemoteProblem::NotFound, &words, &[&text]);
}

#[test]
fn transit_names_each_missing_permission() {
    let vault = Vault::new();
    let mount = vault.mount("transit");
    vault.write(&format!("{mount}/keys/root"), json!({}));
    let (encrypt, decrypt) = (
        format!("{mount}/encrypt/root"),
        format!("{mount}/decrypt/root"),
    );
    let (one, text) = key();
    let uri = format!("vault-transit:{mount}/root");
    let token = vault.token(&updates(std::slice::from_ref(&decrypt)));
    let result = open(&uri).wrap_key(&one, &place(), &vault.env_as(&token));
    let rule = format!("path \"{encrypt}\" {{ capabilities = [\"update\"] }}");
    let words = [rule.as_str(), "does not exist"];
    fails(
        &uri,
        result,
        RemoteProblem::Denied,
        &words,
        &[&token, &text],
    );
    // Who cannot unwrap does not wrap either.
    let token = vault.token(&updates(std::slice::from_ref(&encrypt)));
    let result = open(&uri).wrap_key(&one, &place(), &vault.env_as(&token));
    let rule = format!("path \"{decrypt}\" {{ capabilities = [\"update\"] }}");
    fails(
        &uri,
        result,
        RemoteProblem::Denied,
        &[&rule],
        &[&token, &text],
    );
}

/// Vault before 1.12, which knows no `associated_data`; a stub.
#[test]
fn a_transit_that_binds_nothing_is_refused() {
    let old = Responder::new(|request| {
        let data = if request.line.contains("/encrypt/") {
            json!({ "ciphertext": "vault:v1:AAAA" })
        } else {
            json!({ "plaintext": "AAAA" })
        };
        (200, json!({ "data": data }).to_string())
    });
    let env = env(&[("VAULT_ADDR", &old.url()), ("VAULT_TOKEN", "t")]);
    let uri = "vault-transit:transit/root";
    let result = open(uri).wrap_key(&key().0, &place(), &env);
    fails(
        uri,
        result,
        RemoteProblem::Format,
        &["associated_data", "1.12"],
        &[],
    );
}

/// A server that names another, as one on standby names the active one; its address.
fn redirecting(to: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let to = to.to_owned();
    // Ends with the test program.
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let client = client.unwrap();
            let mut lines = BufReader::new(&client).lines();
            let first = lines.next().unwrap().unwrap();
            let path = first.split(' ').nth(1).unwrap();
            while lines.next().is_some_and(|line| !line.unwrap().is_empty()) {}
            let answer = format!(
                "HTTP/1.1 307 Temporary Redirect\r\nLocation: {to}{path}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            );
            (&client).write_all(answer.as_bytes()).unwrap();
        }
    });
    address
}

#[test]
fn a_standby_may_name_the_active_server_but_not_one_without_tls() {
    let vault = Vault::new();
    let path = unique("app");
    let (one, text) = key();
    vault.put(&path, json!({ "key": text }));
    let uri = format!("vault:secret/{path}");
    let standby = format!("http://{}", redirecting(&vault.url));
    let keys = open(&uri).keys(&env(&[
        ("VAULT_ADDR", &standby),
        ("VAULT_TOKEN", &vault.token),
    ]));
    assert_eq!(keys.unwrap()[0].id(), one.id());
    // From https to http: the token does not go there.
    let clear = Responder::new(|_| (404, String::new()));
    let tls = Tls::before(redirecting(&clear.url()));
    let variables = [
        ("VAULT_ADDR", tls.url.as_str()),
        ("VAULT_TOKEN", &vault.token),
        ("VAULT_CACERT", tls.ca.path().to_str().unwrap()),
    ];
    let (problem, message) = failure(&uri, open(&uri).keys(&env(&variables)), &[&vault.token]);
    assert_eq!(problem, RemoteProblem::Unreachable, "{message}");
    assert!(clear.received().is_empty(), "it was asked over http");
}

/// TLS before the server, with a certificate of a new authority for `localhost`.
struct Tls {
    url: String,
    ca: tempfile::NamedTempFile,
}

impl Tls {
    /// Passes each connection on to `address`.
    fn before(address: String) -> Self {
        let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let ca = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(ca.path(), certified.cert.pem()).unwrap();
        let key = certified.signing_key.serialize_der();
        let config = tokio_rustls::rustls::ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(
                vec![certified.cert.der().clone()],
                tokio_rustls::rustls::pki_types::PrivateKeyDer::Pkcs8(key.into()),
            )
            .unwrap();
        let acceptor = tokio_rustls::TlsAcceptor::from(std::sync::Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        // Ends with the test program.
        std::thread::spawn(move || {
            wait(async move {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                while let Ok((client, _)) = listener.accept().await {
                    let (acceptor, address) = (acceptor.clone(), address.clone());
                    tokio::spawn(async move {
                        // A client that does not trust it hangs up.
                        let Ok(mut client) = acceptor.accept(client).await else {
                            return;
                        };
                        let mut server = tokio::net::TcpStream::connect(address).await.unwrap();
                        let _cut = tokio::io::copy_bidirectional(&mut client, &mut server).await;
                    });
                }
            });
        });
        Self {
            url: format!("https://localhost:{port}"),
            ca,
        }
    }
}

#[test]
fn a_certificate_is_trusted_when_its_authority_is_named() {
    let vault = Vault::new();
    let path = unique("app");
    let (one, text) = key();
    vault.put(&path, json!({ "key": text }));
    let tls = Tls::before(vault.url.trim_start_matches("http://").to_owned());
    let uri = format!("vault:secret/{path}");
    let ca = tls.ca.path().to_str().unwrap();
    let variables = [
        ("VAULT_ADDR", tls.url.as_str()),
        ("VAULT_TOKEN", &vault.token),
    ];
    let with_ca = [&variables[..], &[("VAULT_CACERT", ca)]].concat();
    let keys = open(&uri).keys(&env(&with_ca)).unwrap();
    assert_eq!(keys[0].id(), one.id());
    let result = open(&uri).keys(&env(&variables));
    let words = ["certificate", "VAULT_CACERT"];
    fails(
        &uri,
        result,
        RemoteProblem::Unreachable,
        &words,
        &[&vault.token],
    );
    // Another authority, and a name that the certificate does not have.
    let other = Tls::before(String::new());
    let other = other.ca.path().to_str().unwrap();
    let by_address = tls.url.replace("localhost", "127.0.0.1");
    for (url, ca) in [(tls.url.as_str(), other), (&by_address, ca)] {
        let variables = [
            ("VAULT_ADDR", url),
            ("VAULT_TOKEN", &vault.token),
            ("VAULT_CACERT", ca),
        ];
        let result = open(&uri).keys(&env(&variables));
        fails(
            &uri,
            result,
            RemoteProblem::Unreachable,
            &["certificate"],
            &[&vault.token],
        );
    }
}
