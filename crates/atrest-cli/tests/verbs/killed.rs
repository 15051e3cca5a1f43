//! Killed before the system calls that change anything, a command about keys leaves every
//! value readable that was not meant to be gone, and is finished by running it again.
//!
//! strace does the killing: `-e inject=CALL:signal=KILL:when=N` ends the process at the
//! N-th of them that one of its threads makes, before it is done. Each kind of call is
//! taken by itself: the command's own thread replaces files, others speak to the database.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use atrest_testing::{Dialect, ScratchDatabase};

use crate::support::{Place, Ran, ran};

/// What changes a file, and what speaks to a server.
pub(crate) const CALLS: [&str; 7] = [
    "rename,renameat,renameat2",
    "link,linkat",
    "unlink,unlinkat",
    "fsync",
    "fdatasync",
    "pwrite64",
    "sendto",
];

/// The tables of the test, and atrest's own.
const TABLES: [&str; 3] = ["people", "atrest_keys", "atrest_journal"];

/// A place as it was, to begin from again.
struct Saved<'p> {
    place: &'p Place,
    files: tempfile::TempDir,
}

impl<'p> Saved<'p> {
    async fn new(place: &'p Place) -> Self {
        for table in TABLES {
            place
                .db
                .execute(&format!(
                    "CREATE TABLE saved_{table} AS SELECT * FROM {table}"
                ))
                .await;
        }
        let files = tempfile::tempdir().unwrap();
        for file in own_files(place.folder()) {
            let name = file.file_name().unwrap();
            std::fs::copy(&file, files.path().join(name)).unwrap();
        }
        Self { place, files }
    }

    async fn restore(&self) {
        for table in TABLES {
            let db = &self.place.db;
            db.execute(&format!("DELETE FROM {table}")).await;
            db.execute(&format!("INSERT INTO {table} SELECT * FROM saved_{table}"))
                .await;
        }
        for file in own_files(self.place.folder()) {
            std::fs::remove_file(file).unwrap();
        }
        let receipts = self.place.folder().join("atrest-receipts");
        if receipts.exists() {
            std::fs::remove_dir_all(receipts).unwrap();
        }
        for file in own_files(self.files.path()) {
            let name = file.file_name().unwrap();
            std::fs::copy(&file, self.place.folder().join(name)).unwrap();
        }
    }
}

/// The policy, the keyring with its copies, backups: not the database.
pub(crate) fn own_files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let is_ours = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy();
        path.is_file() && name.contains("atrest")
    };
    paths.filter(is_ours).collect()
}

/// Runs the command until the `nth` call; `None`: it was killed.
pub(crate) fn killed_at(place: &Place, arguments: &[&str], call: &str, nth: u64) -> Option<Ran> {
    let mut traced = Command::new("strace");
    traced
        .args(["-f", "-qq", "-o", "/dev/null", "-e"])
        .arg(format!("trace={call}"))
        .arg("-e")
        .arg(format!("inject={call}:signal=KILL:when={nth}"))
        .arg(env!("CARGO_BIN_EXE_atrest"))
        .args(arguments);
    let plain = place.command(&[]);
    traced
        .current_dir(place.folder())
        .env_clear()
        .envs(
            plain
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        )
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .stdin(std::process::Stdio::null());
    let output = traced.output().expect("strace is installed");
    output
        .status
        .code()
        .is_some_and(|code| code < 128)
        .then(|| ran(output))
}

/// Runs the command; again while the server has not yet noticed who was killed.
pub(crate) fn finished(place: &Place, arguments: &[&str]) -> Ran {
    let begin = Instant::now();
    loop {
        let ran = place.run(arguments);
        let busy = ran.err.contains("another run") || ran.err.contains("at work");
        if ran.status != 2 || !busy || begin.elapsed() > Duration::from_secs(20) {
            return ran;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Every value opens, or was forgotten: gives how many were.
fn forgotten(place: &Place, at: &str) -> u64 {
    let ran = finished(place, &["verify", "--json"]);
    let found = ran.json();
    let column = &found["columns"][0];
    assert_eq!(column["undecryptable"], 0, "{at}: {}{}", ran.out, ran.err);
    assert_eq!(column["plaintext"], 0, "{at}: {}", ran.out);
    column["forgotten"].as_u64().unwrap()
}

/// Kills the command at every `stride`-th call of each kind; `meant` says how many values
/// are gone in the end. Gives where it was killed, with what `look` saw there.
async fn at_every_step<T>(
    place: &Place,
    arguments: &[&str],
    stride: u64,
    meant: u64,
    look: impl Fn(&Place) -> T,
) -> Vec<T> {
    let saved = Saved::new(place).await;
    let mut seen = Vec::new();
    for call in CALLS {
        let mut nth = 1;
        loop {
            saved.restore().await;
            let at = format!("{arguments:?} killed at {call} {nth}");
            if let Some(ran) = killed_at(place, arguments, call, nth) {
                let Ran { status, out, err } = ran;
                assert_eq!(status, 0, "{at}: {out}{err}");
                break;
            }
            seen.push(look(place));
            let gone = forgotten(place, &at);
            assert!(gone == 0 || gone == meant, "{at}: {gone}");
            let Ran { status, out, err } = finished(place, arguments);
            assert_eq!(status, 0, "{at}, then again: {out}{err}");
            assert_eq!(forgotten(place, &at), meant, "{at}, then again");
            nth += stride;
        }
    }
    for table in TABLES {
        place.db.execute(&format!("DROP TABLE saved_{table}")).await;
    }
    seen
}

/// How often a command was killed.
async fn kills(place: &Place, arguments: &[&str], stride: u64) -> usize {
    at_every_step(place, arguments, stride, 0, |_| ())
        .await
        .len()
}

/// `people` whose first twelve rows are anna's, encrypted.
async fn place(db: ScratchDatabase) -> Place {
    let place = Place::new(db, 30).await;
    let anna = "UPDATE people SET note = 'anna' WHERE id <= 12";
    place.db.execute(anna).await;
    policy(&place, "env:KEY");
    place.run(&["key", "init"]).expect(0);
    place.run(&["encrypt", "--yes", "--apply-schema"]).expect(0);
    place
}

fn policy(place: &Place, root: &str) {
    place.policy(&format!(
        "[keys]\nkeyring = \"atrest.keyring\"\nroot = \"{root}\"\n\n[database]\nurl = \"{}\"\n\n\
         [[column]]\ntable = \"people\"\nname = \"email\"\nsubject = \"note\"\n",
        place.db.url()
    ));
}

/// Every call on SQLite; servers take longer, and have more of them.
pub(crate) fn stride(place: &Place) -> u64 {
    match place.db.dialect() {
        Dialect::Sqlite => 1,
        _ if std::env::var_os("ATREST_LONG").is_some() => 3,
        _ => 7,
    }
}

async fn forget(db: ScratchDatabase) {
    let place = place(db).await;
    let stride = stride(&place);
    // Whether there is a tombstone, whether a receipt.
    let look = |place: &Place| {
        let keyring = std::fs::read_to_string(place.folder().join("atrest.keyring")).unwrap();
        let receipts = place.folder().join("atrest-receipts").read_dir();
        let receipts = receipts.is_ok_and(|mut all| all.next().is_some());
        (keyring.contains("{\"forgotten\":\""), receipts)
    };
    let arguments = ["forget", "anna", "--now", "--yes"];
    let seen = at_every_step(&place, &arguments, stride, 11, look).await;
    assert!(seen.len() > 5, "{seen:?}");
    for buried in [false, true] {
        assert!(seen.contains(&(buried, false)), "{buried}: {seen:?}");
    }
    assert!(look(&place).1, "the receipt is written in the end");
}

async fn rotate(db: ScratchDatabase) {
    let place = place(db).await;
    let stride = stride(&place);
    place.run(&["key", "rotate"]).expect(0);
    place
        .run(&["key", "rotate", "--purpose", "subjects"])
        .expect(0);
    let kills = kills(&place, &["rotate", "--yes", "--no-backup"], stride).await;
    assert!(kills > 5, "{kills}");
}

macro_rules! on {
    ($($kind:ident),*) => {$(
        mod $kind {
            use atrest_testing::ScratchDatabase;

            #[tokio::test(flavor = "multi_thread")]
            async fn forget() {
                super::forget(ScratchDatabase::$kind().await).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn rotate() {
                super::rotate(ScratchDatabase::$kind().await).await;
            }
        }
    )*};
}

on!(sqlite, postgres, mariadb);

#[tokio::test(flavor = "multi_thread")]
async fn a_new_key_of_each_purpose() {
    let place = place(ScratchDatabase::sqlite().await).await;
    for purpose in ["data", "subjects"] {
        let arguments = ["key", "rotate", "--purpose", purpose];
        let kills = kills(&place, &arguments, 1).await;
        assert!(kills > 3, "{kills}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn retire() {
    let place = place(ScratchDatabase::sqlite().await).await;
    for purpose in ["data", "subjects"] {
        place
            .run(&["key", "rotate", "--purpose", purpose])
            .expect(0);
    }
    place.run(&["rotate", "--yes", "--no-backup"]).expect(0);
    for backup in place.backups() {
        std::fs::remove_file(backup).unwrap();
    }
    let keys = place.run(&["key", "list", "--json"]).expect(0).json();
    let keys = keys["keys"].as_array().unwrap();
    let old: Vec<&str> = keys
        .iter()
        .filter(|key| key["state"] == "decrypt-only")
        .map(|key| key["key"].as_str().unwrap())
        .collect();
    assert_eq!(old.len(), 2, "{keys:?}");
    for key in old {
        let kills = kills(&place, &["key", "retire", key, "--backups-deleted"], 1).await;
        assert!(kills > 3, "{kills}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rewrap() {
    let place = place(ScratchDatabase::sqlite().await).await;
    let arguments = ["key", "rewrap", "--root", "env:NEXT"];
    let saved = Saved::new(&place).await;
    let mut moved = false;
    let steps = CALLS
        .iter()
        .flat_map(|call| (1..12).map(move |nth| (call, nth)));
    for (call, nth) in steps {
        saved.restore().await;
        if killed_at(&place, &arguments, call, nth).is_some() {
            continue;
        }
        let at = format!("killed at {call} {nth}");
        // The policy's root or the new one opens everything.
        let verify = place.run(&["verify"]);
        if verify.status == 2 {
            moved = true;
            verify.says("`env:NEXT`: write that as `root`");
            let own = std::fs::read(place.folder().join("atrest.toml")).unwrap();
            policy(&place, "env:NEXT");
            assert_eq!(forgotten(&place, &at), 0);
            std::fs::write(place.folder().join("atrest.toml"), own).unwrap();
        }
        place.run(&arguments).expect(0);
        let now = std::fs::read_to_string(place.folder().join("atrest.toml")).unwrap();
        assert!(now.contains("root = \"env:NEXT\""), "{at}: {now}");
        assert_eq!(forgotten(&place, &at), 0);
    }
    assert!(
        moved,
        "it is killed between the keyring and the policy, too"
    );
}
