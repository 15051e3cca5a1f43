//! `atrest file` as a person runs it: there and back by files and pipes, parts, what
//! is refused, and what is left behind.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

const KEY: &str = "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=";
const NEXT: &str = "oaKjpKWmp6ipqqusra6vsLGys7S1tre4ubq7vL2-v8A=";
const DOCUMENTED: &str = include_str!("../../../docs/json.md");
const CHUNK: usize = 16_384;
const SLOT: usize = CHUNK + 16;

/// A folder with a policy of keys alone, and a clear file `clip` of a few chunks.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        fs::write(place.path("atrest.toml"), "[keys]\nprimary = \"env:KEY\"\n").unwrap();
        fs::write(place.path("clip"), clip()).unwrap();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    fn names(&self) -> BTreeSet<String> {
        fs::read_dir(self.0.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_atrest"));
        command
            .arg("file")
            .args(arguments)
            .current_dir(self.0.path())
            .env_clear()
            .env("KEY", KEY)
            .stdin(Stdio::null());
        command
    }

    /// Runs it; the status must be this one.
    #[track_caller]
    fn run(&self, arguments: &[&str], status: i32) -> Output {
        checked(self.command(arguments).output().unwrap(), status)
    }

    /// Runs it with this on standard input.
    #[track_caller]
    fn pipe(&self, arguments: &[&str], input: &[u8], status: i32) -> Output {
        let mut command = self.command(arguments);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let input = input.to_vec();
        // It may be refused before all of it is read.
        let feeding = std::thread::spawn(move || drop(stdin.write_all(&input)));
        let output = child.wait_with_output().unwrap();
        feeding.join().unwrap();
        checked(output, status)
    }
}

#[track_caller]
fn checked(output: Output, status: i32) -> Output {
    assert_eq!(output.status.code(), Some(status), "{}", err(&output));
    assert!(!err(&output).contains("AQIDBAUG"), "a key was shown");
    output
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[track_caller]
fn says(output: &Output, text: &str) {
    assert!(
        err(output).contains(text),
        "{text:?} is not in {}",
        err(output)
    );
}

/// Five chunks and a bit, no two alike.
fn clip() -> Vec<u8> {
    (0..5 * CHUNK as u32 + 77)
        .map(|n| (n / 251 + n) as u8)
        .collect()
}

#[test]
fn there_and_back_by_files() {
    let place = Place::new();
    let output = place.run(&["seal", "clip", "sealed"], 0);
    let out = String::from_utf8(output.stdout).unwrap();
    assert!(
        out.starts_with("sealed: sealed, 80.1 KiB clear, key "),
        "{out}"
    );
    assert!(place.read("sealed").starts_with(b"ATREST\x01\x03"));
    assert_eq!(place.read("sealed").len(), 72 + clip().len() + 6 * 16);
    place.run(&["open", "sealed", "back"], 0);
    assert!(place.read("back") == clip());
    assert!(place.read("clip") == clip(), "IN stays");
    let mode = fs::metadata(place.path("back")).unwrap().permissions();
    assert_eq!(mode.mode() & 0o777, 0o600);
    assert_eq!(place.names().len(), 4, "{:?}", place.names());
}

#[test]
fn there_and_back_by_pipes() {
    let place = Place::new();
    let clip = clip();
    for arguments in [
        &["seal"][..],
        &["seal", "-"],
        &["seal", "-", "-"],
        &["seal", "clip"],
    ] {
        let sealed = place.pipe(arguments, &clip, 0);
        assert!(!sealed.stdout.windows(8).any(|w| w == &clip[..8]));
        let opened = place.pipe(&["open"], &sealed.stdout, 0);
        assert!(opened.stdout == clip);
        assert_eq!(err(&opened), "");
    }
    let empty = place.run(&["seal"], 0).stdout;
    assert_eq!(empty.len(), 72 + 16);
    assert!(place.pipe(&["open"], &empty, 0).stdout.is_empty());
    assert_eq!(place.names().len(), 2);
}

#[test]
fn a_name_is_needed_again() {
    let place = Place::new();
    place.run(&["seal", "clip", "sealed", "--id", "gate/clip"], 0);
    for arguments in [
        &["open", "sealed", "back"][..],
        &["open", "sealed", "back", "--id", "gate/clop"],
        &["cat", "sealed"],
    ] {
        let output = place.run(arguments, 2);
        says(&output, "it was sealed under another name");
        assert!(output.stdout.is_empty());
    }
    place.run(&["verify", "sealed"], 1);
    place.run(&["verify", "sealed", "--id", "gate/clip"], 0);
    assert!(!place.path("back").exists());
    place.run(&["open", "sealed", "back", "--id", "gate/clip"], 0);
    let output = place.run(&["cat", "sealed", "--id", "gate/clip"], 0);
    assert!(output.stdout == clip());
}

#[test]
fn the_wrong_key_and_an_older_one() {
    let place = Place::new();
    place.run(&["seal", "clip", "sealed"], 0);
    let mut command = place.command(&["open", "sealed", "back"]);
    let output = checked(command.env("KEY", NEXT).output().unwrap(), 2);
    says(
        &output,
        "is not in the keyring; add that key to keys.previous",
    );
    assert!(!place.path("back").exists());

    let keys = "[keys]\nprimary = \"env:NEXT\"\nprevious = [\"env:KEY\"]\n";
    fs::write(place.path("atrest.toml"), keys).unwrap();
    let mut command = place.command(&["open", "sealed", "back"]);
    checked(command.env("NEXT", NEXT).output().unwrap(), 0);
    assert!(place.read("back") == clip());
}

#[test]
fn a_damaged_file_leaves_nothing() {
    let place = Place::new();
    place.run(&["seal", "clip", "sealed"], 0);
    let sealed = place.read("sealed");
    let mut flipped = sealed.clone();
    flipped[72 + 3 * SLOT + 9] ^= 1;
    for (damaged, what) in [
        (&sealed[..sealed.len() - 1], "its chunk 5"),
        (&sealed[..72 + 4 * SLOT], "it was cut off or added to"),
        (&sealed[..50], "it was cut off or added to"),
        (&[&sealed[..], b"x"].concat(), "its chunk 5"),
        (&flipped, "its chunk 3"),
        (&clip(), "it is no encrypted object of atrest"),
        (b"", "it is no encrypted object of atrest"),
    ] {
        fs::write(place.path("damaged"), damaged).unwrap();
        let before = place.names();
        says(&place.run(&["open", "damaged", "back"], 2), what);
        assert_eq!(place.names(), before, "something was left");
        // By a pipe: a beginning at most, and it is said to be one.
        let output = place.pipe(&["open"], damaged, 2);
        says(&output, "before is incomplete");
        assert!(clip().starts_with(&output.stdout));
        let output = place.run(&["verify", "sealed", "damaged"], 1);
        let out = String::from_utf8(output.stdout).unwrap();
        assert!(out.contains(what) && out.contains("ok"), "{out}");
        assert_eq!(place.names(), before);
    }
}

#[test]
fn what_exists_is_not_replaced() {
    let place = Place::new();
    place.run(&["seal", "clip", "sealed"], 0);
    fs::write(place.path("mine"), "mine").unwrap();
    let before = place.names();
    for arguments in [&["seal", "clip", "mine"], &["open", "sealed", "mine"]] {
        says(
            &place.run(arguments, 2),
            "mine exists, and was left as it is",
        );
        assert_eq!(place.read("mine"), b"mine");
    }
    // A failure under --force leaves the old file, too.
    says(
        &place.run(&["open", "clip", "mine", "--force"], 2),
        "no encrypted object",
    );
    assert_eq!(place.read("mine"), b"mine");
    symlink(place.path("mine"), place.path("link")).unwrap();
    for never in ["link", ".", "/dev/null"] {
        let output = place.run(&["seal", "clip", never, "--force"], 2);
        says(&output, "is never replaced");
    }
    says(
        &place.run(&["seal", "clip", "none/sealed"], 2),
        "check that the folder exists",
    );
    says(&place.run(&["seal", ".", "new"], 2), "is a folder");
    says(&place.run(&["seal", "none", "new"], 2), "cannot open none");
    fs::remove_file(place.path("link")).unwrap();
    assert_eq!(place.names(), before);

    place.run(&["open", "sealed", "mine", "--force"], 0);
    assert!(place.read("mine") == clip());
    // In place: IN is read to its end before OUT takes its name.
    place.run(&["seal", "mine", "mine", "--force"], 0);
    assert!(place.run(&["open", "mine"], 0).stdout == clip());
    assert_eq!(place.names(), before);
}

#[test]
fn twice_only_when_told() {
    let place = Place::new();
    place.run(&["seal", "clip", "once"], 0);
    says(&place.run(&["seal", "once", "twice"], 2), "--again");
    says(
        &place.pipe(&["seal"], &place.read("once"), 2),
        "standard input is encrypted already",
    );
    place.run(&["seal", "once", "twice", "--again"], 0);
    place.run(&["open", "twice", "back"], 0);
    assert_eq!(place.read("back"), place.read("once"));
}

#[test]
fn parts_of_a_file() {
    let place = Place::new();
    place.run(&["seal", "clip", "sealed"], 0);
    let (clip, end) = (clip(), clip().len());
    let cases = [
        ("--range=0-0", 0..1),
        ("--range=0-99", 0..100),
        ("--range=16383-16384", 16_383..16_385),
        ("--range=40000-", 40_000..end),
        ("--range=40000-99999999", 40_000..end),
        ("--range=0-18446744073709551615", 0..end),
        ("--range=-100", end - 100..end),
        ("--range=-99999999", 0..end),
        ("--range=-0", end..end),
    ];
    for (range, want) in cases {
        let output = place.run(&["cat", "sealed", range], 0);
        assert!(output.stdout == clip[want], "{range}");
    }
    assert!(place.run(&["cat", "sealed"], 0).stdout == clip);
    assert!(place.run(&["cat", "sealed", "--range", "-7"], 0).stdout == clip[end - 7..]);
    let output = place.run(&["cat", "sealed", &format!("--range={end}-")], 2);
    says(&output, "holds 81997 clear bytes");
    for wrong in ["9-3", "x", "--range"] {
        place.run(&["cat", "sealed", "--range", wrong], 2);
    }
    says(&place.run(&["cat", "sealed", "--json"], 2), "");

    // Damage elsewhere is not in the way of a part.
    let mut sealed = place.read("sealed");
    sealed[72 + 3 * SLOT] ^= 1;
    fs::write(place.path("sealed"), sealed).unwrap();
    let output = place.run(&["cat", "sealed", "--range=0-99"], 0);
    assert!(output.stdout == clip[..100]);
    let output = place.run(&["cat", "sealed"], 2);
    assert!(clip.starts_with(&output.stdout));
}

/// The most memory that a process ever had, in KiB.
fn peak(child: &Child) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

#[test]
fn a_hundred_mebibytes_through_pipes_in_little_memory() {
    const LENGTH: usize = 100 << 20;
    let place = Place::new();
    let mut seal = place.command(&["seal"]);
    let mut seal = seal
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut open = place.command(&["open"]);
    open.stdin(seal.stdout.take().unwrap())
        .stdout(Stdio::piped());
    let mut open = open.spawn().unwrap();
    let mut input = seal.stdin.take().unwrap();
    let (fed, until_looked) = std::sync::mpsc::channel::<()>();
    let feeding = std::thread::spawn(move || {
        let block = [7; 1 << 16];
        for _ in 0..LENGTH / block.len() {
            input.write_all(&block).unwrap();
        }
        // Both processes live until their memory was looked at.
        until_looked.recv().unwrap();
    });
    let mut output = open.stdout.take().unwrap();
    let mut block = vec![0; 1 << 16];
    // The last piece waits for its end.
    let mut got = 0;
    while got < LENGTH - (2 << 20) {
        let read = output.read(&mut block).unwrap();
        assert!(read > 0 && block[..read].iter().all(|b| *b == 7));
        got += read;
    }
    for child in [&seal, &open] {
        let peak = peak(child).unwrap();
        assert!(peak < 64 << 10, "{peak} KiB");
    }
    fed.send(()).unwrap();
    feeding.join().unwrap();
    got += std::io::copy(&mut output, &mut std::io::sink()).unwrap() as usize;
    assert_eq!(got, LENGTH);
    assert!(seal.wait().unwrap().success() && open.wait().unwrap().success());
}

#[test]
fn a_stopped_command_leaves_nothing() {
    let place = Place::new();
    let before = place.names();
    let mut command = place.command(&["seal", "-", "sealed"]);
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(&clip()).unwrap();
    let begin = Instant::now();
    while place.names() == before {
        assert!(
            begin.elapsed() < Duration::from_secs(30),
            "it makes its file"
        );
        std::thread::sleep(Duration::from_millis(10));
    }
    // The file is there a moment before the signals are heard.
    std::thread::sleep(Duration::from_millis(500));
    let id = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(2));
    assert_eq!(place.names(), before);
}

#[test]
fn shredded_files_are_gone() {
    let place = Place::new();
    fs::write(place.path("empty"), "").unwrap();
    let kept = fs::File::open(place.path("clip")).unwrap();
    let output = place.run(&["shred", "clip", "empty", "--yes"], 0);
    let out = String::from_utf8(output.stdout).unwrap();
    assert!(
        out.contains("clip: overwritten (80.1 KiB) and removed"),
        "{out}"
    );
    assert!(
        out.contains("This is no proof") && out.contains("NIST SP 800-88"),
        "{out}"
    );
    assert_eq!(place.names(), ["atrest.toml".to_owned()].into());
    // Whoever has it open finds nothing.
    assert_eq!(kept.metadata().unwrap().len(), 0);
    let output = place.run(&["shred", "--help"], 0);
    assert!(
        String::from_utf8(output.stdout)
            .unwrap()
            .contains("copy-on-write")
    );
}

#[test]
fn what_shred_refuses() {
    let place = Place::new();
    symlink(place.path("clip"), place.path("link")).unwrap();
    fs::create_dir(place.path("folder")).unwrap();
    fs::write(place.path("one"), "one").unwrap();
    fs::hard_link(place.path("one"), place.path("two")).unwrap();
    let before = place.names();
    for (name, why) in [
        ("link", "is a symbolic link"),
        ("folder", "is a folder"),
        ("one", "has 2 names"),
        ("none", "cannot look at none"),
        ("/dev/null", "is no plain file"),
    ] {
        // The first file is not touched either.
        says(&place.run(&["shred", "--yes", "clip", name], 2), why);
    }
    // Nobody can be asked.
    says(
        &place.run(&["shred", "clip"], 2),
        "--yes answers beforehand",
    );
    place.run(&["shred", "clip", "--json"], 2);
    says(&place.run(&["verify"], 2), "FILE");
    assert!(place.read("clip") == clip());
    assert_eq!(place.names(), before);
    place.run(&["shred", "--yes", "--hard-links", "one"], 0);
    assert_eq!(place.read("two"), b"");
}

/// The members that the table below this heading of docs/json.md lists.
fn section(heading: &str) -> BTreeSet<String> {
    let text = DOCUMENTED
        .split("\n## ")
        .find(|section| section.lines().next() == Some(heading))
        .unwrap();
    text.lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`'))
        .map(|(name, _)| name.to_owned())
        .collect()
}

fn members(json: &Value) -> BTreeSet<String> {
    json.as_object().unwrap().keys().cloned().collect()
}

#[test]
fn json_has_the_documented_members() {
    let place = Place::new();
    fs::write(place.path("short"), "ATREST").unwrap();
    let cases = [
        (&["seal", "clip", "sealed"][..], 0, &["sealed"][..]),
        (&["open", "sealed", "back"], 0, &["opened"]),
        (
            &["verify", "sealed", "clip", "none"],
            1,
            &["sealed", "not-an-object", "unreadable"],
        ),
        (
            &["verify", "sealed", "--id", "other"],
            1,
            &["undecryptable"],
        ),
        (&["shred", "back", "--yes"], 0, &["shredded"]),
    ];
    let envelope = section("The envelope");
    for (arguments, status, states) in cases {
        let output = place.run(&[arguments, &["--json"]].concat(), status);
        let json: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(members(&json), envelope);
        assert_eq!(json["command"], format!("file {}", arguments[0]));
        assert_eq!(json["ok"], status == 0);
        assert!(DOCUMENTED.contains(&format!("`file {}`", arguments[0])));
        let files = json["files"].as_array().unwrap();
        let found: Vec<_> = files.iter().map(|f| f["state"].as_str().unwrap()).collect();
        assert_eq!(found, states);
        for file in files {
            assert_eq!(members(file), section("A file"));
            let state = file["state"].as_str().unwrap();
            assert!(DOCUMENTED.contains(&format!("`{state}`")), "{state}");
            assert_eq!(
                file["problem"].is_null(),
                matches!(state, "sealed" | "opened" | "shredded")
            );
        }
    }
    // One standard output cannot hold both.
    let output = place.run(&["seal", "clip", "--json"], 2);
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(
        json["error"].as_str().unwrap().contains("name OUT"),
        "{json}"
    );
}

#[test]
fn the_policy_of_a_database_serves_too() {
    let place = Place::new();
    let policy = "[keys]\nprimary = \"env:KEY\"\n[database]\nurl = \"sqlite:none.db\"\n\
                  [[column]]\ntable = \"people\"\nname = \"email\"\n";
    fs::write(place.path("atrest.toml"), policy).unwrap();
    let sealed = place.run(&["seal", "clip"], 0).stdout;
    assert!(place.pipe(&["open"], &sealed, 0).stdout == clip());
    // And one of keys alone says what a database verb lacks.
    fs::write(place.path("atrest.toml"), "[keys]\nprimary = \"env:KEY\"\n").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_atrest"))
        .arg("status")
        .current_dir(place.0.path() as &Path)
        .env_clear()
        .env("KEY", KEY)
        .output()
        .unwrap();
    says(
        &checked(output, 2),
        "names no columns and no files; add a [[column]]",
    );
}

/// What an earlier system wrote becomes an object without clear bytes on the disk; a
/// wrong key leaves nothing.
#[test]
fn files_of_earlier_systems() {
    let place = Place::new();
    // openssl enc -aes-256-cbc -K 01.. -iv 02.., behind its IV.
    let mut old = vec![2; 16];
    old.extend([
        0x2b, 0x8e, 0xc4, 0x15, 0xb3, 0x76, 0x12, 0xa4, 0xc0, 0xfa, 0x72, 0xad, 0x92, 0x35, 0xd8,
        0xf7,
    ]);
    fs::write(place.path("old"), &old).unwrap();
    let run = |key: &str, arguments: &[&str]| {
        let mut command = place.command(arguments);
        command.env("OLD", key).output().unwrap()
    };
    let from = ["--from", "aes-256-cbc", "--from-key", "env:OLD"];
    // (Under 03.. it ends like padding by chance, as one wrong key in 256 does.)
    let (right, wrong) = ("01".repeat(32), "05".repeat(32));

    let sealed = run(&right, &[&["seal", "old", "new"], &from[..]].concat());
    assert!(sealed.status.success(), "{sealed:?}");
    assert!(String::from_utf8_lossy(&sealed.stderr).contains("no MAC"));
    let cat = run(&right, &["cat", "new"]);
    assert_eq!(cat.stdout, b"a frame");
    let opened = run(&right, &[&["open", "old", "-"], &from[..]].concat());
    assert_eq!(opened.stdout, b"a frame");

    let before = place.names();
    for verb in ["seal", "open"] {
        let refused = run(&wrong, &[&[verb, "old", "none"], &from[..]].concat());
        assert_eq!(refused.status.code(), Some(2), "{refused:?}");
        assert!(String::from_utf8_lossy(&refused.stderr).contains("check the key"));
    }
    assert_eq!(place.names(), before, "nothing is left");
    let alone = run(&right, &["seal", "old", "none", "--from", "fernet"]);
    assert_eq!(alone.status.code(), Some(2), "a key must be named");
}
