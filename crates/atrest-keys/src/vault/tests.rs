//! The URIs; requests are tested in `tests/vault.rs`.

use super::{Secret, Transit};
use crate::{KeySourceError, Settings};

const HEX: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

fn refused<T: std::fmt::Debug>(result: Result<T, KeySourceError>, want: &str) {
    let error = result.unwrap_err();
    let shown = format!("{error} {error:?}");
    assert!(shown.contains(want), "{shown} does not say {want}");
    assert!(!shown.contains(HEX), "{shown}");
}

#[test]
fn what_a_secret_may_be_written_as() {
    let settings = Settings::new(".");
    for rest in [
        "secret/app",
        "secret/team/app?field=primary&version=3",
        "kv%2Fteam/app?namespace=admin",
        "secret/app?auth=token",
        "secret/app?auth=approle",
        "secret/app?auth=approle&mount=approle%2Fci",
        "secret/app?auth=kubernetes&role=app&jwt=token&mount=eu&allow-http=true",
    ] {
        assert!(Secret::parse(rest, &settings).is_ok(), "{rest}");
    }
    for (rest, want) in [
        ("", "nothing is named"),
        ("secret", "no secret below a mount"),
        ("secret/", "no secret below a mount"),
        ("/app", "no secret below a mount"),
        ("secret//app", "no secret below a mount"),
        ("secret/app?version=0", "whole number from 1"),
        ("secret/app?version=-1", "whole number from 1"),
        ("secret/app?auth=ldap", "none of token, approle, kubernetes"),
        ("secret/app?auth=kubernetes", "needs `role=`"),
        (
            "secret/app?role=app",
            "`role` means nothing with `auth=token`",
        ),
        (
            "secret/app?auth=approle&jwt=x",
            "`jwt` means nothing with `auth=approle`",
        ),
        ("secret/app?feild=x", "did you mean `field`?"),
        (
            "secret/app?token=hvs.abc",
            "field, version, auth, mount, role, jwt, namespace, allow-http",
        ),
    ] {
        refused(Secret::parse(rest, &settings), want);
    }
    refused(
        Secret::parse(&format!("secret/{HEX}"), &settings),
        "a key stands",
    );
    refused(
        Secret::parse(&format!("secret/app?field={HEX}"), &settings),
        "a key stands",
    );
}

#[test]
fn what_a_key_of_transit_may_be_written_as() {
    let settings = Settings::new(".");
    for rest in [
        "transit/app",
        "team/transit/app",
        "transit/app?auth=approle",
    ] {
        assert!(Transit::parse(rest, &settings).is_ok(), "{rest}");
    }
    for (rest, want) in [
        ("", "nothing is named"),
        ("app", "no key below a mount"),
        ("transit/", "no key below a mount"),
        ("/app", "no key below a mount"),
        ("transit/app?field=key", "that it does not have"),
    ] {
        refused(Transit::parse(rest, &settings), want);
    }
    refused(
        Transit::parse(&format!("transit/{HEX}"), &settings),
        "a key stands",
    );
}
