//! The URIs; requests are tested in `tests/aws.rs`.

use super::{Kms, Parameter, Secret};
use crate::{KeySourceError, Settings};

const HEX: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const ARN: &str = "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab";

fn refused<T: std::fmt::Debug>(result: Result<T, KeySourceError>, want: &str) {
    let error = result.unwrap_err();
    let shown = format!("{error} {error:?}");
    assert!(shown.contains(want), "{shown} does not say {want}");
    for secret in [HEX, "hunter2"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[test]
fn what_a_parameter_may_be_written_as() {
    let settings = Settings::new(".");
    for rest in [
        "/app/key",
        "key",
        "/app/key:3",
        "/app/key?region=eu-west-1&endpoint=http://127.0.0.1:5000",
        "arn:aws:ssm:eu-west-1:123456789012:parameter/app/key",
        "/app/key?endpoint=http://localstack:4566&allow-http=true",
    ] {
        assert!(Parameter::parse(rest, &settings).is_ok(), "{rest}");
    }
    for (rest, want) in [
        ("", "nothing is named"),
        ("/", "names no parameter"),
        ("app/key", "a path starts with a slash"),
        ("/app/key?regoin=x", "did you mean `region`?"),
        ("/app/key?field=x", "region, endpoint, allow-http"),
        (
            "/app/key?endpoint=http://localstack:4566",
            "`endpoint` is `http`",
        ),
        (
            "/app/key?endpoint=https://me:hunter2@ssm.example",
            "do not belong there",
        ),
        ("/app/key?endpoint=ssm", "is not a URL"),
    ] {
        refused(Parameter::parse(rest, &settings), want);
    }
    refused(Parameter::parse(HEX, &settings), "a key stands");
}

#[test]
fn what_a_secret_may_be_written_as() {
    let settings = Settings::new(".");
    for rest in [
        "app",
        "shop/app?field=key&version-stage=AWSPREVIOUS&region=eu-west-1",
        "arn:aws:secretsmanager:eu-west-1:123456789012:secret:app-AbCdEf?region=eu-west-1",
    ] {
        assert!(Secret::parse(rest, &settings).is_ok(), "{rest}");
    }
    for (rest, want) in [
        ("", "nothing is named"),
        (
            "app?version=1",
            "field, version-stage, region, endpoint, allow-http",
        ),
        (
            "arn:aws:secretsmanager:eu-west-1:123456789012:secret:app-AbCdEf?region=us-east-1",
            "not that of the ARN, eu-west-1",
        ),
    ] {
        refused(Secret::parse(rest, &settings), want);
    }
    refused(Secret::parse(HEX, &settings), "a key stands");
}

#[test]
fn what_a_key_of_kms_may_be_written_as() {
    let settings = Settings::new(".");
    for rest in ["1234abcd-12ab-34cd-56ef-1234567890ab", "alias/app", ARN] {
        assert!(Kms::parse(rest, &settings).is_ok(), "{rest}");
    }
    for (rest, want) in [
        ("", "nothing is named"),
        ("aliass/app", "no key's id"),
        ("alias/app?field=x", "that it does not have"),
    ] {
        refused(Kms::parse(rest, &settings), want);
    }
    refused(Kms::parse(HEX, &settings), "a key stands");
}
