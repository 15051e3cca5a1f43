//! The process that does the work and is killed: the `atrest` command, or this test
//! program running the engine.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use atrest_core::{Key, Keyring, Suite};
use atrest_engine::backup::Backups;
use atrest_engine::policy::{Bind, ColumnPolicy};
use atrest_engine::{Engine, Operation, RunOptions};

/// Set in a worker: operation, database, backup, separated by line ends.
pub const TASK: &str = "ATREST_TORTURE_TASK";
/// Rows a page: small, so that a run has many moments.
const BATCH: usize = 100;

/// The keys in force during an operation: encrypt under 1, rotate to 2.
pub fn keyring(operation: Operation) -> Keyring {
    let key = |n| Key::from_bytes([n; 32]);
    match operation {
        Operation::Encrypt => Keyring::new(key(1), vec![]),
        Operation::Rotate | Operation::Decrypt => Keyring::new(key(2), vec![key(1)]),
        Operation::Adopt | Operation::Exit => unreachable!("torture has three operations"),
    }
    .unwrap()
}

/// Starts a worker; with `blocks`, no file of it may be longer than so many times
/// 512 bytes.
pub fn start(
    operation: Operation,
    url: &str,
    folder: &Path,
    number: u64,
    blocks: Option<u64>,
) -> Child {
    let limit = blocks.map_or(String::new(), |n| format!("trap '' XFSZ; ulimit -f {n}; "));
    let mut command = Command::new("sh");
    command.args(["-c", &format!("{limit}exec \"$0\" \"$@\"")]);
    let backup = folder.join(format!("{number}.backup"));
    if let Some(binary) = std::env::var_os("ATREST_TORTURE_BINARY") {
        let policy = folder.join("atrest.toml");
        let (primary, previous) = match operation {
            Operation::Encrypt => ("01", ""),
            Operation::Rotate | Operation::Decrypt => ("02", "\"env:TORTURE_PREVIOUS\""),
            Operation::Adopt | Operation::Exit => unreachable!("torture has three operations"),
        };
        let text = format!(
            "[keys]\nprimary = \"env:TORTURE_PRIMARY\"\nprevious = [{previous}]\n\n\
             [database]\nurl = \"{url}\"\n\n\
             [[column]]\ntable = \"traffic\"\nname = \"value\"\ncontext = \"traffic.value\"\n"
        );
        std::fs::write(&policy, text).unwrap();
        command
            .arg(binary)
            .arg("--policy")
            .arg(policy)
            .args([
                operation.verb(),
                "--yes",
                "--batch-size",
                &BATCH.to_string(),
            ])
            .env("TORTURE_PRIMARY", primary.repeat(32))
            .env("TORTURE_PREVIOUS", "01".repeat(32));
    } else {
        command
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", "worker_process", "--nocapture"])
            .env(
                TASK,
                format!("{}\n{url}\n{}", operation.verb(), backup.display()),
            );
    }
    let log = std::fs::File::create(folder.join("worker.log")).unwrap();
    command
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .expect("a worker starts")
}

/// Does what [`TASK`] says, if anything, and exits as the command does: 0 done, 1
/// left something, 2 could not.
pub fn main() {
    let Ok(task) = std::env::var(TASK) else {
        return;
    };
    let [verb, url, backup] = task.split('\n').collect::<Vec<_>>()[..] else {
        panic!("{task}")
    };
    let operation = *super::OPERATIONS.iter().find(|o| o.verb() == verb).unwrap();
    let keyring = keyring(operation);
    let policy = ColumnPolicy {
        table: "traffic".parse().unwrap(),
        column: "value".into(),
        suite: Suite::Xaes256Gcm,
        context: None,
        bind: Bind::Column,
        subject: None,
        forget_empties: Vec::new(),
        line: 1,
    };
    let options = RunOptions {
        batch_size: Some(BATCH),
        ..RunOptions::default()
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let outcome = runtime.block_on(async {
        let database = atrest_sql::connect(url).await?;
        let engine = Engine::new(database, keyring.clone());
        let backups = Backups::new(&keyring, Some(backup.into()), false);
        let report = engine.change(operation, &policy, &options, &backups).await;
        let _files = backups.finish();
        report
    });
    let code = match outcome {
        Ok(report) => {
            println!("{report:?}");
            i32::from(!report.settled || report.undecryptable > 0)
        }
        Err(error) => {
            eprintln!("{error}");
            2
        }
    };
    std::process::exit(code);
}
