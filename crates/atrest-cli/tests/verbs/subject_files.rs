//! A location whose files are of people, under every verb.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Stdio;

use serde_json::Value;

use crate::support::Place;

async fn place() -> Place {
    let place = Place::sqlite(10).await;
    place.policy(&format!(
        "[keys]\nkeyring = \"atrest.keyring\"\nroot = \"env:KEY\"\n\n[database]\nurl = \"{}\"\n\n\
         [[files]]\nlocation = \"clips\"\nsubject = \"{{subject}}/**\"\n",
        place.db.url()
    ));
    for (name, content) in [
        ("anna/a", "hers"),
        ("anna/b", "hers too"),
        ("bert/a", "his"),
        ("x", "x"),
    ] {
        let path = place.folder().join("clips").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    place.run(&["key", "init"]).expect(0);
    place
}

fn one(json: &Value) -> &Value {
    &json["files"][0]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_of_people_under_every_verb() {
    let place = place().await;
    let run = |arguments: &[&str], status| {
        let arguments = [arguments, &["--json"]].concat();
        place.run(&arguments).expect(status).json()
    };
    let plan = run(&["plan"], 0);
    assert_eq!(
        (&one(&plan)["due"], &one(&plan)["sealed_by_subject"]),
        (&4.into(), &0.into())
    );
    let warned = one(&plan)["warnings"][0]["what"].as_str().unwrap();
    assert!(
        warned.starts_with("1 files do not fit the subject `{subject}/**`"),
        "{warned}"
    );
    run(&["verify"], 1);
    run(&["encrypt", "--dry-run"], 0);

    let done = run(&["encrypt"], 0);
    assert_eq!(one(&done)["sealed_by_subject"], 3);
    assert_eq!(one(&done)["changed"], 4);
    for verb in ["verify", "status"] {
        let found = run(&[verb], 0);
        assert_eq!(
            (&one(&found)["sealed_by_subject"], &one(&found)["forgotten"]),
            (&3.into(), &0.into())
        );
    }
    place
        .run(&["verify"])
        .expect(0)
        .says("3 files under keys of their subjects");
    place
        .run(&["file", "cat", "clips/anna/a"])
        .expect(0)
        .says("hers");
    place
        .run(&["file", "open", "clips/bert/a", "out"])
        .expect(0);
    assert_eq!(fs::read(place.folder().join("out")).unwrap(), b"his");
    let key = |path: &str| run(&["file", "verify", path], 0)["files"][0]["key_id"].clone();
    let (anna, bert) = (key("clips/anna/a"), key("clips/bert/a"));
    assert_eq!(key("clips/anna/b"), anna);
    assert_ne!(anna, bert);
    assert_eq!(
        run(&["inspect", "clips", "anna/a"], 0)["files"][0]["key_id"],
        anna
    );

    // Another person's name takes a file under that one's key.
    run(&["file", "mv", "clips/anna/b", "clips/bert/b"], 0);
    assert_eq!(key("clips/bert/b"), bert);
    fs::create_dir(place.folder().join("clips/carl")).unwrap();
    run(&["file", "seal", "out", "clips/carl/a"], 0);
    let carl = key("clips/carl/a");
    assert!(carl != anna && carl != bert);
    run(&["file", "mv", "clips/x", "clips/anna/x"], 0);
    assert_eq!(key("clips/anna/x"), anna);

    let copy = place.folder().join("copy/bert");
    fs::create_dir_all(&copy).unwrap();
    fs::copy(place.folder().join("clips/bert/a"), copy.join("a")).unwrap();
    let compared = run(&["verify", "--against", "copy"], 0);
    assert_eq!(
        (&one(&compared)["same"], &one(&compared)["forgotten"]),
        (&1.into(), &0.into())
    );

    place.run(&["key", "rotate"]).expect(0);
    run(&["rotate"], 0);
    assert_eq!(key("clips/anna/a"), anna, "hers is hers");
    let done = run(&["decrypt"], 0);
    assert_eq!(one(&done)["changed"], 5);
    assert_eq!(
        fs::read(place.folder().join("clips/bert/b")).unwrap(),
        b"hers too"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_have_their_files_served() {
    let place = place().await;
    place.run(&["encrypt"]).expect(0);
    let mut server = place
        .command(&["serve", "--no-auth", "--listen", "127.0.0.1:0", "--json"])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut log = std::io::BufReader::new(server.stderr.take().unwrap());
    let mut line = String::new();
    let url = loop {
        line.clear();
        assert_ne!(std::io::BufRead::read_line(&mut log, &mut line).unwrap(), 0);
        let said: Value = serde_json::from_str(&line).unwrap_or_default();
        if let Some(url) = said["fields"]["url"].as_str() {
            break url.to_owned();
        }
    };
    let host = url.trim_start_matches("http://").to_owned();
    let ask = |request: &str, body: &str| {
        let mut stream = TcpStream::connect(&host).unwrap();
        let length = body.len();
        write!(
            stream,
            "{request} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    assert!(ask("GET /clips/anna/a", "").ends_with("hers"));
    let put = ask("PUT /clips/dora/a", "new");
    assert!(put.starts_with("HTTP/1.1 201"), "{put}");
    assert!(ask("GET /clips/dora/a", "").ends_with("new"));
    server.kill().unwrap();
    server.wait().unwrap();
    let report = place.run(&["verify", "--json"]).expect(0).json();
    assert_eq!(one(&report)["sealed_by_subject"], 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_persons_files_are_forgotten() {
    let place = place().await;
    place.run(&["encrypt"]).expect(0);
    let forgot = place.run(&["forget", "anna", "--now", "--yes"]).expect(0);
    forgot.says("clips: 2 files, 2 unreadable, 0 still in clear");
    let report = place.run(&["verify", "--json"]).expect(0).json();
    assert_eq!(
        (
            &one(&report)["forgotten"],
            &one(&report)["sealed_by_subject"]
        ),
        (&2.into(), &1.into())
    );
    let cat = place.run(&["file", "cat", "clips/anna/a"]).expect(2);
    cat.says("was destroyed when the subject").hides("hers");
    let looked = place
        .run(&["file", "verify", "clips/anna/a", "--json"])
        .expect(1)
        .json();
    assert_eq!(one(&looked)["state"], "forgotten");
    let looked = place
        .run(&["inspect", "clips", "anna/a", "--json"])
        .expect(1)
        .json();
    assert_eq!(one(&looked)["state"], "forgotten");
    place
        .run(&["file", "mv", "clips/anna/a", "clips/bert/stolen"])
        .expect(2);
    assert!(!place.folder().join("clips/bert/stolen").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_keyring_nothing_is_done() {
    let place = place().await;
    let policy = fs::read_to_string(place.folder().join("atrest.toml")).unwrap();
    place.policy(&policy.replace("keyring = \"atrest.keyring\"\nroot = ", "primary = "));
    for arguments in [
        &["encrypt"][..],
        &["verify"],
        &["file", "seal", "x", "clips/anna/z"],
    ] {
        fs::write(place.folder().join("x"), "x").unwrap();
        place
            .run(arguments)
            .expect(2)
            .says("names no keyring")
            .says("atrest key init");
    }
    assert_eq!(
        fs::read(place.folder().join("clips/anna/a")).unwrap(),
        b"hers"
    );
    assert!(!place.folder().join("clips/anna/z").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_persons_files_are_given_in_clear() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = place().await;
    place.run(&["encrypt"]).expect(0);
    let export = |subject: &str, folder: &str, status| {
        let arguments = ["subject", "export", subject, "--files", folder];
        let ran = place.run(&arguments).expect(status);
        let lines = ran
            .out
            .lines()
            .map(|line| serde_json::from_str(line).unwrap());
        lines.collect::<Vec<Value>>()
    };
    let told = export("anna", "export", 0);
    let file = |name: &str, state: &str, bytes: u64| serde_json::json!({"location": "clips", "file": name, "state": state, "bytes": bytes, "problem": null});
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(told.contains(&file("anna/a", "clear", 4)), "{told:?}");
    assert!(told.contains(&file("anna/b", "clear", 8)), "{told:?}");
    let counts = &told[2];
    assert_eq!(
        (&counts["files"], &counts["given"], &counts["given_bytes"]),
        (&2.into(), &2.into(), &12.into())
    );
    let folder = place.folder().join("export");
    let given = folder.join("clips");
    assert_eq!(fs::read(given.join("anna/a")).unwrap(), b"hers");
    assert!(!given.join("bert").exists() && !given.join("x").exists());
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    assert_eq!(mode(&given.join("anna")), 0o700);
    assert_eq!(mode(&given.join("anna/a")), 0o600);

    // Nothing is overwritten, and nothing is put where it would be encrypted.
    place
        .run(&["subject", "export", "bert", "--files", "export"])
        .expect(2)
        .says("name a new one");
    place
        .run(&["subject", "export", "bert", "--files", "clips/export"])
        .expect(2)
        .says("lies in clips");
    assert!(!place.folder().join("clips/export").exists());
    place
        .run(&["subject", "export", "bert"])
        .expect(0)
        .says("--files FOLDER");

    // One that does not open is named, and not begun.
    let path = place.folder().join("clips/bert/a");
    let mut damaged = fs::read(&path).unwrap();
    *damaged.last_mut().unwrap() ^= 1;
    fs::write(&path, damaged).unwrap();
    let told = export("bert", "of-bert", 1);
    assert_eq!(told[0]["state"], "undecryptable");
    assert_eq!(told[1]["undecryptable"], 1);
    assert!(!place.folder().join("of-bert/clips/bert").exists());

    place.run(&["forget", "anna", "--now", "--yes"]).expect(0);
    let told = export("anna", "gone", 0);
    assert!(told.contains(&file("anna/a", "forgotten", 0)), "{told:?}");
    assert_eq!(
        (&told[2]["given"], &told[2]["forgotten"]),
        (&0.into(), &2.into())
    );
    assert!(!place.folder().join("gone/clips/anna").exists());
}

/// What can be taken back is not gone, and is not called clear.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_of_who_is_to_be_forgotten() {
    let place = place().await;
    place.run(&["encrypt"]).expect(0);
    let policy = fs::read_to_string(place.folder().join("atrest.toml")).unwrap();
    place.policy(&format!("{policy}\n[subjects]\nundo = \"7d\"\n"));
    place.run(&["forget", "anna", "--yes"]).expect(0);
    let found = place.run(&["verify", "--json"]).expect(0).json();
    assert_eq!(
        (&one(&found)["to_be_forgotten"], &one(&found)["forgotten"]),
        (&2.into(), &0.into())
    );
    place
        .run(&["verify"])
        .says("2 files of subjects that are to be forgotten")
        .says("100 %");
    place
        .run(&["file", "cat", "clips/anna/a"])
        .expect(2)
        .says("atrest forget SUBJECT --undo takes it back");
    let looked = place.run(&["inspect", "clips", "anna/a", "--json"]);
    assert_eq!(one(&looked.json())["state"], "to-be-forgotten");
    place
        .run(&["subject", "export", "anna", "--files", "hers"])
        .expect(1)
        .says("2 are to be forgotten");
    place
        .run(&["decrypt", "--yes"])
        .expect(1)
        .hides("is clear again");
    place.run(&["forget", "anna", "--undo"]).expect(0);
    place.run(&["decrypt", "--yes"]).expect(0);
    let hers = fs::read(place.folder().join("clips/anna/a")).unwrap();
    assert_eq!(hers, b"hers");
}

/// A folder that is there is refused before a value of the person is written.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_export_that_cannot_be_begun_gives_nothing() {
    let place = place().await;
    fs::create_dir(place.folder().join("there")).unwrap();
    let export = [
        "subject", "export", "anna", "--out", "out", "--files", "there",
    ];
    place.run(&export).expect(2).says("name a new one");
    assert!(!place.folder().join("out").exists());
}

/// Keys of one subject that do not open stop nobody else's files.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_of_whose_keys_do_not_open() {
    let place = place().await;
    place.run(&["encrypt"]).expect(0);
    place
        .run(&["key", "rotate", "--purpose", "subjects"])
        .expect(0);
    let listed = place.run(&["key", "list", "--json"]).expect(0).json();
    let keys = listed["keys"].as_array().unwrap();
    let lost = keys.iter().find(|key| key["purpose"] == "subjects");
    let lost = lost.unwrap()["key"].as_str().unwrap();
    place
        .run(&["key", "retire", lost, "--force", "--yes"])
        .expect(0);
    let read = |name: &str| fs::read(place.folder().join("clips").join(name)).unwrap();
    let (anna, bert) = (read("anna/a"), read("bert/a"));
    for name in ["anna/new", "carl/a"] {
        let path = place.folder().join("clips").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "new").unwrap();
    }
    place
        .run(&["encrypt"])
        .expect(1)
        .says("clips/anna/new: the keys of subject")
        .says(&format!("are wrapped under key {lost}"));
    assert_eq!(read("anna/new"), b"new");
    // What does not open is not taken for clear.
    assert_eq!((read("anna/a"), read("bert/a")), (anna, bert));
    assert!(read("carl/a").starts_with(b"ATREST"));
    let found = place.run(&["verify", "--json"]).expect(1).json();
    assert_eq!(one(&found)["undecryptable"], 3);
    place.run(&["rotate"]).expect(1);
    place
        .run(&["file", "seal", "clips/anna/new", "clips/anna/sealed"])
        .expect(2)
        .says("are wrapped under key");
    // Erased all the same; what is in clear is told.
    place
        .run(&["forget", "anna", "--yes"])
        .expect(1)
        .says("3 files, 2 unreadable, 1 still in clear");
}
