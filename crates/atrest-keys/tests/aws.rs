//! `aws-ssm:`, `aws-secret:` and `aws-kms:` on a server that speaks for AWS (moto), and
//! on a stub for the answers that it does not give: it checks no signature, knows no
//! permission and is never overloaded.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

mod remote;

use std::time::Duration;

use atrest_core::Key;
use atrest_keys::{Environment, KeySource, KeySourceError, RemoteProblem, Settings, source};
use atrest_testing::{Fault, HttpProxy, Responder, server};
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_kms::primitives::Blob;
use aws_sdk_ssm::types::ParameterType;
use remote::{elsewhere, env, fails, failure, key, open, place, settings, unique, wait};

const SECRET: &str = "wJalrXUtnFEMI-never-a-real-one";

/// The variables of a user of `endpoint`.
fn env_of(endpoint: &str) -> Environment {
    env(&[
        ("AWS_ENDPOINT_URL", endpoint),
        ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", SECRET),
        ("AWS_SESSION_TOKEN", "a-session"),
        ("AWS_REGION", "eu-central-1"),
    ])
}

fn aws() -> Environment {
    env_of(&server::aws())
}

/// Whoever makes secrets and keys for the tests.
fn admin() -> SdkConfig {
    let credentials = Credentials::new("AKIDADMIN", "none", None, None, "test");
    let loader = aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new("eu-central-1"))
        .endpoint_url(server::aws())
        .credentials_provider(SharedCredentialsProvider::new(credentials));
    wait(loader.load())
}

fn put_parameter(name: &str, kind: ParameterType, value: &str) {
    let client = aws_sdk_ssm::Client::new(&admin());
    let request = client.put_parameter().name(name).r#type(kind).value(value);
    wait(request.overwrite(true).send()).unwrap();
}

fn put_secret(name: &str, value: &str) -> String {
    let client = aws_sdk_secretsmanager::Client::new(&admin());
    let request = client.create_secret().name(name).secret_string(value);
    wait(request.send()).unwrap().arn.unwrap()
}

/// A key of KMS and an alias of it.
fn make_key() -> (String, String) {
    let client = aws_sdk_kms::Client::new(&admin());
    let made = wait(client.create_key().send()).unwrap();
    let id = made.key_metadata.unwrap().key_id;
    let alias = format!("alias/{}", unique("root"));
    let request = client.create_alias().alias_name(&alias).target_key_id(&id);
    wait(request.send()).unwrap();
    (id, alias)
}

/// An error as AWS's JSON protocols answer it.
fn refusing(status: u16, code: &'static str, message: &'static str) -> Responder {
    Responder::new(move |_| {
        (
            status,
            format!(r#"{{"__type":"{code}","message":"{message}"}}"#),
        )
    })
}

#[test]
fn a_secure_string_is_a_key_and_asked_for_once() {
    let name = format!("/atrest/{}", unique("app"));
    let (one, text) = key();
    put_parameter(&name, ParameterType::SecureString, &text);
    let proxy = HttpProxy::to(&server::aws());
    let uri = format!("aws-ssm:{name}");
    let source = open(&uri);
    assert!(source.delivers());
    for _ in 0..5 {
        let keys = source.keys(&env_of(proxy.url())).unwrap();
        assert_eq!(keys.len(), 1);
        assert_eq!(keys[0].id(), one.id());
    }
    assert_eq!(proxy.requests().len(), 1);
    assert_eq!(source.health().unwrap().answered, 1);
    assert!(!format!("{source:?}").contains(&text));
    // What a source that delivers wraps, it opens.
    let wrapped = source.wrap_key(&key().0, &place(), &aws()).unwrap();
    source.unwrap_key(&wrapped, &place(), &aws()).unwrap();
    assert!(source.unwrap_key(&wrapped, &elsewhere(), &aws()).is_err());
}

#[test]
fn a_parameter_may_hold_a_list_and_have_versions() {
    let name = format!("/atrest/{}", unique("app"));
    let ((a, text_a), (b, text_b)) = (key(), key());
    put_parameter(&name, ParameterType::SecureString, &text_a);
    let list = format!("[\"{text_b}\", \"{text_a}\"]");
    put_parameter(&name, ParameterType::SecureString, &list);
    let ids = |uri: &str| -> Vec<_> {
        let keys = open(uri).keys(&aws()).unwrap();
        keys.iter().map(Key::id).collect()
    };
    assert_eq!(ids(&format!("aws-ssm:{name}")), [b.id(), a.id()]);
    assert_eq!(ids(&format!("aws-ssm:{name}:1")), [a.id()]);
}

#[test]
fn a_parameter_that_is_not_there_or_no_key_is_named() {
    let (_, text) = key();
    let clear = format!("/atrest/{}", unique("clear"));
    put_parameter(&clear, ParameterType::String, &text);
    let list = format!("/atrest/{}", unique("list"));
    put_parameter(&list, ParameterType::StringList, &text);
    let short = format!("/atrest/{}", unique("short"));
    put_parameter(&short, ParameterType::SecureString, &text[..20]);
    for (name, problem, words) in [
        (
            "/atrest/absent",
            RemoteProblem::NotFound,
            vec![
                "ParameterNotFound",
                "put-parameter --type SecureString --name /atrest/absent",
            ],
        ),
        // What is made anew has no version 9.
        (
            "/atrest/absent:9",
            RemoteProblem::NotFound,
            vec!["ParameterNotFound", "get-parameter-history"],
        ),
        (
            &clear,
            RemoteProblem::Format,
            vec!["is String", "in clear", "--type SecureString"],
        ),
        (
            &list,
            RemoteProblem::Format,
            vec!["is StringList", "in clear"],
        ),
        (&short, RemoteProblem::Format, vec!["atrest key generate"]),
    ] {
        let uri = format!("aws-ssm:{name}");
        fails(
            &uri,
            open(&uri).keys(&aws()),
            problem,
            &words,
            &[&text, &text[..20], SECRET],
        );
    }
}

#[test]
fn a_secret_is_a_key_or_a_field_of_it() {
    let (one, text) = key();
    let (plain, object) = (unique("app"), format!("shop/{}", unique("app")));
    let arn = put_secret(&plain, &text);
    put_secret(
        &object,
        &format!(r#"{{"user": "shop", "key": "{text}", "n": 1}}"#),
    );
    let proxy = HttpProxy::to(&server::aws());
    for uri in [
        format!("aws-secret:{plain}"),
        format!("aws-secret:{plain}?version-stage=AWSCURRENT"),
        format!("aws-secret:{arn}"),
        format!("aws-secret:{object}?field=key"),
    ] {
        let source = open(&uri);
        for _ in 0..3 {
            assert_eq!(
                source.keys(&env_of(proxy.url())).unwrap()[0].id(),
                one.id(),
                "{uri}"
            );
        }
        assert_eq!(proxy.requests().len(), 1, "{uri}");
        assert!(!format!("{source:?}").contains(&text));
    }
    use RemoteProblem::{Format, NoSuchField, NotFound};
    for (rest, problem, words) in [
        (
            unique("absent"),
            NotFound,
            vec!["ResourceNotFoundException", "create-secret"],
        ),
        (
            format!("{plain}?version-stage=AWSPREVIOUS"),
            NotFound,
            vec!["version stage", "describe-secret"],
        ),
        (
            object.clone(),
            NoSuchField,
            vec!["`key`, `n`, `user`", "field="],
        ),
        (
            format!("{object}?field=kye"),
            NoSuchField,
            vec!["`key`", "`kye`"],
        ),
        (
            format!("{object}?field=n"),
            Format,
            vec!["`n` holds no text"],
        ),
        (
            format!("{object}?field=user"),
            Format,
            vec!["atrest key generate"],
        ),
        (
            format!("{plain}?field=key"),
            Format,
            vec!["not a JSON object"],
        ),
    ] {
        let uri = format!("aws-secret:{rest}");
        fails(
            &uri,
            open(&uri).keys(&aws()),
            problem,
            &words,
            &[&text, SECRET],
        );
    }
}

#[test]
fn a_binary_secret_and_one_that_waits_for_its_deletion_are_refused() {
    let client = aws_sdk_secretsmanager::Client::new(&admin());
    let name = unique("binary");
    let blob = aws_sdk_secretsmanager::primitives::Blob::new([7; 32]);
    wait(
        client
            .create_secret()
            .name(&name)
            .secret_binary(blob)
            .send(),
    )
    .unwrap();
    let uri = format!("aws-secret:{name}");
    fails(
        &uri,
        open(&uri).keys(&aws()),
        RemoteProblem::Format,
        &["binary", "--secret-string"],
        &[],
    );
    let (_, text) = key();
    let name = unique("deleted");
    put_secret(&name, &text);
    wait(client.delete_secret().secret_id(&name).send()).unwrap();
    let uri = format!("aws-secret:{name}");
    fails(
        &uri,
        open(&uri).keys(&aws()),
        RemoteProblem::Unusable,
        &["restore-secret"],
        &[&text],
    );
}

#[test]
fn kms_wraps_and_is_asked_once_for_each_key() {
    let (id, alias) = make_key();
    let proxy = HttpProxy::to(&server::aws());
    let env = env_of(proxy.url());
    let source = open(&format!("aws-kms:{alias}"));
    assert!(!source.delivers());
    assert!(matches!(
        source.keys(&env),
        Err(KeySourceError::WrapsOnly { .. })
    ));
    let (one, text) = key();
    let wrapped = source.wrap_key(&one, &place(), &env).unwrap();
    assert_eq!(proxy.requests().len(), 1);
    for _ in 0..10 {
        let opened = source.unwrap_key(&wrapped, &place(), &env).unwrap();
        assert_eq!(opened.expose_secret(), one.expose_secret());
    }
    assert_eq!(proxy.requests().len(), 1);
    assert!(!format!("{source:?}").contains(&text));
    // By its other names.
    for name in [
        id.clone(),
        format!("arn:aws:kms:eu-central-1:123456789012:key/{id}"),
    ] {
        let source = open(&format!("aws-kms:{name}"));
        let opened = source.unwrap_key(&wrapped, &place(), &env).unwrap();
        assert_eq!(opened.id(), one.id());
    }
}

#[test]
fn kms_opens_nothing_that_is_not_its_own() {
    let ((_, alias), (_, other)) = (make_key(), make_key());
    let (one, text) = key();
    let (uri, other) = (format!("aws-kms:{alias}"), format!("aws-kms:{other}"));
    let wrapped = open(&uri).wrap_key(&one, &place(), &aws()).unwrap();
    let mut changed = wrapped.clone();
    *changed.last_mut().unwrap() ^= 1;
    let long = vec![1; 7000];
    for (uri, wrapped, place) in [
        (&uri, &wrapped, elsewhere()),
        (&uri, &changed, place()),
        (&uri, &long, place()),
        (&uri, &Vec::new(), place()),
    ] {
        let result = open(uri).unwrap_key(wrapped, &place, &aws());
        fails(
            uri,
            result,
            RemoteProblem::NotItsKey,
            &["put a backup"],
            &[&text, SECRET],
        );
    }
    // AWS says IncorrectKeyException, moto AccessDeniedException.
    let result = open(&other).unwrap_key(&wrapped, &place(), &aws());
    let (problem, message) = failure(&other, result, &[&text, SECRET]);
    let kinds = [RemoteProblem::NotItsKey, RemoteProblem::Denied];
    assert!(kinds.contains(&problem), "{message}");
    // What it encrypted, but is no key.
    let client = aws_sdk_kms::Client::new(&admin());
    let context = base64_simd::STANDARD.encode_to_string(place().encoded());
    let request = client
        .encrypt()
        .key_id(&alias)
        .plaintext(Blob::new(*b"hello"));
    let answer = wait(request.encryption_context("atrest-context", context).send()).unwrap();
    let short = answer.ciphertext_blob.unwrap().into_inner();
    let result = open(&uri).unwrap_key(&short, &place(), &aws());
    fails(
        &uri,
        result,
        RemoteProblem::Format,
        &["5 bytes"],
        &["hello"],
    );
}

/// Keys that are disabled, wait for their deletion or are asymmetric are used by moto
/// like any other; see `each_code_of_aws_is_understood`.
#[test]
fn a_kms_key_that_does_not_exist_is_named() {
    let (one, text) = key();
    let absent = format!("alias/{}", unique("absent"));
    let uri = format!("aws-kms:{absent}");
    let result = open(&uri).wrap_key(&one, &place(), &aws());
    let words = ["NotFoundException", "aws kms create-key", &absent];
    fails(
        &uri,
        result,
        RemoteProblem::NotFound,
        &words,
        &[&text, SECRET],
    );
}

/// What goes over the wire: a stub that keeps it.
#[test]
fn requests_say_what_aws_documents() {
    let (_, text) = key();
    let answer = format!(
        r#"{{"Parameter":{{"Type":"SecureString","Value":"{text}"}},"SecretString":"{text}","CiphertextBlob":"AAAA"}}"#
    );
    let stub = Responder::new(move |_| (200, answer.clone()));
    let env = env_of(&stub.url());
    open("aws-ssm:/app/key").keys(&env).unwrap();
    open("aws-secret:app?version-stage=AWSPENDING")
        .keys(&env)
        .unwrap();
    let key = Key::from_bytes([7; 32]);
    open("aws-kms:alias/app")
        .wrap_key(&key, &place(), &env)
        .unwrap();
    // [7; 32], and the context's bytes: the length 7, "keyring".
    let plaintext = base64_simd::STANDARD.encode_to_string([7; 32]);
    let requests = stub.received();
    for (request, target, members) in [
        (
            &requests[0],
            "AmazonSSM.GetParameter",
            vec![r#""Name":"/app/key""#, r#""WithDecryption":true"#],
        ),
        (
            &requests[1],
            "secretsmanager.GetSecretValue",
            vec![r#""SecretId":"app""#, r#""VersionStage":"AWSPENDING""#],
        ),
        (
            &requests[2],
            "TrentService.Encrypt",
            vec![
                r#""KeyId":"alias/app""#,
                r#""EncryptionAlgorithm":"SYMMETRIC_DEFAULT""#,
                r#""EncryptionContext":{"atrest-context":"AAAAB2tleXJpbmc="}"#,
                &plaintext,
            ],
        ),
    ] {
        assert_eq!(request.line, "POST / HTTP/1.1");
        assert_eq!(request.header("x-amz-target"), target);
        assert_eq!(request.header("x-amz-security-token"), "a-session");
        let signed = request.header("authorization");
        assert!(
            signed.starts_with("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/"),
            "{signed}"
        );
        assert!(signed.contains("/eu-central-1/"), "{signed}");
        for member in members {
            assert!(
                request.body.contains(member),
                "{} lacks {member}",
                request.body
            );
        }
    }
    // A ciphertext names its key when it is opened: no other key may do it.
    let _no_key = open("aws-kms:alias/app").unwrap_key(b"wrapped", &place(), &env);
    let request = &stub.received()[0];
    assert_eq!(request.header("x-amz-target"), "TrentService.Decrypt");
    assert!(
        request.body.contains(r#""KeyId":"alias/app""#),
        "{}",
        request.body
    );
    assert!(
        request.body.contains("AAAAB2tleXJpbmc="),
        "{}",
        request.body
    );
}

#[test]
fn a_region_comes_from_the_uri_the_arn_or_the_environment() {
    let stub = Responder::new(|_| (400, String::new()));
    let region = |uri: &str, variables: &[(&str, &str)]| {
        let url = stub.url();
        let own = [
            ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
            ("AWS_SECRET_ACCESS_KEY", SECRET),
            ("AWS_ENDPOINT_URL_SECRETS_MANAGER", url.as_str()),
            ("AWS_ENDPOINT_URL", "http://127.0.0.1:1"),
        ];
        let _refused = open(uri).keys(&env(&[&own, variables].concat()));
        let requests = stub.received();
        assert_eq!(requests.len(), 1, "a no is believed");
        let signed = requests[0].header("authorization").to_owned();
        signed.split('/').nth(2).unwrap().to_owned()
    };
    let both = [
        ("AWS_REGION", "eu-west-1"),
        ("AWS_DEFAULT_REGION", "eu-west-2"),
    ];
    let arn = "aws-secret:arn:aws:secretsmanager:eu-north-1:123456789012:secret:app-AbCdEf";
    assert_eq!(
        region("aws-secret:app?region=eu-south-1", &both),
        "eu-south-1"
    );
    assert_eq!(region(arn, &both), "eu-north-1");
    assert_eq!(region("aws-secret:app", &both), "eu-west-1");
    assert_eq!(region("aws-secret:app", &both[1..]), "eu-west-2");
}

#[test]
fn settings_that_are_wrong_are_named() {
    let uri = "aws-ssm:/app/key";
    let half = [
        ("AWS_REGION", "eu-west-1"),
        ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
    ];
    let far = [
        ("AWS_REGION", "eu-west-1"),
        ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", SECRET),
        ("AWS_ENDPOINT_URL_SSM", "http://ssm.example"),
    ];
    for (variables, words) in [
        (&half[..], ["AWS_SECRET_ACCESS_KEY is not", "set both"]),
        (&far[..], ["AWS_ENDPOINT_URL", "allow-http=true"]),
    ] {
        let result = open(uri).keys(&env(variables));
        fails(uri, result, RemoteProblem::NotConfigured, &words, &[SECRET]);
    }
}

/// Codes and statuses as AWS documents them (the error lists of GetParameter,
/// GetSecretValue, Encrypt and Decrypt, and "Common Errors"); a stub.
#[test]
fn each_code_of_aws_is_understood() {
    use RemoteProblem as P;
    let codes = [
        (400, "AccessDeniedException", P::Denied),
        (403, "AccessDeniedException", P::Denied),
        (403, "", P::Denied),
        (400, "UnrecognizedClientException", P::Unauthenticated),
        (403, "InvalidSignatureException", P::Unauthenticated),
        (403, "ExpiredTokenException", P::Unauthenticated),
        (400, "ParameterNotFound", P::NotFound),
        (400, "ResourceNotFoundException", P::NotFound),
        (400, "com.amazonaws.kms#NotFoundException", P::NotFound),
        (400, "DisabledException", P::Unusable),
        (409, "KMSInvalidStateException", P::Unusable),
        (400, "InvalidKeyUsageException", P::Format),
        (400, "IncorrectKeyException", P::NotItsKey),
        (400, "InvalidCiphertextException", P::NotItsKey),
        (400, "ValidationException", P::Refused),
        (400, "ThrottlingException", P::Throttled),
        (429, "", P::Throttled),
        (500, "InternalServerError", P::Failed),
        (503, "", P::Failed),
    ];
    let message = "User: arn:aws:iam::123456789012:user/app is not authorized";
    let settings = Settings {
        timeout: Duration::from_secs(20),
        ..settings()
    };
    let (one, text) = key();
    std::thread::scope(|scope| {
        for (status, code, problem) in codes {
            let (one, text, settings) = (&one, &text, &settings);
            scope.spawn(move || {
                let stub = refusing(status, code, message);
                let env = env_of(&stub.url());
                let attempts = if problem.is_transient() { 4 } else { 1 };
                for uri in ["aws-ssm:/app/key", "aws-secret:app", "aws-kms:alias/app"] {
                    let source = source::parse(uri, settings).unwrap();
                    let result = if source.delivers() {
                        source.keys(&env).map(|_| ())
                    } else {
                        source.wrap_key(one, &place(), &env).map(|_| ())
                    };
                    let (found, shown) = failure(uri, result, &[text, SECRET, "a-session"]);
                    assert_eq!(found, problem, "{status} {code}: {shown}");
                    assert!(shown.contains("not authorized"), "{shown}");
                    assert_eq!(stub.received().len(), attempts, "{status} {code}");
                    if problem == P::Denied {
                        let actions = [
                            ("aws-ssm", "ssm:GetParameter on the parameter /app/key"),
                            (
                                "aws-secret",
                                "secretsmanager:GetSecretValue on the secret app",
                            ),
                            ("aws-kms", "kms:Encrypt on the key alias/app"),
                        ];
                        let (_, action) = actions
                            .iter()
                            .find(|(scheme, _)| uri.starts_with(&format!("{scheme}:")))
                            .unwrap();
                        assert!(shown.contains(action), "{shown}");
                    }
                }
            });
        }
    });
}

#[test]
fn a_server_that_fails_is_asked_again() {
    let (one, text) = key();
    let name = unique("app");
    put_secret(&name, &text);
    let proxy = HttpProxy::to(&server::aws());
    let env = env_of(proxy.url());
    let uri = format!("aws-secret:{name}");
    for fault in [
        Fault::Answer(503),
        Fault::Answer(429),
        Fault::CutAnswer(40),
        Fault::LoseAnswer,
    ] {
        proxy.fail(1, "POST", fault);
        let source = open(&uri);
        assert_eq!(source.keys(&env).unwrap()[0].id(), one.id(), "{fault:?}");
        assert_eq!(proxy.requests().len(), 2, "{fault:?}");
        assert_eq!(source.health().unwrap().answered, 1);
    }
    // Kept while it is down, for as long as grace runs.
    let settings = Settings {
        cache: Duration::ZERO,
        ..settings()
    };
    let source = source::parse(&uri, &settings).unwrap();
    source.keys(&env).unwrap();
    proxy.fail(4, "POST", Fault::Answer(503));
    assert_eq!(source.keys(&env).unwrap()[0].id(), one.id());
    assert!(source.health().unwrap().stale);
}

#[test]
fn an_answer_that_is_none_is_not_repeated() {
    let (_, text) = key();
    for answer in [
        format!(r#"{{"Parameter": {{"Type": "SecureString", "Value": "{text}"#),
        format!(r#"{{"Parameter": {{"Type": "SecureString", "Value": ["{text}"]}}}}"#),
        text.clone(),
    ] {
        let stub = Responder::new(move |_| (200, answer.clone()));
        let uri = "aws-ssm:/app/key";
        failure(uri, open(uri).keys(&env_of(&stub.url())), &[&text, SECRET]);
    }
}

#[test]
fn an_unreachable_server_fails_in_time() {
    for uri in ["aws-ssm:/app/key", "aws-secret:app", "aws-kms:alias/app"] {
        remote::unreachable_fails_in_time(|url| (uri.to_owned(), env_of(url)));
    }
}

/// Nobody has credentials here: what the SDK looks for by itself ends in time too.
#[test]
fn no_credentials_at_all_is_said_in_time() {
    let uri = "aws-ssm:/app/key";
    let source: Box<dyn KeySource> = open(uri);
    let begin = std::time::Instant::now();
    let result = source.keys(&env(&[("AWS_REGION", "eu-west-1")]));
    assert!(begin.elapsed() < Duration::from_secs(15));
    let (_, message) = failure(uri, result, &[]);
    for words in [
        "no credentials were found",
        "AWS_ACCESS_KEY_ID",
        "AWS_PROFILE",
    ] {
        assert!(message.contains(words), "{message}");
    }
}
