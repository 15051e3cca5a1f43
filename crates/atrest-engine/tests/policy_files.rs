//! `[[files]]` of the policy: what it accepts, and for everything else the line, what
//! is wrong there and what to do.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

use std::path::Path;

use atrest_core::object::ObjectBind;
use atrest_engine::policy::Policy;

/// A policy whose `[keys]` is right, and then this from line 3 on.
fn with(files: &str) -> String {
    format!("[keys]\nprimary = \"env:K\"\n{files}")
}

#[test]
fn all_of_files_is_read_without_a_database() {
    let text = with(
        "[[files]]\nlocation = \"data/clips\"\n\
         include = [\"*.mp4\", \"gate/**\"]\nexclude = [\"tmp\"]\n\
         suite = \"cobblestone-256\"\nbind = \"none\"\n\n\
         [[files]]\nlocation = \"/srv/photos\"\n",
    );
    let policy = Policy::parse(&text, "conf/atrest.toml").unwrap();
    assert!(policy.database.is_none() && policy.columns.is_empty());
    let [clips, photos] = policy.files.as_slice() else {
        panic!("two folders")
    };
    assert_eq!(clips.location, "data/clips");
    assert_eq!(clips.path(policy.directory()), Path::new("conf/data/clips"));
    assert_eq!(clips.include, ["*.mp4", "gate/**"]);
    assert_eq!(clips.exclude, ["tmp"]);
    assert_eq!(clips.bind, ObjectBind::None);
    assert_eq!(clips.line, 3);
    assert_eq!(photos.path(policy.directory()), Path::new("/srv/photos"));
    assert!(photos.include.is_empty() && photos.exclude.is_empty());
    assert_eq!((photos.bind, photos.line), (ObjectBind::Path, 10));
}

#[test]
fn a_subject_needs_a_database_for_its_keys() {
    let text = with(
        "[database]\nurl = \"sqlite:app.db\"\n\
         [[files]]\nlocation = \"clips\"\nsubject = \"people/{subject}/**\"\n",
    );
    let policy = Policy::parse(&text, "atrest.toml").unwrap();
    let subject = policy.files[0].subject.as_ref().unwrap();
    assert_eq!(subject.to_string(), "people/{subject}/**");
    assert_eq!(subject.subject_of(b"people/anna/a.jpg"), Some("anna"));
}

#[test]
fn files_stand_beside_columns() {
    let text = with(
        "[database]\nurl = \"sqlite:app.db\"\n\
         [[column]]\ntable = \"t\"\nname = \"c\"\n[[files]]\nlocation = \"clips\"\n",
    );
    let policy = Policy::parse(&text, "atrest.toml").unwrap();
    assert_eq!((policy.columns.len(), policy.files.len()), (1, 1));
    // Writing contexts down leaves [[files]] as they are.
    let (edited, _) = Policy::with_contexts(&text, "atrest.toml").unwrap();
    assert!(edited.contains("[[files]]\nlocation = \"clips\"\n"));
}

#[test]
fn what_cannot_stand_is_refused_with_its_line() {
    let files = |lines: &str| with(&format!("[[files]]\nlocation = \"clips\"\n{lines}\n"));
    let two = |one, two| {
        with(&format!(
            "[[files]]\nlocation = \"{one}\"\n[[files]]\nlocation = \"{two}\"\n"
        ))
    };
    let cases: [(String, &[&str]); 26] = [
        (
            with("[[files]]\n"),
            &["line 3", "no `location`", "location = "],
        ),
        (
            with("[[files]]\nlocation = \" \"\n"),
            &["line 4", "is empty"],
        ),
        (
            with("[[files]]\nlocation = \"s3:///a\"\n"),
            &["line 4", "`s3:///a`", "s3://BUCKET/PREFIX"],
        ),
        (
            with("[[files]]\nlocation = \"https://host/a\"\n"),
            &["line 4", "a URL", "local disk"],
        ),
        (
            with("[files]\nlocation = \"clips\"\n"),
            &["line 3", "[[files]]", "double brackets"],
        ),
        (
            format!("files = [3]\n{}", with("")),
            &["line 1", "holds an integer"],
        ),
        (
            files("incldue = [\"*\"]"),
            &["line 5", "`incldue`", "`include`"],
        ),
        (files("path = \"x\""), &["line 5", "`path`", "[[files]]"]),
        (
            files("include = \"*.mp4\""),
            &["line 5", "a string, not a list"],
        ),
        (files("include = []"), &["line 5", "is empty", "all files"]),
        (files("include = [3]"), &["line 5", "not a pattern"]),
        (files("include = [\"\"]"), &["line 5", "not a pattern"]),
        (
            files("include = [\"a\",\n \"[b\"]"),
            &["line 6", "`[b`", "no pattern"],
        ),
        (
            files("exclude = [\"{a\"]"),
            &["line 5", "`exclude`", "`{a`"],
        ),
        (
            files("suite = \"cobblestone-128\""),
            &["line 5", "cobblestone-128", "`cobblestone-256`"],
        ),
        (
            files("suite = \"fernet\""),
            &["line 5", "fernet", "`cobblestone-256`"],
        ),
        (
            files("bind = \"row\""),
            &["line 5", "`row`", "`path`, `none`"],
        ),
        (files("bind = 1"), &["line 5", "an integer"]),
        (files("subject = 1"), &["line 5", "an integer"]),
        (files("subject = \"\""), &["line 5", "is empty"]),
        (
            files("subject = \"people/**\""),
            &[
                "line 5",
                "`people/**`",
                "has no `{subject}`",
                "\"{subject}/**\"",
            ],
        ),
        (
            files("subject = \"**/{subject}/**\""),
            &["line 5", "could be several"],
        ),
        (
            files("subject = \"{subject}/**\""),
            &["[database]", "url = "],
        ),
        (
            two("clips", "./clips/"),
            &["line 5", "`./clips/`", "`clips` at line 3"],
        ),
        (
            two("clips/gate", "clips"),
            &["line 5", "overlaps", "keep one"],
        ),
        (two(".", "a/../b"), &["line 5", "overlaps"]),
    ];
    for (text, parts) in cases {
        let error = match Policy::parse(&text, "atrest.toml") {
            Ok(_) => panic!("accepted:\n{text}"),
            Err(error) => error.to_string(),
        };
        for part in parts {
            assert!(error.contains(part), "{error}\nlacks {part} for\n{text}");
        }
    }
}
