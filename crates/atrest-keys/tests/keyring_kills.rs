//! `kill -9` between every two steps of a change of a keyring file, two processes that
//! change it at one time, and any sequence of operations and kills: every value that was
//! sealed opens, unless its key was destroyed on purpose.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod keyring_support;

use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;

use atrest_core::{Context, FieldOpener, FieldSealer, Form, KeyId, Stored, Suite};
use atrest_keys::failpoints::{self, Point};
use atrest_keys::keyring::{KeyPurpose, KeyState, KeyringError, KeyringFile, OpenKeyring};
use atrest_keys::{Environment, KeySource};
use keyring_support::{Root, at};
use proptest::prelude::*;

const COLUMN: &str = "people.email";
/// What a child process of this test is to do: `OPERATION POINT NTH FOLDER`.
const CHILD: &str = "ATREST_TEST_KEYRING_CHILD";

/// The failpoints of one process are armed by one test at a time.
static ARMING: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

fn seal(keyring: &OpenKeyring) -> (KeyId, Vec<u8>) {
    let mut token = Vec::new();
    FieldSealer::new(keyring.data(), Suite::default(), 0)
        .unwrap()
        .seal(Form::Text, &Context::new(COLUMN), b"made up", &mut token)
        .unwrap();
    (keyring.data().primary().id(), token)
}

fn opens(keyring: &OpenKeyring, token: &[u8]) -> bool {
    let mut clear = Vec::new();
    let stored =
        FieldOpener::new(keyring.data()).read(Form::Text, &Context::new(COLUMN), token, &mut clear);
    matches!(stored, Stored::Sealed(_))
}

/// A folder's keyring, opened with whichever of the roots opens it.
fn open(folder: &Path) -> Result<OpenKeyring, KeyringError> {
    let file = KeyringFile::new(folder.join("atrest.keyring"));
    let text = file.read()?.ok_or(KeyringError::Missing {
        origin: "atrest.keyring".to_owned(),
    })?;
    let env = Environment::default();
    let open = |name: &str| {
        let root = Root::new(folder, name);
        OpenKeyring::open(&text, "k", &*root.source(), &root.uri(), &env)
    };
    open("one.key").or_else(|_| open("two.key"))
}

fn root_of(folder: &Path, keyring: &OpenKeyring) -> (Box<dyn KeySource>, String) {
    let root = Root::new(folder, keyring.root().trim_start_matches("file:"));
    (root.source(), root.uri())
}

fn other_root(folder: &Path, keyring: &OpenKeyring) -> (Box<dyn KeySource>, String) {
    let name = match keyring.root() {
        "file:one.key" => "two.key",
        _ => "one.key",
    };
    let root = Root::new(folder, name);
    (root.source(), root.uri())
}

/// Does one operation on the folder's keyring.
async fn operate(folder: &Path, operation: &str) -> Result<OpenKeyring, KeyringError> {
    let env = Environment::default();
    let file = KeyringFile::new(folder.join("atrest.keyring"));
    if operation == "create" {
        let root = Root::new(folder, "one.key");
        let (source, uri) = (root.source(), root.uri());
        let new = OpenKeyring::create(&*source, &uri, &env, at(0), &[])?;
        return new.store(&file, &*source, &env).await;
    }
    let keyring = open(folder)?;
    let (mut root, _) = root_of(folder, &keyring);
    let new = match operation {
        "rotate" => keyring.rotate(KeyPurpose::Data, at(1))?,
        "rewrap" | "renew" => {
            let (source, uri) = other_root(folder, &keyring);
            root = source;
            match operation {
                "rewrap" => keyring.rewrap(&*root, &uri, &env, at(1))?,
                _ => keyring.renew(&*root, &uri, &env, at(1))?,
            }
        }
        "forget" => keyring.forget("0a", &[KeyId([7; 4])], at(1))?,
        "retire" => {
            let old = |e: &&atrest_keys::keyring::KeyEntry| e.state == KeyState::DecryptOnly;
            let Some(entry) = keyring.entries().iter().find(old) else {
                return Ok(keyring);
            };
            keyring.destroy(entry.id, at(1))?
        }
        other => panic!("{other}"),
    };
    new.store(&file, &*root, &env).await
}

/// Not a test: what a child process does. Without the variable it does nothing.
#[tokio::test]
async fn child() {
    let Ok(what) = std::env::var(CHILD) else {
        return;
    };
    let parts: Vec<&str> = what.splitn(4, ' ').collect();
    let [operation, point, nth, folder] = parts.as_slice() else {
        panic!("{what}");
    };
    if let Some(point) = Point::ALL.into_iter().find(|p| format!("{p:?}") == *point) {
        failpoints::at(point, nth.parse().unwrap(), failpoints::kill);
    }
    match operate(Path::new(folder), operation).await {
        Ok(_) => {}
        Err(KeyringError::Changed { .. }) => std::process::exit(3),
        Err(error) => panic!("{error}"),
    }
}

fn spawn(folder: &Path, operation: &str, point: &str, nth: u64) -> std::process::Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["child", "--exact", "--test-threads=1"])
        .env(
            CHILD,
            format!("{operation} {point} {nth} {}", folder.display()),
        )
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Every operation, killed at every step that it comes to.
#[tokio::test]
async fn kill_9_between_every_two_steps() {
    let _alone = ARMING.lock().await;
    let mut killed = 0;
    for operation in ["create", "rotate", "rewrap", "renew", "retire", "forget"] {
        let mut of_this = 0;
        for point in Point::ALL {
            for nth in 0..8 {
                let folder = tempfile::tempdir().unwrap();
                let folder = folder.path();
                Root::new(folder, "one.key");
                Root::new(folder, "two.key");
                let mut tokens = Vec::new();
                if operation != "create" {
                    tokens.push(seal(&operate(folder, "create").await.unwrap()));
                    for _ in 0..4 {
                        tokens.push(seal(&operate(folder, "rotate").await.unwrap()));
                    }
                }
                let before = open(folder).ok().map(|k| k.generation());
                let name = format!("{point:?}");
                let status = spawn(folder, operation, &name, nth).wait().unwrap();
                if status.signal() != Some(9) {
                    assert!(status.success(), "{operation} at {name} {nth}: {status}");
                    break; // it does not come here so often
                }
                of_this += 1;
                match open(folder) {
                    Ok(keyring) => all_open(&keyring, &tokens, &format!("{operation} {name}")),
                    Err(KeyringError::Missing { .. }) if operation == "create" => {}
                    Err(error) => panic!("{operation} killed at {name} {nth}: {error}"),
                }
                // Done again, it is done, and every value still opens.
                match operate(folder, operation).await {
                    Ok(_) => {}
                    Err(KeyringError::Exists { .. }) if operation == "create" => {}
                    Err(error) => panic!("{operation} again after {name} {nth}: {error}"),
                }
                let after = open(folder).unwrap();
                assert!(before.is_none_or(|before| after.generation() > before));
                all_open(&after, &tokens, &format!("{operation} again after {name}"));
            }
        }
        assert!(of_this >= 8, "{operation}: killed {of_this} times only");
        killed += of_this;
    }
    eprintln!("{killed} kills");
}

#[track_caller]
fn all_open(keyring: &OpenKeyring, tokens: &[(KeyId, Vec<u8>)], when: &str) {
    for (id, token) in tokens {
        let gone = keyring.entry(*id).unwrap().state == KeyState::Destroyed;
        assert_eq!(opens(keyring, token), !gone, "{when}: key {id}");
    }
}

/// Processes that rotate at one time: each has done it or was told that it has not.
#[tokio::test]
async fn two_processes_rotate_at_once() {
    let _alone = ARMING.lock().await;
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut tokens = vec![seal(&operate(folder, "create").await.unwrap())];
    let (mut done, mut told) = (0, 0);
    for _ in 0..10 {
        let children: Vec<_> = (0..3).map(|_| spawn(folder, "rotate", "none", 0)).collect();
        for mut child in children {
            match child.wait().unwrap().code() {
                Some(0) => done += 1,
                Some(3) => told += 1,
                other => panic!("{other:?}"),
            }
        }
        tokens.push(seal(&open(folder).unwrap()));
    }
    let keyring = open(folder).unwrap();
    assert_eq!(done + told, 30);
    assert_eq!(keyring.entries().len(), 1 + done, "{told} were told");
    assert_eq!(keyring.generation(), 1 + done as u64);
    all_open(&keyring, &tokens, "in the end");
}

#[derive(Debug, Clone)]
struct Step {
    operation: &'static str,
    /// Where the process ends, if it does.
    killed: Option<(Point, u64)>,
}

fn step() -> impl Strategy<Value = Step> {
    let operation =
        prop::sample::select(&["rotate", "rotate", "rewrap", "renew", "retire", "forget"][..]);
    let point = prop::sample::select(&Point::ALL[..]);
    (operation, prop::option::of((point, 0u64..3)))
        .prop_map(|(operation, killed)| Step { operation, killed })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    /// A kill is the folder as it was then: what a process would have left.
    #[test]
    fn any_sequence_of_operations_and_kills(steps in prop::collection::vec(step(), 1..14)) {
        let _alone = ARMING.blocking_lock();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut folder = tempfile::tempdir().unwrap();
        Root::new(folder.path(), "one.key");
        Root::new(folder.path(), "two.key");
        let first = runtime.block_on(operate(folder.path(), "create")).unwrap();
        let mut tokens = vec![seal(&first)];
        for step in steps {
            let left = std::sync::Arc::new(Mutex::new(None));
            if let Some((point, nth)) = step.killed {
                let (from, into) = (folder.path().to_owned(), left.clone());
                failpoints::at(point, nth, move || {
                    let copy = tempfile::tempdir().unwrap();
                    for entry in std::fs::read_dir(&from).unwrap() {
                        let entry = entry.unwrap();
                        std::fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
                    }
                    *into.lock().unwrap() = Some(copy);
                });
            }
            runtime.block_on(operate(folder.path(), step.operation)).unwrap();
            failpoints::at(Point::Locked, u64::MAX, || {});
            if let Some(copy) = left.lock().unwrap().take() {
                folder = copy;
            }
            let keyring = open(folder.path()).unwrap();
            all_open(&keyring, &tokens, &format!("{step:?}"));
            tokens.push(seal(&keyring));
        }
    }
}

/// A file may grow to 1 KiB and no further, as on a full disk: the change fails, and
/// nothing is changed.
#[tokio::test]
async fn a_full_disk_changes_nothing() {
    let _alone = ARMING.lock().await;
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut tokens = vec![seal(&operate(folder, "create").await.unwrap())];
    for _ in 0..5 {
        tokens.push(seal(&operate(folder, "rotate").await.unwrap()));
    }
    let path = folder.join("atrest.keyring");
    let before = std::fs::read(&path).unwrap();
    assert!(before.len() > 1100);
    let limited =
        "trap '' XFSZ; ulimit -f 1; exec \"$0\" child --exact --test-threads=1 --nocapture";
    let output = Command::new("bash")
        .args(["-c", limited])
        .arg(std::env::current_exe().unwrap())
        .env(CHILD, format!("rotate none 0 {}", folder.display()))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        !output.status.success() && said.contains("cannot write"),
        "{said}"
    );
    assert_eq!(std::fs::read(&path).unwrap(), before);
    assert!(!folder.join("atrest.keyring.new").exists());
    all_open(&open(folder).unwrap(), &tokens, "with a full disk");
    operate(folder, "rotate").await.unwrap();
}
