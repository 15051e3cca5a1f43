//! `atrest demo` from beginning to end, and what it refuses.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

use std::fs;

use assert_cmd::Command;
use atrest_testing::Connection;

fn demo(folder: &std::path::Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_atrest"))
        .current_dir(folder)
        // The demo minds its own folder only.
        .env("ATREST_POLICY", "/nowhere/atrest.toml")
        .env("DATABASE_URL", "postgresql://127.0.0.1:1/nothing")
        .arg("demo")
        .args(arguments)
        .output()
        .unwrap();
    (
        output.status.code(),
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

async fn number(file: &std::path::Path, sql: &str) -> String {
    let mut link = Connection::open(&format!("sqlite:{}", file.display()))
        .await
        .unwrap();
    let rows = link.rows(sql).await.unwrap();
    link.close().await;
    String::from_utf8(rows[0][0].clone().unwrap()).unwrap()
}

#[tokio::test]
async fn the_whole_story() {
    let folder = tempfile::tempdir().unwrap();
    let (code, out, err) = demo(folder.path(), &[]);
    assert_eq!(code, Some(0), "{out}{err}");
    for step in [
        "$ atrest init --url sqlite:attendance.sqlite --yes\n",
        "$ atrest plan\n",
        "$ atrest encrypt --yes\n",
        "$ atrest verify\n",
        "$ atrest rotate --yes\n",
        "$ atrest decrypt --policy copy.toml --yes\n",
        "53,000 are tokens",
        "3 tables and their definitions, 51,040 rows, every value and its type: identical",
        "And at every file: 212 are encrypted",
        "$ atrest inspect media clips/gate-07.y4m\n",
        "206 Partial Content; ",
        "bytes 300000-399999/720",
        "The same 100000 bytes as in ",
        "With original-media: 212 files, identical.",
        "On a database of your own:",
    ] {
        assert!(out.contains(step), "{step:?} is not in:\n{out}{err}");
    }

    // What it says, looked at from outside.
    let made = folder.path().join("atrest-demo");
    let sealed = "SELECT CAST((SELECT count(*) FROM users WHERE email LIKE 'ar1.%' AND first_name LIKE 'ar1.%'
        AND last_name LIKE 'ar1.%') + (SELECT count(*) FROM attendance_events
        WHERE face_template LIKE 'ar1.%') AS TEXT)";
    assert_eq!(
        number(&made.join("attendance.sqlite"), sealed).await,
        "51000"
    );
    assert_eq!(number(&made.join("copy.sqlite"), sealed).await, "0");
    let raw = fs::read(made.join("attendance.sqlite")).unwrap();
    assert!(!raw.windows(12).any(|bytes| bytes == b"@example.org"));
    let clip = |folder: &str| fs::read(made.join(folder).join("clips/gate-07.y4m")).unwrap();
    assert!(clip("original-media").starts_with(b"YUV4MPEG2 W160 H120 "));
    assert!(clip("media").starts_with(b"ATREST") && clip("copy-media") == clip("original-media"));
    let secrets =
        ["atrest.key", "atrest-2.key"].map(|name| fs::read_to_string(made.join(name)).unwrap());
    assert_ne!(secrets[0], secrets[1]);
    for secret in &secrets {
        assert!(
            !out.contains(secret.trim()) && !err.contains(secret.trim()),
            "a key was shown"
        );
    }

    // A second time it touches nothing.
    let (code, _, err) = demo(folder.path(), &[]);
    assert_eq!(code, Some(2));
    assert!(
        err.contains("not empty") && err.contains("atrest demo FOLDER"),
        "{err}"
    );
    assert_eq!(
        number(&made.join("attendance.sqlite"), sealed).await,
        "51000"
    );
}

#[test]
fn a_folder_in_use_and_a_file_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("used")).unwrap();
    fs::write(folder.path().join("used/mine.txt"), "mine").unwrap();
    for name in ["used", "used/mine.txt"] {
        let (code, out, err) = demo(folder.path(), &[name]);
        assert_eq!(code, Some(2), "{out}{err}");
        assert!(err.contains(name), "{err}");
    }
    assert_eq!(fs::read_dir(folder.path().join("used")).unwrap().count(), 1);
    assert_eq!(
        fs::read_to_string(folder.path().join("used/mine.txt")).unwrap(),
        "mine"
    );
}
