//! The verbs, one file each: each takes its arguments and the global ones, prints,
//! and says how it ended.

mod bench;
mod change;
mod demo;
mod external;
pub(crate) mod file;
mod files;
mod forget;
mod init;
mod inspect;
mod key;
mod plan;
mod receipt;
mod restore;
mod rotate;
mod serve;
mod status;
mod subject;
mod verify;

use std::collections::BTreeMap;

use atrest_engine::Operation;

use crate::Outcome;
use crate::args::{Command, FileCommand, Global, KeyCommand, ReceiptCommand, SubjectCommand};

/// The verb's name, as it is typed.
pub(crate) fn name(command: &Command) -> &'static str {
    match command {
        Command::Init(_) => "init",
        Command::Key(key) => match key.command {
            KeyCommand::Generate(_) => "key generate",
            KeyCommand::List => "key list",
            KeyCommand::Init => "key init",
            KeyCommand::Rotate(_) => "key rotate",
            KeyCommand::Rewrap(_) => "key rewrap",
            KeyCommand::Retire(_) => "key retire",
            KeyCommand::Export(_) => "key export",
            KeyCommand::Recover(_) => "key recover",
            KeyCommand::Due => "key due",
            KeyCommand::Test(_) => "key test",
            KeyCommand::Drill(_) => "key drill",
        },
        Command::Plan(_) => "plan",
        Command::Encrypt(_) => "encrypt",
        Command::Verify(_) => "verify",
        Command::Rotate(_) => "rotate",
        Command::Decrypt(_) => "decrypt",
        Command::Adopt(_) => "adopt",
        Command::Exit(_) => "exit",
        Command::Restore(_) => "restore",
        Command::Status => "status",
        Command::Inspect(_) => "inspect",
        Command::Forget(_) => "forget",
        Command::Subject(args) => match args.command {
            SubjectCommand::Export(_) => "subject export",
            SubjectCommand::Show(_) => "subject show",
        },
        Command::Receipt(args) => match args.command {
            ReceiptCommand::Verify(_) => "receipt verify",
            ReceiptCommand::PublicKey => "receipt public-key",
        },
        Command::File(file) => match file.command {
            FileCommand::Seal(_) => "file seal",
            FileCommand::Open(_) => "file open",
            FileCommand::Cat(_) => "file cat",
            FileCommand::Verify(_) => "file verify",
            FileCommand::Mv(_) => "file mv",
            FileCommand::Shred(_) => "file shred",
        },
        Command::Serve(_) => "serve",
        Command::Bench(_) => "bench",
        Command::Demo(_) => "demo",
    }
}

/// Whether a verb may seal values or files.
const fn seals(command: &Command) -> bool {
    match command {
        Command::Encrypt(_)
        | Command::Rotate(_)
        | Command::Decrypt(_)
        | Command::Adopt(_)
        | Command::Exit(_)
        | Command::Restore(_)
        | Command::Serve(_) => true,
        Command::File(file) => matches!(file.command, FileCommand::Seal(_) | FileCommand::Mv(_)),
        _ => false,
    }
}

/// Runs a verb.
///
/// # Errors
/// Of sealing with an older keyring: the newest may have destroyed its keys.
pub(crate) async fn run(command: Command, global: &Global) -> anyhow::Result<Outcome> {
    if global.accept_older_keyring && seals(&command) {
        anyhow::bail!(
            "atrest {} does not go with --accept-older-keyring, which is for reading: what an older keyring seals is lost when the newest is back and has destroyed that key; put the newest in its place, or, if it is lost for good, make this one the newest with atrest key rotate --accept-older-keyring",
            name(&command)
        );
    }
    match command {
        Command::Init(args) => init::run(args, global).await,
        Command::Key(args) => key::run(args, global).await,
        Command::Plan(args) => plan::run(&args, global).await,
        Command::Encrypt(args) => change::encrypt(&args, global).await,
        Command::Verify(args) => verify::run(&args, global).await,
        Command::Rotate(args) => rotate::run(&args, global).await,
        Command::Decrypt(args) => {
            change::run(Operation::Decrypt, &args, None, Vec::new(), global).await
        }
        Command::Adopt(args) => external::adopt(&args, global).await,
        Command::Exit(args) => external::exit(&args, global).await,
        Command::Restore(args) => restore::run(&args, global).await,
        Command::Status => status::run(global).await,
        Command::Inspect(args) => inspect::run(&args, global).await,
        Command::Forget(args) => forget::run(&args, global).await,
        Command::Subject(args) => subject::run(&args, global).await,
        Command::Receipt(args) => receipt::run(&args, global).await,
        Command::File(args) => file::run(&args, global).await,
        Command::Serve(args) => serve::run(args, global).await,
        Command::Bench(args) => bench::run(&args, global).await,
        Command::Demo(args) => demo::run(args, global).await,
    }
}

/// What an operation has done to something.
const fn did(operation: Operation) -> &'static str {
    match operation {
        Operation::Encrypt => "encrypted",
        Operation::Rotate => "rotated",
        Operation::Decrypt => "decrypted",
        Operation::Adopt => "adopted",
        Operation::Exit => "turned into Fernet tokens",
    }
}

/// How many missing keys of a column or location have a line of their own.
pub(crate) const NAMED_KEYS: usize = 5;

/// Says which keys that are not at hand the values or files of `place` name.
fn unknown_keys(place: &str, what: &str, keys: &BTreeMap<String, u64>) {
    use crate::output::{count, line};
    for (key, n) in keys.iter().take(NAMED_KEYS) {
        let n = count(*n);
        line(&format!(
            "  {place}: {n} {what} name key {key}, which is not in the keyring"
        ));
    }
    let more = keys.len().saturating_sub(NAMED_KEYS);
    if more > 0 {
        let n = count(keys.values().skip(NAMED_KEYS).sum());
        line(&format!(
            "  {place}: {n} {what} name {} more keys that are not in the keyring; --json has them all",
            count(more as u64)
        ));
    }
}

/// Says which keys hold a column's values, and which rows do not open.
fn keys_of(report: &atrest_engine::report::ColumnReport) {
    use crate::output::{count, line};
    for (key, values) in &report.sealed {
        line(&format!(
            "  {}: {} values under key {key}",
            report.column,
            count(*values)
        ));
    }
    if report.sealed_by_subject > 0 {
        line(&format!(
            "  {}: {} values under keys of their subjects",
            report.column,
            count(report.sealed_by_subject)
        ));
    }
    if report.forgotten > 0 {
        line(&format!(
            "  {}: {} values of subjects that were forgotten, which no key opens any more",
            report.column,
            count(report.forgotten)
        ));
    }
    if report.to_be_forgotten > 0 {
        line(&format!(
            "  {}: {} values of subjects that are to be forgotten, whose keys are not used; until that is done, atrest forget SUBJECT --undo takes it back",
            report.column,
            count(report.to_be_forgotten)
        ));
    }
    unknown_keys(&report.column, "values", &report.unknown_keys);
    if !report.undecryptable_rows.is_empty() {
        line(&format!(
            "  {}: undecryptable in rows {}{}; see one with atrest inspect",
            report.column,
            report.undecryptable_rows.join("; "),
            if report.undecryptable > report.undecryptable_rows.len() as u64 {
                "; ..."
            } else {
                ""
            }
        ));
    }
}

/// What else is to be known of a column.
fn notes_of(report: &atrest_engine::report::ColumnReport) {
    let notes = report.notes.iter();
    notes.for_each(|note| crate::output::line(&format!("note: {note}")));
}

/// Whether a question would be read and answered.
fn can_ask(global: &Global) -> bool {
    use std::io::IsTerminal as _;
    !global.json && std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// Asks before something that nothing brings back: where nobody can be asked, `--yes` must
/// say so beforehand.
fn confirm_for_ever(question: &str, yes: bool, global: &Global) -> anyhow::Result<()> {
    if !yes && !can_ask(global) {
        anyhow::bail!(
            "{question} Nobody can be asked here, and nothing was changed: --yes answers beforehand"
        );
    }
    confirm(question, yes, global)
}

/// Asks before something that is hard to undo: on a terminal only, where scripts are
/// not kept waiting.
fn confirm(question: &str, yes: bool, global: &Global) -> anyhow::Result<()> {
    if yes || !can_ask(global) {
        return Ok(());
    }
    let go = dialoguer::Confirm::new()
        .with_prompt(question)
        .default(false)
        .interact_opt()?;
    if go == Some(true) {
        Ok(())
    } else {
        anyhow::bail!("not done: nothing was changed; --yes answers the question beforehand")
    }
}
