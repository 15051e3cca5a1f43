//! What `init` proposes: by name, by content, and what it leaves alone. Values
//! are made up.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

use atrest_engine::sensitive::Confidence::{High, Low, Medium};
use atrest_engine::sensitive::{Confidence, Finding, Suggestion, judge};
use atrest_engine::target::{Column, Value};

fn column(name: &str, declared_type: &str) -> Column {
    Column {
        name: name.to_owned(),
        declared_type: declared_type.to_owned(),
        nullable: true,
    }
}

fn by_name(table: &str, name: &str, declared_type: &str) -> Option<Confidence> {
    judge(table, &column(name, declared_type), &[]).map(|finding| finding.confidence)
}

fn by_content(values: &[&str]) -> Option<Finding> {
    let sample: Vec<Value> = values
        .iter()
        .map(|v| Value::Text(v.as_bytes().to_vec()))
        .collect();
    judge("t", &column("x", "text"), &sample)
}

#[test]
fn names_of_the_chinook_database() {
    for table in ["Customer", "Employee", "public.customers"] {
        for name in ["FirstName", "LastName", "Address", "Phone", "Fax", "Email"] {
            assert_eq!(
                by_name(table, name, "NVARCHAR(40)"),
                Some(High),
                "{table}.{name}"
            );
        }
        for name in ["City", "PostalCode"] {
            assert_eq!(
                by_name(table, name, "NVARCHAR(40)"),
                Some(Medium),
                "{table}.{name}"
            );
        }
        for name in [
            "State",
            "Country",
            "Company",
            "Title",
            "HireDate",
            "ReportsTo",
            "SupportRepId",
            "CustomerId",
        ] {
            assert_eq!(by_name(table, name, "NVARCHAR(40)"), None, "{table}.{name}");
        }
    }
    assert_eq!(by_name("Employee", "BirthDate", "DATETIME"), Some(High));
    assert_eq!(
        by_name("Invoice", "BillingAddress", "NVARCHAR(70)"),
        Some(High)
    );
    for (table, name) in [
        ("Artist", "Name"),
        ("Track", "Name"),
        ("Genre", "Name"),
        ("Playlist", "Name"),
        ("MediaType", "Name"),
        ("Album", "Title"),
        ("Track", "Composer"),
        ("Track", "Bytes"),
        ("Invoice", "InvoiceDate"),
        ("Invoice", "Total"),
        ("Invoice", "BillingCountry"),
        ("InvoiceLine", "Quantity"),
    ] {
        assert_eq!(
            by_name(table, name, "NVARCHAR(200)"),
            None,
            "{table}.{name}"
        );
    }
}

#[test]
fn names_in_every_spelling_and_four_languages() {
    for (table, name, want) in [
        ("users", "email", Some(High)),
        ("users", "userEmailAddress", Some(High)),
        ("users", "e_mail", Some(High)),
        ("users", "name", Some(High)),
        ("users", "user_name", Some(Medium)),
        ("users", "date_of_birth", Some(High)),
        ("kunden", "Geburtsdatum", Some(High)),
        ("kunden", "Nachname", Some(High)),
        ("clientes", "apellidos", Some(High)),
        ("clients", "prénom", Some(High)),
        ("clients", "téléphone", Some(High)),
        ("clientes", "contraseña", Some(High)),
        ("people", "national_id", Some(High)),
        ("people", "passport_id", Some(High)),
        ("payments", "IBAN", Some(High)),
        ("payments", "card_number", Some(High)),
        ("sessions", "ip_address", Some(Medium)),
        ("sessions", "clientIP", Some(Medium)),
        ("integrations", "api_key", Some(High)),
        ("integrations", "refreshToken", Some(High)),
        ("faces", "face_encoding", Some(High)),
        ("peopleeventlog", "face_template", Some(High)),
        ("faces", "embedding", Some(Medium)),
        ("patients", "diagnosis", Some(High)),
        ("staff", "salary", Some(High)),
        ("events", "latitude", Some(Medium)),
        ("orders", "notes", Some(Low)),
        ("detections", "bbox", Some(Low)),
        ("detections", "label", Some(Low)),
    ] {
        assert_eq!(by_name(table, name, "text"), want, "{table}.{name}");
    }
    // Numbers can be these, but not an e-mail address.
    assert_eq!(by_name("staff", "salary", "numeric(10,2)"), Some(High));
    assert_eq!(by_name("users", "phone", "bigint"), Some(High));
    assert_eq!(by_name("users", "email", "boolean"), None);
}

#[test]
fn what_only_speaks_about_something_sensitive_is_left_alone() {
    for name in [
        "email_verified",
        "is_email_confirmed",
        "message_count",
        "password_changed_at",
        "phone_type",
        "email_template",
        "token_id",
        "has_passport",
        "address_id",
        "typeface",
        "surface",
        "description",
        "shipment",
        "recipe",
        "script",
        "latest",
        "zipped",
        "category",
        "expand",
        "panel",
        "raced",
    ] {
        assert_eq!(by_name("things", name, "text"), None, "{name}");
    }
}

#[test]
fn passwords_are_to_be_hashed_and_tokens_to_be_adopted() {
    let password = judge("users", &column("password", "varchar(128)"), &[]).unwrap();
    assert_eq!(
        (password.confidence, password.suggested),
        (High, Suggestion::Hash)
    );
    assert_eq!(by_name("users", "password_hash", "text"), None);

    let sealed = by_content(&["gAAAAABpVrqAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=="; 3]).unwrap();
    assert_eq!(sealed.suggested, Suggestion::AlreadySealed);
    assert_eq!(
        sealed.reasons,
        ["3 of 3 sampled values are encrypted already (atrest or Fernet)"]
    );
}

#[test]
fn contents_speak_where_the_name_does_not() {
    let vector: Vec<String> = (0..128).map(|i| format!("0.{i}")).collect();
    let template = format!("{{\"v\": [{}]}}", vector.join(","));
    let dates = [
        "1951-03-01",
        "1962-02-18",
        "1970-05-29",
        "1985-11-11",
        "1999-01-09",
    ];
    let cases: &[(&[&str], Confidence, &str)] = &[
        (
            &["ada@example.org", "bob@example.org", "none"],
            High,
            "2 of 3 sampled values are e-mail addresses",
        ),
        (
            &["+1 (555) 010-9999", "(555) 010-0000"],
            Medium,
            "2 of 2 sampled values are telephone numbers",
        ),
        (
            &["4111 1111 1111 1111", "5555555555554444", "378282246310005"],
            High,
            "payment card numbers",
        ),
        (
            &["GB82 WEST 1234 5698 7654 32"],
            High,
            "1 of 1 sampled values is a bank account (IBAN)",
        ),
        (
            &["192.0.2.1", "2001:db8::1"],
            Medium,
            "2 of 2 sampled values are IP addresses",
        ),
        (
            &["eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0."],
            High,
            "JSON Web Token",
        ),
        (&["-----BEGIN PRIVATE KEY-----\nMAA="], High, "PEM"),
        (
            &["write to ada@example.org", "hello", "good day"],
            Medium,
            "1 of 3 sampled values mentions an e-mail address",
        ),
        (
            &dates,
            Low,
            "5 of 5 sampled values are dates that spread over 48 years",
        ),
        (&[&template], High, "is JSON with a long array of numbers"),
        (
            &[r#"{"birthDate": "x", "n": 1}"#, "{}"],
            High,
            "1 of 2 sampled values is JSON with a key that names",
        ),
    ];
    for (values, confidence, reason) in cases {
        let finding = by_content(values).unwrap_or_else(|| panic!("nothing found for {reason}"));
        assert_eq!(finding.confidence, *confidence, "{:?}", finding.reasons);
        assert!(
            finding.reasons.iter().any(|r| r.contains(reason)),
            "{:?}",
            finding.reasons
        );
        for value in *values {
            assert!(
                !finding.reasons.join("\n").contains(value),
                "{:?}",
                finding.reasons
            );
        }
    }
}

#[test]
fn ordinary_contents_say_nothing() {
    let orders = [
        "2009-01-01 00:00:00",
        "2010-05-06",
        "2011-07-08",
        "2012-01-02",
        "2013-12-22",
    ];
    let cases: &[&[&str]] = &[
        &[],
        &["", "  "],
        &["Jazz", "Rock", "Metal"],
        &["1", "2", "3"],
        &["0.99", "1.99"],
        &["1577836800", "1577836801"],
        &["5550109999"],
        &["1.2.3", "10.0.19041"],
        &["3f2c8b9e-0000-4000-8000-000000000000"],
        &orders,
        &[r#"{"width": 3, "ids": [1, 2, 3]}"#],
        &["ada@example.org", "b", "c", "d"],
        &["ar1.hello", "gAAAAA"],
    ];
    for values in cases {
        assert_eq!(by_content(values), None, "{values:?}");
    }
    let others = [
        Value::Null,
        Value::Deferred(1 << 30),
        Value::Bytes(vec![0xff, 0x00]),
        Value::Number(b"42".to_vec()),
    ];
    assert_eq!(judge("t", &column("x", "blob"), &others), None);
}

#[test]
fn a_value_cut_in_the_middle_of_a_character_still_counts() {
    let mut cut = "{\"email\": \"ada\", \"x\": \"é".as_bytes().to_vec();
    cut.pop();
    let finding = judge("t", &column("x", "json"), &[Value::Text(cut)]).unwrap();
    assert_eq!(finding.confidence, High);
}
