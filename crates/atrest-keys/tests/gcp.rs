//! `gcp-secret:` and `gcp-kms:` against a stub of Secret Manager and Cloud KMS (REST, v1)
//! and of a token endpoint. Real keys under it: the stub encrypts by AES-256-GCM and checks
//! the signature of who logs in. It is no Google Cloud: what it believes of the API is what
//! Google has published of it. There are no pages in what is asked.
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
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RsaKeyPair, UnparsedPublicKey,
};
use base64_simd::{STANDARD as BASE64, URL_SAFE_NO_PAD as BASE64URL};
use cloud::{Answer, Asked, Next, Stub, gateway, key, nothing, parse, refused, unreachable};
use crc::{CRC_32_ISCSI, Crc};
use serde_json::{Value, json};

const REFRESH: &str = "refresh-token-of-the-stub";
const TOKEN: &str = "access-token-of-the-stub";
const SECRET: &str = "gcp-secret:projects/p-1/secrets/field-key";
const KEY: &str = "gcp-kms:projects/p-1/locations/europe-west6/keyRings/ring/cryptoKeys/root";
const HOSTS: [&str; 3] = [
    "*.googleapis.com",
    "*.europe-west6.rep.googleapis.com",
    "*.apis.example",
];

/// What the cloud holds.
struct Cloud {
    stub: Stub,
    secret: Arc<Mutex<Vec<u8>>>,
    /// Answers of the services, after login.
    next: Next,
    /// Answers of the token endpoint.
    login: Next,
}

impl Cloud {
    fn start() -> Self {
        let secret = Arc::new(Mutex::new(key(7).1.into_bytes()));
        let (next, login) = (Next::default(), Next::default());
        let mut bytes = [0; 32];
        aws_lc_rs::rand::fill(&mut bytes).unwrap();
        let kms = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &bytes).unwrap());
        let api = {
            let (secret, next, login) = (Arc::clone(&secret), next.clone(), login.clone());
            move |asked: &Asked| {
                if asked.line.ends_with("/token") {
                    let token =
                        json!({"token_type": "Bearer", "expires_in": 3599, "access_token": TOKEN});
                    return login.take().unwrap_or_else(|| Answer::json(200, token));
                }
                if asked
                    .header("authorization")
                    .is_none_or(|sent| !sent.starts_with("Bearer "))
                {
                    return error(
                        401,
                        "UNAUTHENTICATED",
                        None,
                        "Request is missing required authentication credential.",
                    );
                }
                next.take()
                    .unwrap_or_else(|| match asked.line.rsplit_once(':').unwrap().1 {
                        "access" => access(&secret.lock().unwrap()),
                        "encrypt" => encrypt(&kms, &asked.json()),
                        "decrypt" => decrypt(&kms, &asked.json()),
                        _ => error(404, "NOT_FOUND", None, "no such method"),
                    })
            }
        };
        Self {
            stub: Stub::start(&HOSTS, api),
            secret,
            next,
            login,
        }
    }

    /// A user's login, whose token endpoint is the stub.
    fn env(&self) -> Environment {
        let credential = json!({
            "type": "authorized_user",
            "client_id": "client",
            "client_secret": "client-secret",
            "refresh_token": REFRESH,
            "quota_project_id": "p-pays",
            "token_uri": format!("http://{}/token", self.stub.address()),
        });
        self.env_of(&credential)
    }

    fn env_of(&self, credential: &Value) -> Environment {
        let file = self.stub.file("credential.json", &credential.to_string());
        self.stub.env(&[("GOOGLE_APPLICATION_CREDENTIALS", &file)])
    }
}

fn crc32c(bytes: &[u8]) -> String {
    Crc::<u32>::new(&CRC_32_ISCSI).checksum(bytes).to_string()
}

fn access(secret: &[u8]) -> Answer {
    Answer::json(
        200,
        json!({
            "name": "projects/123456/secrets/field-key/versions/1",
            "payload": {"data": BASE64.encode_to_string(secret), "dataCrc32c": crc32c(secret)},
        }),
    )
}

/// A field of a request, whose CRC32C is right.
fn field(body: &Value, name: &str) -> Vec<u8> {
    let bytes = BASE64.decode_to_vec(body[name].as_str().unwrap()).unwrap();
    assert_eq!(body[format!("{name}Crc32c")], crc32c(&bytes), "{name}");
    bytes
}

fn encrypt(kms: &LessSafeKey, body: &Value) -> Answer {
    assert_eq!(body.as_object().unwrap().len(), 4, "{body}");
    let mut sealed = field(body, "plaintext");
    let aad = field(body, "additionalAuthenticatedData");
    let mut nonce = [0; 12];
    aws_lc_rs::rand::fill(&mut nonce).unwrap();
    kms.seal_in_place_append_tag(
        Nonce::assume_unique_for_key(nonce),
        Aad::from(aad),
        &mut sealed,
    )
    .unwrap();
    let ciphertext = [&nonce[..], &sealed].concat();
    Answer::json(
        200,
        json!({
            "name": "projects/p-1/locations/europe-west6/keyRings/ring/cryptoKeys/root/cryptoKeyVersions/1",
            "ciphertext": BASE64.encode_to_string(&ciphertext),
            "ciphertextCrc32c": crc32c(&ciphertext),
            "verifiedPlaintextCrc32c": true,
            "verifiedAdditionalAuthenticatedDataCrc32c": true,
            "protectionLevel": "SOFTWARE",
        }),
    )
}

fn decrypt(kms: &LessSafeKey, body: &Value) -> Answer {
    assert_eq!(body.as_object().unwrap().len(), 4, "{body}");
    let ciphertext = field(body, "ciphertext");
    let aad = field(body, "additionalAuthenticatedData");
    let opened = ciphertext
        .split_first_chunk::<12>()
        .and_then(|(nonce, sealed)| {
            let mut sealed = sealed.to_vec();
            let nonce = Nonce::assume_unique_for_key(*nonce);
            let opened = kms.open_in_place(nonce, Aad::from(aad), &mut sealed).ok()?;
            Some(opened.to_vec())
        });
    match opened {
        Some(plaintext) => Answer::json(
            200,
            json!({
                "plaintext": BASE64.encode_to_string(&plaintext),
                "plaintextCrc32c": crc32c(&plaintext),
                "usedPrimary": true,
                "protectionLevel": "SOFTWARE",
            }),
        ),
        None => error(
            400,
            "INVALID_ARGUMENT",
            None,
            "Decryption failed: verify that 'name' refers to the correct CryptoKey.",
        ),
    }
}

fn error(code: u16, status: &str, reason: Option<&str>, message: &str) -> Answer {
    let mut body = json!({"error": {"code": code, "message": message, "status": status}});
    if let Some(reason) = reason {
        body["error"]["details"] = json!([{
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": reason,
            "domain": "googleapis.com",
        }]);
    }
    Answer::json(code, body)
}

#[test]
fn a_secret_is_asked_for_as_the_api_is_published() {
    let cloud = Cloud::start();
    let source = parse(SECRET);
    assert_eq!(source.name(), SECRET);
    let keys = source.keys(&cloud.env()).unwrap();
    assert_eq!(keys.len(), 1);
    assert_eq!(keys[0].id(), key(7).0.id());
    // Asked once more within the time to live of what came: no request.
    source.keys(&cloud.env()).unwrap();
    let asked = cloud.stub.take();
    assert_eq!(asked.len(), 2);
    assert_eq!(
        asked[0].line,
        format!("POST http://{}/token", cloud.stub.address())
    );
    let login = String::from_utf8(asked[0].body.clone()).unwrap();
    assert!(
        login.contains(REFRESH) && login.contains("refresh_token"),
        "{login}"
    );
    assert_eq!(
        asked[1].line,
        "GET https://secretmanager.googleapis.com/v1/projects/p-1/secrets/field-key/versions/latest:access"
    );
    assert_eq!(
        asked[1].header("authorization"),
        Some(&*format!("Bearer {TOKEN}"))
    );
    assert_eq!(asked[1].header("x-goog-user-project"), Some("p-pays"));
    assert!(asked[1].body.is_empty());
}

#[test]
fn a_version_a_region_and_a_list_of_keys() {
    let cloud = Cloud::start();
    let (new, old) = (key(1), key(2));
    *cloud.secret.lock().unwrap() = format!("{}\n{} # old\n", new.1, old.1).into_bytes();
    let uri = "gcp-secret:projects/p-1/locations/europe-west6/secrets/s/versions/3";
    let keys = parse(uri).keys(&cloud.env()).unwrap();
    let ids: Vec<_> = keys.iter().map(Key::id).collect();
    assert_eq!(ids, [new.0.id(), old.0.id()]);
    assert_eq!(
        cloud.stub.lines()[1],
        "GET https://secretmanager.europe-west6.rep.googleapis.com/v1/projects/p-1/locations/europe-west6/secrets/s/versions/3:access"
    );
}

#[test]
fn a_service_account_signs_for_itself() {
    let cloud = Cloud::start();
    let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let der: Pkcs8V1Der<'_> = pair.as_der().unwrap();
    let pem = format!(
        "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
        BASE64.encode_to_string(der.as_ref())
    );
    let env = cloud.env_of(&json!({
        "type": "service_account",
        "client_email": "app@p-1.iam.gserviceaccount.com",
        "private_key_id": "kid-1",
        "private_key": pem,
        "project_id": "p-1",
        "universe_domain": "apis.example",
    }));
    parse(SECRET).keys(&env).unwrap();
    let asked = cloud.stub.take();
    // No login: what is signed is the token. The file's universe names the host.
    assert_eq!(asked.len(), 1);
    assert!(
        asked[0]
            .line
            .starts_with("GET https://secretmanager.apis.example/v1/"),
        "{}",
        asked[0].line
    );
    let token = asked[0]
        .header("authorization")
        .unwrap()
        .strip_prefix("Bearer ")
        .unwrap();
    let (signed, signature) = token.rsplit_once('.').unwrap();
    UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, pair.public_key().as_ref())
        .verify(
            signed.as_bytes(),
            &BASE64URL.decode_to_vec(signature).unwrap(),
        )
        .unwrap();
    let claims = BASE64URL
        .decode_to_vec(signed.split_once('.').unwrap().1)
        .unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    assert_eq!(claims["iss"], "app@p-1.iam.gserviceaccount.com");
    assert_eq!(
        claims["scope"],
        "https://www.googleapis.com/auth/cloud-platform"
    );
}

#[test]
fn a_secret_that_is_no_key_is_named_and_not_shown() {
    let cloud = Cloud::start();
    *cloud.secret.lock().unwrap() = b"hunter2hunter2".to_vec();
    let error = parse(SECRET).keys(&cloud.env()).unwrap_err();
    assert!(matches!(error, KeySourceError::Malformed { .. }));
    let text = format!("{error} {error:?}");
    assert!(
        text.starts_with(SECRET) && !text.contains("hunter2"),
        "{text}"
    );

    cloud.secret.lock().unwrap().clear();
    let error = parse(SECRET).keys(&cloud.env()).unwrap_err();
    assert!(matches!(error, KeySourceError::Empty { .. }), "{error}");

    *cloud.secret.lock().unwrap() = vec![0xff; 32];
    let (problem, text) = refused(parse(SECRET).keys(&cloud.env()), SECRET, &[]);
    assert_eq!(problem, RemoteProblem::Format, "{text}");
}

#[test]
fn what_was_damaged_on_the_way_is_asked_for_again_and_never_used() {
    let cloud = Cloud::start();
    let text = key(3).1;
    let data = BASE64.encode_to_string(&text);
    let bad = [
        json!({"payload": {"data": data, "dataCrc32c": "1"}}),
        json!({"payload": {"data": data}}),
        json!({"payload": {"data": "!", "dataCrc32c": "1"}}),
    ];
    cloud
        .next
        .will_be(bad.clone().map(|body| Answer::json(200, body)));
    let keys = parse(SECRET).keys(&cloud.env()).unwrap();
    assert_eq!(keys[0].id(), key(7).0.id());
    for body in bad {
        cloud
            .next
            .will_be([0; 4].map(|_| Answer::json(200, body.clone())));
        let (problem, said) = refused(parse(SECRET).keys(&cloud.env()), SECRET, &[&text, &data]);
        assert_eq!(problem, RemoteProblem::Failed, "{said}");
    }
    // KMS: the key that it got was not the one that was sent, or it does not say so.
    let place = Context::new("keyring");
    for answer in [
        json!({"ciphertext": "YWJj", "ciphertextCrc32c": crc32c(b"abc"), "verifiedPlaintextCrc32c": true}),
        json!({"ciphertext": "YWJj", "ciphertextCrc32c": "0", "verifiedPlaintextCrc32c": true,
               "verifiedAdditionalAuthenticatedDataCrc32c": true}),
    ] {
        cloud
            .next
            .will_be([0; 4].map(|_| Answer::json(200, answer.clone())));
        let (problem, said) = refused(
            parse(KEY).wrap_key(&key(9).0, &place, &cloud.env()),
            KEY,
            &[],
        );
        assert_eq!(problem, RemoteProblem::Failed, "{said}");
    }
    let wrapped = parse(KEY)
        .wrap_key(&key(9).0, &place, &cloud.env())
        .unwrap();
    let other = json!({"plaintext": BASE64.encode_to_string([1; 32]), "plaintextCrc32c": "7"});
    cloud
        .next
        .will_be([0; 4].map(|_| Answer::json(200, other.clone())));
    let (problem, said) = refused(
        parse(KEY).unwrap_key(&wrapped, &place, &cloud.env()),
        KEY,
        &[],
    );
    assert_eq!(problem, RemoteProblem::Failed, "{said}");
}

#[test]
fn each_refusal_says_what_is_missing() {
    let cloud = Cloud::start();
    let secrets = [REFRESH, TOKEN, "client-secret"];
    let cases = [
        (
            error(
                403,
                "PERMISSION_DENIED",
                Some("IAM_PERMISSION_DENIED"),
                "Permission 'secretmanager.versions.access' denied.",
            ),
            RemoteProblem::Denied,
            vec![
                "roles/secretmanager.secretAccessor",
                "secretmanager.versions.access",
            ],
        ),
        (
            error(
                403,
                "PERMISSION_DENIED",
                Some("SERVICE_DISABLED"),
                "Secret Manager API has not been used in project 123456.",
            ),
            RemoteProblem::Refused,
            vec!["gcloud services enable secretmanager.googleapis.com"],
        ),
        (
            error(
                404,
                "NOT_FOUND",
                None,
                "Secret [projects/123456/secrets/field-key] not found.",
            ),
            RemoteProblem::NotFound,
            vec!["gcloud secrets list"],
        ),
        (
            error(
                400,
                "FAILED_PRECONDITION",
                None,
                "Secret Version is in DISABLED state.",
            ),
            RemoteProblem::Unusable,
            vec!["DISABLED", "enable the version"],
        ),
        (
            error(
                401,
                "UNAUTHENTICATED",
                None,
                "Request had invalid authentication credentials.",
            ),
            RemoteProblem::Unauthenticated,
            vec!["log in again"],
        ),
        (
            error(
                400,
                "INVALID_ARGUMENT",
                None,
                "The resource\nname is invalid.",
            ),
            RemoteProblem::Refused,
            vec!["INVALID_ARGUMENT"],
        ),
        (gateway(418), RemoteProblem::Refused, vec!["status 418"]),
    ];
    for (answer, problem, words) in cases {
        cloud.stub.take();
        cloud.next.will_be([answer]);
        let (got, text) = refused(parse(SECRET).keys(&cloud.env()), SECRET, &secrets);
        assert_eq!(got, problem, "{text}");
        assert!(!text.contains('\n'), "{text}");
        for word in words {
            assert!(text.contains(word), "{word}: {text}");
        }
        // A no is believed at once: one login, one request.
        assert_eq!(cloud.stub.take().len(), 2);
    }
}

#[test]
fn a_login_that_is_refused_or_fails() {
    let cloud = Cloud::start();
    let secrets = [REFRESH, "client-secret"];
    let revoked = json!({"error": "invalid_grant", "error_description": "Token has been expired or revoked."});
    cloud.login.will_be([Answer::json(400, revoked)]);
    let (problem, text) = refused(parse(SECRET).keys(&cloud.env()), SECRET, &secrets);
    assert_eq!(problem, RemoteProblem::Unauthenticated, "{text}");
    assert!(
        text.contains("gcloud auth application-default login"),
        "{text}"
    );

    cloud.login.will_be([gateway(503), gateway(429)]);
    parse(SECRET).keys(&cloud.env()).unwrap();
    cloud.login.will_be([0; 9].map(|_| gateway(503)));
    let (problem, text) = refused(parse(SECRET).keys(&cloud.env()), SECRET, &secrets);
    assert!(problem.is_transient(), "{text}");
}

#[test]
fn a_credential_file_that_is_none() {
    let cloud = Cloud::start();
    let private = "-----BEGIN PRIVATE KEY-----\nMIIsecret\n-----END PRIVATE KEY-----";
    for (text, word) in [
        ("{", "not JSON"),
        ("{}", "`type`"),
        ("{\"type\": \"gdch_service_account\"}", "`type`"),
        ("{\"type\": \"authorized_user\"}", "missing field"),
        (
            &json!({"type": "service_account", "client_email": "a@b", "private_key_id": "k",
                    "private_key": private, "project_id": "p"})
            .to_string(),
            "",
        ),
    ] {
        let file = cloud.stub.file("bad.json", text);
        let env = cloud.stub.env(&[("GOOGLE_APPLICATION_CREDENTIALS", &file)]);
        let (problem, said) = refused(parse(SECRET).keys(&env), SECRET, &["MIIsecret"]);
        assert_eq!(problem, RemoteProblem::Unauthenticated, "{said}");
        assert!(
            said.contains(word) && said.contains("GOOGLE_APPLICATION_CREDENTIALS"),
            "{said}"
        );
    }
    let env = cloud
        .stub
        .env(&[("GOOGLE_APPLICATION_CREDENTIALS", "/nonexistent.json")]);
    let (_, said) = refused(parse(SECRET).keys(&env), SECRET, &[]);
    assert!(said.contains("cannot be read"), "{said}");
    assert!(cloud.stub.take().is_empty());
}

#[test]
fn throttled_or_failing_and_then_there_again() {
    let cloud = Cloud::start();
    for passing in [
        error(
            429,
            "RESOURCE_EXHAUSTED",
            Some("RATE_LIMIT_EXCEEDED"),
            "Quota exceeded.",
        ),
        error(500, "INTERNAL", None, "Internal error encountered."),
        gateway(503),
    ] {
        let (secret, kms) = (parse(SECRET), parse(KEY));
        cloud.next.will_be([passing.clone(), passing.clone()]);
        secret.keys(&cloud.env()).unwrap();
        let health = secret.health().unwrap();
        assert_eq!((health.answered, health.failed), (1, 0));
        cloud.next.will_be([passing.clone(), passing]);
        kms.wrap_key(&key(9).0, &Context::new("keyring"), &cloud.env())
            .unwrap();
    }
}

#[test]
fn grace_runs_while_the_cloud_fails_and_not_when_it_refuses() {
    let cloud = Cloud::start();
    let source = parse(SECRET);
    source.keys(&cloud.env()).unwrap();
    std::thread::sleep(Duration::from_millis(310));
    cloud.next.will_be([0; 9].map(|_| gateway(502)));
    source.keys(&cloud.env()).unwrap();
    assert!(source.health().unwrap().stale);
    cloud
        .next
        .will_be([error(403, "PERMISSION_DENIED", None, "no")]);
    let (problem, _) = refused(source.keys(&cloud.env()), SECRET, &[]);
    assert_eq!(problem, RemoteProblem::Denied);
}

#[test]
fn a_cloud_that_nobody_reaches() {
    let cloud = Cloud::start();
    let login = cloud.env();
    let file = login.get("GOOGLE_APPLICATION_CREDENTIALS").unwrap();
    let variables = [
        ("HTTPS_PROXY", "http://127.0.0.1:9"),
        ("GOOGLE_APPLICATION_CREDENTIALS", file),
    ];
    let env = cloud.stub.env(&variables);
    unreachable(SECRET, &env);
    unreachable(KEY, &env);
}

#[test]
fn an_authority_that_is_not_trusted_is_not_asked() {
    let (cloud, other) = (Cloud::start(), Cloud::start());
    let (own, foreign) = (cloud.env(), other.stub.env(&[]));
    let env = cloud.stub.env(&[
        ("SSL_CERT_FILE", foreign.get("SSL_CERT_FILE").unwrap()),
        (
            "GOOGLE_APPLICATION_CREDENTIALS",
            own.get("GOOGLE_APPLICATION_CREDENTIALS").unwrap(),
        ),
    ]);
    unreachable(SECRET, &env);
    for line in cloud.stub.lines() {
        assert!(line.ends_with("/token"), "{line}");
    }
}

#[test]
fn kms_wraps_and_unwraps_as_the_api_is_published() {
    let cloud = Cloud::start();
    let source = parse(KEY);
    let place = Context::new("keyring").with_row(["1"]);
    let (data, _) = key(9);
    assert!(matches!(
        source.keys(&cloud.env()),
        Err(KeySourceError::WrapsOnly { .. })
    ));
    let wrapped = source.wrap_key(&data, &place, &cloud.env()).unwrap();
    let asked = cloud.stub.take();
    let name = KEY.strip_prefix("gcp-kms:").unwrap();
    assert_eq!(asked.len(), 2);
    assert_eq!(
        asked[1].line,
        format!("POST https://cloudkms.googleapis.com/v1/{name}:encrypt")
    );
    assert_eq!(
        asked[1].header("authorization"),
        Some(&*format!("Bearer {TOKEN}"))
    );
    assert_eq!(asked[1].header("content-type"), Some("application/json"));
    let sent = asked[1].json();
    assert_eq!(field(&sent, "plaintext"), data.expose_secret());
    assert_eq!(field(&sent, "additionalAuthenticatedData"), place.encoded());

    for _ in 0..5 {
        let opened = source.unwrap_key(&wrapped, &place, &cloud.env()).unwrap();
        assert_eq!(opened.id(), data.id());
    }
    let asked = cloud.stub.take();
    assert_eq!(asked.len(), 2, "asked once for five");
    assert_eq!(
        asked[1].line,
        format!("POST https://cloudkms.googleapis.com/v1/{name}:decrypt")
    );
    assert_eq!(field(&asked[1].json(), "ciphertext"), wrapped);
}

#[test]
fn what_another_key_or_place_wrapped_is_refused() {
    let (cloud, other) = (Cloud::start(), Cloud::start());
    let place = Context::new("keyring");
    let wrapped = parse(KEY)
        .wrap_key(&key(9).0, &place, &cloud.env())
        .unwrap();
    let fails = |wrapped: &[u8], place: &Context, cloud: &Cloud| {
        let result = parse(KEY).unwrap_key(wrapped, place, &cloud.env());
        refused(result, KEY, &[REFRESH]).0
    };
    assert_eq!(fails(&wrapped, &place, &other), RemoteProblem::NotItsKey);
    assert_eq!(
        fails(&wrapped, &Context::new("elsewhere"), &cloud),
        RemoteProblem::NotItsKey
    );
    assert_eq!(fails(b"", &place, &cloud), RemoteProblem::NotItsKey);
    for at in [0, 12, wrapped.len() - 1] {
        let mut damaged = wrapped.clone();
        damaged[at] ^= 1;
        assert_eq!(fails(&damaged, &place, &cloud), RemoteProblem::NotItsKey);
    }
    // Something else that the same key encrypted.
    let short = Answer::json(
        200,
        json!({"plaintext": "YWJj", "plaintextCrc32c": crc32c(b"abc")}),
    );
    cloud.next.will_be([short]);
    assert_eq!(fails(&wrapped, &place, &cloud), RemoteProblem::Format);
}

#[test]
fn refusals_of_a_key() {
    let cloud = Cloud::start();
    let place = Context::new("keyring");
    for (answer, want, word) in [
        (
            error(
                403,
                "PERMISSION_DENIED",
                None,
                "Permission 'cloudkms.cryptoKeyVersions.useToEncrypt' denied.",
            ),
            RemoteProblem::Denied,
            "roles/cloudkms.cryptoKeyEncrypterDecrypter",
        ),
        (
            error(
                403,
                "PERMISSION_DENIED",
                Some("SERVICE_DISABLED"),
                "Cloud KMS API has not been used.",
            ),
            RemoteProblem::Refused,
            "gcloud services enable cloudkms.googleapis.com",
        ),
        (
            error(
                400,
                "FAILED_PRECONDITION",
                None,
                "cryptoKeyVersions/1 is not enabled, current state is: DESTROY_SCHEDULED.",
            ),
            RemoteProblem::Unusable,
            "DESTROY_SCHEDULED",
        ),
        (
            error(400, "INVALID_ARGUMENT", None, "The key is asymmetric."),
            RemoteProblem::Format,
            "--purpose=encryption",
        ),
        (
            error(404, "NOT_FOUND", None, "CryptoKey not found."),
            RemoteProblem::NotFound,
            "gcloud kms keys list",
        ),
        (
            nothing(),
            RemoteProblem::Failed,
            "not what the API describes",
        ),
    ] {
        cloud.next.will_be([0; 4].map(|_| answer.clone()));
        let result = parse(KEY).wrap_key(&key(9).0, &place, &cloud.env());
        let (problem, text) = refused(result, KEY, &[REFRESH, TOKEN]);
        assert_eq!(problem, want, "{text}");
        assert!(text.contains(word), "{text}");
        cloud.next.will_be([]);
    }
}

#[test]
fn nothing_that_is_printed_holds_a_secret() {
    let cloud = Cloud::start();
    let (secret, wraps) = (parse(SECRET), parse(KEY));
    secret.keys(&cloud.env()).unwrap();
    let place = Context::new("keyring");
    let wrapped = wraps.wrap_key(&key(9).0, &place, &cloud.env()).unwrap();
    wraps.unwrap_key(&wrapped, &place, &cloud.env()).unwrap();
    let shown = format!("{secret:?} {wraps:?} {:?}", cloud.env());
    for secret in [REFRESH, TOKEN, &key(7).1, &key(9).1] {
        assert!(!shown.contains(secret), "{shown}");
    }
}
