//! `[[files]]` in S3, beside columns, on real servers.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::process::{Command, Output};

use atrest_testing::server;
use serde_json::Value;

use crate::support::{Place, Ran, ran};

/// A place with a policy of `people.email` and a prefix of its own in a bucket.
struct InBucket {
    place: Place,
    variables: Vec<(&'static str, String)>,
    location: String,
}

impl InBucket {
    async fn on(server: &str) -> Self {
        let url = url::Url::parse(server).unwrap();
        let (host, port) = (url.host_str().unwrap(), url.port().unwrap());
        let number = RandomState::new().build_hasher().finish();
        let location = format!("s3://{}/cli-{number:016x}", url.path().trim_matches('/'));
        let place = Place::sqlite(20).await;
        place.policy(&format!(
            "[keys]\nprimary = \"env:KEY\"\n[database]\nurl = \"{}\"\n[[column]]\ntable = \"people\"\n\
             name = \"email\"\n[[files]]\nlocation = \"{location}\"\nexclude = [\"*.txt\"]\n",
            place.db.url()
        ));
        let variables = vec![
            ("AWS_ENDPOINT_URL", format!("http://{host}:{port}")),
            ("AWS_ALLOW_HTTP", "true".to_owned()),
            ("AWS_REGION", "us-east-1".to_owned()),
            ("AWS_ACCESS_KEY_ID", url.username().to_owned()),
            ("AWS_SECRET_ACCESS_KEY", url.password().unwrap().to_owned()),
        ];
        Self {
            place,
            variables,
            location,
        }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.place.command(arguments);
        command.envs(self.variables.clone());
        command
    }

    #[track_caller]
    fn run(&self, arguments: &[&str]) -> Ran {
        let output: Output = self.command(arguments).output().unwrap();
        for (name, value) in &self.variables {
            let shown = String::from_utf8_lossy(&output.stderr).contains(value.as_str());
            assert!(
                *name != "AWS_SECRET_ACCESS_KEY" || !shown || value.len() < 8,
                "a secret is shown"
            );
        }
        ran(output)
    }

    #[track_caller]
    fn json(&self, arguments: &[&str], status: i32) -> Value {
        self.run(&[arguments, &["--json"]].concat())
            .expect(status)
            .json()
    }

    /// What the server holds under this name, by its plain HTTP face.
    fn store(&self) -> impl object_store::ObjectStore {
        use object_store::aws::AmazonS3Builder;
        let (bucket, prefix) = self
            .location
            .strip_prefix("s3://")
            .unwrap()
            .split_once('/')
            .unwrap();
        let start = AmazonS3Builder::new().with_bucket_name(bucket);
        let s3 = self.variables.iter().fold(start, |s3, (name, value)| {
            s3.with_config(name.to_ascii_lowercase().parse().unwrap(), value)
        });
        object_store::prefix::PrefixStore::new(s3.build().unwrap(), prefix)
    }

    async fn put(&self, name: &str, bytes: Vec<u8>) {
        use object_store::ObjectStoreExt as _;
        let name = object_store::path::Path::parse(name).unwrap();
        self.store().put(&name, bytes.into()).await.unwrap();
    }

    async fn get(&self, name: &str) -> Vec<u8> {
        use object_store::ObjectStoreExt as _;
        let got = self.store().get(&name.into()).await.unwrap();
        got.bytes().await.unwrap().to_vec()
    }
}

#[tokio::test]
async fn columns_and_a_bucket_live_one_life() {
    let s3 = InBucket::on(&server::s3()).await;
    let clip: Vec<u8> = (0..9_000_000u32).map(|n| (n % 251) as u8).collect();
    s3.put("gate/a.mp4", clip.clone()).await;
    s3.put("b.jpg", b"image".to_vec()).await;
    s3.put("note.txt", b"left out".to_vec()).await;

    s3.run(&["plan"])
        .expect(0)
        .says("18 values and 2 files to encrypt");
    let done = s3.json(&["encrypt"], 0);
    assert_eq!(
        (&done["columns"][0]["changed"], &done["files"][0]["changed"]),
        (&18.into(), &2.into())
    );
    assert!(s3.get("gate/a.mp4").await.starts_with(b"ATREST"));
    assert_eq!(s3.get("note.txt").await, b"left out");
    s3.run(&["verify"])
        .expect(0)
        .says("Clean: every value and every file");
    s3.run(&["inspect", &s3.location, "b.jpg"])
        .expect(0)
        .says("sealed, 5 B clear");
    s3.run(&["inspect", &s3.location, "none"])
        .expect(2)
        .says("there is no file none");
    s3.run(&["status"]).expect(0);
    // One object is put in another's place.
    let other = s3.get("b.jpg").await;
    let own = s3.get("gate/a.mp4").await;
    s3.put("gate/a.mp4", other).await;
    let found = s3.json(&["verify"], 1);
    assert_eq!(
        found["files"][0]["undecryptable_files"][0]["file"],
        "gate/a.mp4"
    );
    s3.put("gate/a.mp4", own).await;
    s3.run(&["decrypt"]).expect(0);
    assert!(s3.get("gate/a.mp4").await == clip && s3.get("b.jpg").await == b"image");
}

/// What an earlier system put there is taken over; a dry run changes nothing.
#[tokio::test]
async fn objects_of_an_earlier_system_are_taken_over() {
    let s3 = InBucket::on(&server::s3()).await;
    // From the Fernet specification.
    let token = b"gAAAAAAdwJ6wAAECAwQFBgcICQoLDA0ODy021cpGVWKZ_eEwCGM4BLLF_5CV9dOPmrhuVUPgJobwOz7JcbmrR64jVmpU4IwqDA==";
    s3.put("gate/a.mp4", token.to_vec()).await;
    s3.put("note.txt", b"left out".to_vec()).await;
    let run = |more: &[&str]| {
        let from = ["--from", "fernet", "--from-key", "env:OLD"];
        let only = ["encrypt", "--only", &s3.location];
        let mut command = s3.command(&[&only[..], &from, more].concat());
        command.env("OLD", "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=");
        ran(command.output().unwrap())
    };
    run(&["--originals", "kept", "--dry-run"])
        .expect(0)
        .says("1 files to encrypt. Nothing was changed; next: the same command without --dry-run");
    assert_eq!(s3.get("gate/a.mp4").await, token);
    let kept = s3.place.folder().join("kept");
    assert!(!kept.exists());
    run(&["--originals", "kept"])
        .expect(0)
        .says("1 files encrypted (5 B");
    assert_eq!(std::fs::read(kept.join("gate/a.mp4")).unwrap(), token);
    assert!(!kept.join("note.txt").exists());
    s3.run(&["decrypt", "--only", &s3.location]).expect(0);
    assert_eq!(s3.get("gate/a.mp4").await, b"hello");
}

/// The encrypted copy that `aws s3 sync` or rclone makes is a backup.
#[tokio::test]
async fn a_copy_of_a_bucket_is_compared_and_put_back() {
    let s3 = InBucket::on(&server::s3()).await;
    let names = ["gate/a.mp4", "b.jpg", "c.jpg"];
    for name in names {
        s3.put(name, name.repeat(10_000).into_bytes()).await;
    }
    let only = ["--only", &s3.location];
    let run = |arguments: &[&str]| s3.run(&[arguments, &only[..]].concat());
    run(&["encrypt"]).expect(0);
    let copy = s3.place.folder().join("copy");
    for name in names {
        let file = copy.join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, s3.get(name).await).unwrap();
    }
    run(&["verify", "--against", "copy"])
        .expect(0)
        .says("Every file of the copy holds the same here.");

    let mut damaged = s3.get("gate/a.mp4").await;
    damaged[30_000] ^= 1;
    s3.put("gate/a.mp4", damaged).await;
    s3.put("b.jpg", b"newer".to_vec()).await;
    let found = s3.json(&[&["verify", "--against", "copy"][..], &only].concat(), 1);
    let counts = ["entries", "same", "changed_since", "undecryptable"];
    let counts = counts.map(|name| found["files"][0][name].as_u64().unwrap());
    assert_eq!(counts, [3, 1, 1, 1]);
    run(&["restore", "copy"])
        .expect(1)
        .says("b.jpg: it holds something else than the copy");
    assert_eq!(s3.get("b.jpg").await, b"newer");
    run(&["restore", "copy", "--force", "--yes"]).expect(0);
    run(&["decrypt"]).expect(0);
    for name in names {
        assert!(s3.get(name).await == name.repeat(10_000).into_bytes());
    }
}

#[tokio::test]
async fn a_server_that_ignores_conditions_is_refused_unless_told() {
    let s3 = InBucket::on(&server::s3_lax()).await;
    s3.put("a.mp4", b"clip".to_vec()).await;
    let only = ["encrypt", "--only", &s3.location];
    s3.run(&only).expect(2).says("ignores conditional writes");
    assert_eq!(s3.get("a.mp4").await, b"clip");
    s3.run(&[&only[..], &["--assume-quiet"]].concat()).expect(0);
    assert!(s3.get("a.mp4").await.starts_with(b"ATREST"));
}

#[tokio::test]
async fn old_clear_versions_are_told_and_not_called_clean() {
    let s3 = InBucket::on(&server::s3_versioned()).await;
    s3.put("a.mp4", b"clip".to_vec()).await;
    let encrypt = ["encrypt", "--only", &s3.location, "--assume-quiet"];
    s3.run(&encrypt)
        .expect(0)
        .says("1 old versions in the bucket are in clear");
    let found = s3.json(&["verify", "--only", &s3.location], 1);
    assert_eq!(found["files"][0]["versions"]["clear"], 1);
    assert_eq!(found["files"][0]["plaintext"], 0);
    s3.run(&[&encrypt[..], &["--purge-versions"]].concat())
        .expect(0);
    let clean = s3.json(&["verify", "--only", &s3.location], 0);
    assert_eq!(clean["files"][0]["versions"]["clear"], 0);
    let documented = include_str!("../../../../docs/json.md");
    for name in found["files"][0]["versions"].as_object().unwrap().keys() {
        assert!(documented.contains(&format!("`{name}`")), "{name}");
    }
}

/// What the bucket still has of a person's objects is in the receipt: what no key opens
/// any more, and what anybody reads who has the bucket.
#[tokio::test]
async fn old_versions_of_a_forgotten_persons_objects_are_told() {
    let s3 = InBucket::on(&server::s3_versioned()).await;
    s3.place.policy(&format!(
        "[keys]\nkeyring = \"atrest.keyring\"\nroot = \"env:KEY\"\n\n[database]\nurl = \"{}\"\n\n\
         [[files]]\nlocation = \"{}\"\nsubject = \"{{subject}}/**\"\n",
        s3.place.db.url(),
        s3.location
    ));
    s3.run(&["key", "init"]).expect(0);
    let encrypt = ["encrypt", "--assume-quiet"];
    for content in ["first", "second"] {
        for name in ["anna/a", "bert/a"] {
            s3.put(name, content.as_bytes().to_vec()).await;
        }
        s3.run(&encrypt).expect(0);
    }
    // Clear, sealed, clear; sealed is the present one.
    let old = |done: &Value| {
        let file = s3
            .place
            .folder()
            .join(done["receipts"][0].as_str().unwrap());
        let receipt = std::fs::read_to_string(file).unwrap();
        let receipt: Value = serde_json::from_str(&receipt).unwrap();
        receipt["receipt"]["files"][0]["old_versions"].clone()
    };
    let done = s3.json(&["forget", "anna", "--now", "--yes"], 1);
    let told = serde_json::json!({"unreadable": 1, "readable": 2});
    assert_eq!(old(&done), told);
    s3.run(&["forget", "anna", "--now", "--yes"])
        .expect(1)
        .says("1 unreadable, 2 still readable");

    s3.run(&[&encrypt[..], &["--purge-versions"]].concat())
        .expect(0);
    let done = s3.json(&["forget", "bert", "--now", "--yes"], 0);
    let told = serde_json::json!({"unreadable": 1, "readable": 0});
    assert_eq!(old(&done), told);
}

/// `file cat` and `file mv` take an object by its URL, as the policy writes the location.
#[tokio::test]
async fn one_object_is_read_in_part_and_moved() {
    let s3 = InBucket::on(&server::s3()).await;
    let clip: Vec<u8> = (0..9_000_000u32).map(|n| (n % 251) as u8).collect();
    s3.put("gate/a ü~.mp4", clip.clone()).await;
    s3.put("empty", vec![]).await;
    s3.put("other", b"other".to_vec()).await;
    s3.run(&["encrypt", "--only", &s3.location]).expect(0);
    let url = |name: &str| format!("{}/{name}", s3.location);
    let cat = |name: &str, range: &[&str]| {
        let mut command = s3.command(&[&["file", "cat", &url(name)], range].concat());
        command.output().unwrap()
    };
    let all = clip.len();
    for (range, want) in [
        (&[][..], 0..all),
        (&["--range=0-0"], 0..1),
        (&["--range=16383-16384"], 16_383..16_385),
        (&["--range=8999990-"], 8_999_990..all),
        (&["--range=8999990-99999999"], 8_999_990..all),
        (&["--range=0-18446744073709551615"], 0..all),
        (&["--range=-100"], all - 100..all),
        (&["--range=-99999999"], 0..all),
        (&["--range=-0"], all..all),
    ] {
        let output = cat("gate/a ü~.mp4", range);
        assert!(output.status.success(), "{range:?}: {output:?}");
        assert!(output.stdout == clip[want], "{range:?}");
    }
    for range in [&[][..], &["--range=0-"], &["--range=-5"]] {
        let output = cat("empty", range);
        assert!(output.status.success() && output.stdout.is_empty());
    }
    for (arguments, said) in [
        (
            &[&*url("gate/a ü~.mp4"), "--range=9000000-"][..],
            "begin before that",
        ),
        (&[&url("none")], "there is no object s3://"),
        (&[&url("empty"), "--id", "x"], "run it without --id"),
        (&["s3://elsewhere/x"], "below no [[files]]"),
        (&[&*s3.location], "below no [[files]]"),
    ] {
        let ran = s3.run(&[&["file", "cat"], arguments].concat());
        assert!(ran.expect(2).says(said).out.is_empty());
    }

    let (from, to) = (url("gate/a ü~.mp4"), url("yard/b.mp4"));
    let mv = ["file", "mv", &from];
    for (arguments, said) in [
        (&[&*url("other")][..], "exists, and was left as it is"),
        (&["elsewhere.mp4"], "the other on the local disk"),
        (&["s3://elsewhere/x"], "below no [[files]]"),
        (
            &[&url("other"), "--force"],
            "nothing in a bucket is overwritten",
        ),
    ] {
        s3.run(&[&mv, arguments].concat()).expect(2).says(said);
    }
    let moved = s3.json(&["file", "mv", &from, &to], 0);
    let file = &moved["files"][0];
    assert_eq!(
        (&file["file"], &file["state"]),
        (&to.as_str().into(), &"sealed".into())
    );
    assert_eq!(file["clear_bytes"], 9_000_000);
    assert_eq!(cat("yard/b.mp4", &[]).stdout, clip);
    s3.run(&["file", "mv", &from, &to])
        .expect(2)
        .says("moved already");
    s3.run(&["file", "mv", &to, &url("c.mp4")])
        .expect(0)
        .says("c.mp4, 8.6 MiB clear");
    let found = s3.json(&["verify", "--only", &s3.location], 0);
    assert_eq!(found["files"][0]["total"], 3);
}

#[tokio::test]
async fn a_move_on_a_server_that_ignores_conditions_is_refused_unless_told() {
    let s3 = InBucket::on(&server::s3_lax()).await;
    s3.put("a.mp4", b"clip".to_vec()).await;
    let quiet = "--assume-quiet";
    s3.run(&["encrypt", "--only", &s3.location, quiet])
        .expect(0);
    let names = ["a.mp4", "b.mp4"].map(|name| format!("{}/{name}", s3.location));
    let mv = ["file", "mv", &names[0], &names[1]];
    s3.run(&mv).expect(2).says("ignores conditional writes");
    s3.run(&[&mv[..], &[quiet]].concat()).expect(0);
    s3.run(&["file", "cat", &names[1]]).expect(0).says("clip");
    s3.run(&["file", "mv", "x", "y", quiet])
        .expect(2)
        .says("--assume-quiet is about buckets");
}

/// What is wrong with the bucket is said before the first column is changed.
#[tokio::test]
async fn a_bucket_that_lets_nobody_in_is_told_first() {
    let mut s3 = InBucket::on(&server::s3()).await;
    s3.variables
        .retain(|(name, _)| *name != "AWS_SECRET_ACCESS_KEY");
    s3.variables
        .push(("AWS_SECRET_ACCESS_KEY", "another-than-its-own".to_owned()));
    s3.run(&["encrypt"])
        .expect(2)
        .says("check the AWS_* settings");
    assert_eq!(s3.place.tokens().await, 0);
}

#[tokio::test]
async fn a_bucket_is_served_in_clear_and_holds_ciphertext() {
    use std::io::{BufRead as _, BufReader};
    let s3 = InBucket::on(&server::s3()).await;
    let mut serve = s3.command(&["serve", "--no-auth", "--listen", "127.0.0.1:0", "--json"]);
    let mut child = serve.stderr(std::process::Stdio::piped()).spawn().unwrap();
    let mut first = String::new();
    let mut log = BufReader::new(child.stderr.take().unwrap());
    log.read_line(&mut first).unwrap();
    let first: Value = serde_json::from_str(&first).unwrap_or_else(|_| panic!("{first}"));
    let url = format!(
        "{}/clips/gate/a.mp4",
        first["fields"]["url"].as_str().unwrap()
    );

    let clip: Vec<u8> = (0..9_000_000u32).map(|n| (n % 253) as u8).collect();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let put = client.put(&url).body(clip.clone()).send().await.unwrap();
    assert_eq!(put.status(), 201);
    assert!(s3.get("gate/a.mp4").await.starts_with(b"ATREST"));
    let range = client.get(&url).header("Range", "bytes=8000000-8000009");
    let part = range.send().await.unwrap();
    assert_eq!(part.status(), 206);
    assert_eq!(part.bytes().await.unwrap(), clip[8_000_000..=8_000_009]);
    // What somebody changed in the bucket is not served.
    let mut stored = s3.get("gate/a.mp4").await;
    stored[100] ^= 1;
    s3.put("gate/a.mp4", stored).await;
    let refused = client.get(&url).send().await.unwrap();
    assert_eq!(refused.status(), 500);
    assert!(refused.text().await.unwrap().contains("gate/a.mp4"));
    child.kill().unwrap();
    child.wait().unwrap();
}
