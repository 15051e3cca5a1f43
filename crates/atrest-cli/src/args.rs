//! The command line: one definition that gives parsing, `--help` and the manual.

mod backups;
mod external;
mod file;
mod key;
mod serve;

use std::path::PathBuf;

use atrest_core::Suite;
use atrest_media::OldFormat;
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::env_vars;

pub(crate) use backups::*;
pub(crate) use external::*;
pub(crate) use file::*;
pub(crate) use key::*;
pub(crate) use serve::*;

/// Encrypts, in place, what an application should never have stored in clear.
///
/// A policy file (atrest.toml) says which columns of which database and which files are
/// sensitive, and where the keys are. Every verb follows it. Whatever is interrupted goes on
/// when the same command is run again: no row is lost, none is encrypted twice.
#[derive(Debug, Parser)]
#[command(
    name = "atrest",
    version,
    max_term_width = 100,
    after_help = "\
Examples:
  atrest init --url postgresql://localhost/app   find sensitive columns, write atrest.toml and a key
  atrest plan                                    what encrypting would do: nothing is changed
  atrest encrypt                                 do it, while the application runs
  atrest verify                                  prove that nothing is left in clear
  atrest file seal clip.mp4 clip.mp4.atrest      encrypt a file; no database needed
  atrest demo                                    see all of it on a database made for it

Exit status:
  0  done and clean
  1  ran, and found or left something: plaintext, undecryptable or skipped values
  2  could not run: usage, policy, key, connection; or interrupted"
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every verb takes.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// The policy file. Relative paths in it start from its folder.
    #[arg(long, global = true, value_name = "PATH", default_value = "atrest.toml", env = env_vars::POLICY)]
    pub(crate) policy: PathBuf,
    /// Work on this column ("table.column") or location of files of the policy only; may
    /// be repeated.
    #[arg(long, global = true, value_name = "TARGET")]
    pub(crate) only: Vec<String>,
    /// Print one JSON object on standard output (docs/json.md) and no progress.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Say more: where keys come from, which database, every note.
    #[arg(short, long, global = true)]
    pub(crate) verbose: bool,
    /// Read with a keyring that is older than a copy beside it, or than the database knows;
    /// a verb that changes the keyring makes it the newest again.
    #[arg(long, global = true)]
    pub(crate) accept_older_keyring: bool,
    /// A .env file that fills in variables the environment does not set, in place of
    /// the policy's `env_file` or the `.env` beside the policy.
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) env_file: Option<PathBuf>,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Look through a database for sensitive columns; write a policy and a key.
    Init(InitArgs),
    /// Make keys, list those of the policy, and see to its keyring.
    Key(KeyArgs),
    /// Say what encrypt (or rotate, or decrypt) would do; change nothing.
    Plan(PlanArgs),
    /// Encrypt every clear value and file of the policy, in place.
    #[command(after_help = "\
Examples:
  atrest encrypt --dry-run                 the plan
  atrest encrypt --only people.email       one column
  atrest encrypt --only data/clips         the files of one location
  atrest encrypt --apply-schema            also widen columns that are too narrow for tokens
  atrest encrypt --max-rate 2000           be gentle: 2,000 rows a second at most
  atrest encrypt --only data/clips --from aes-256-cbc --from-key env:OLD_KEY --originals old
                                           files that an earlier system encrypted

The original values go to an encrypted backup file first (--backup), durable before a row
changes. Rows that the application changes meanwhile are never overwritten; later passes
(sweeps) encrypt them. Ctrl-C stops after the page at hand; run the same command to go on.

Files come after the columns, each replaced whole by its encrypted form; they have no backup
file (atrest decrypt turns them back), and --batch-size and --max-rate are not about them.")]
    Encrypt(EncryptArgs),
    /// Count what is encrypted, clear and undecryptable.
    #[command(after_help = "\
Examples:
  atrest verify
  atrest verify --against atrest-backup-20260102-030405.atrest   compare each row with a backup")]
    Verify(VerifyArgs),
    /// Encrypt again, under the primary key and the policy's suite, what stands under others.
    #[command(after_help = "\
To rotate keys with a keyring: atrest key rotate, then atrest rotate; or, when the key is
old enough, both in one with atrest rotate --due (for cron). When atrest status says that
the old key can retire: atrest key retire ID.

To rotate direct keys: make a key (atrest key generate), set it as keys.primary and the one
before as keys.previous, deploy that to the application, then run atrest rotate. When
atrest status says that the old key can retire, take it out of keys.previous.")]
    Rotate(RotateArgs),
    /// Turn every encrypted value and file back into clear ones (the way out).
    #[command(after_help = "\
With --apply-schema a column that was widened gets its original type back. When every
column is clear again the journal table is dropped: nothing of atrest is left.")]
    Decrypt(ChangeArgs),
    /// Take columns over that other software has encrypted: seal its values anew, in place.
    #[command(after_help = "\
Examples:
  atrest adopt --from fernet --from-key env:OLD_KEY
  atrest adopt --from sqlalchemy-utils --from-key env:COLUMN_SECRET --only users.phone
  atrest adopt --from django-fernet-fields --from-key env:SECRET_KEY
  atrest adopt --from django-fernet-encrypted-fields --from-key env:SECRET_KEY --from-salt env:SALT_KEY
  atrest adopt --from django-cryptography --from-key env:SECRET_KEY --dry-run

Every value that opens under that key is sealed under the policy's suite and primary key;
what does not open stays as it is and is counted as undecryptable, and what is in clear
stays in clear (atrest encrypt takes it). A key that opens nothing is refused before the
first row changes. Backup, journal and sweeps are those of encrypt. See docs/adopt.md.")]
    Adopt(AdoptArgs),
    /// Leave: turn every encrypted value into a standard Fernet token, for other software.
    #[command(after_help = "\
Examples:
  atrest exit --to-key env:FERNET_KEY
  atrest exit --to-key file:fernet.key --only people.email --dry-run

Any implementation of Fernet opens the values then, pyca/cryptography for example. For clear
values: atrest decrypt. Files of the policy stay as they are (atrest decrypt). When every
column has left, the journal table is dropped: nothing of atrest is left.")]
    Exit(ExitArgs),
    /// Put the values of a backup file back, or the files of a copy of a location.
    Restore(RestoreArgs),
    /// Say how things stand: columns, files, interrupted runs, keys that can retire.
    Status,
    /// Look at the stored values of one row, or at one file.
    #[command(after_help = "\
Examples:
  atrest inspect people 17
  atrest inspect audit.people 17 --column email --reveal
  atrest inspect membership 17 admin              a primary key of two columns
  atrest inspect data/clips gate/a.mp4            a file of a [[files]] location")]
    Inspect(InspectArgs),
    /// Erase a person: destroy the keys that only their values and files stand under.
    #[command(after_help = "\
Examples:
  atrest forget 4711                       ask for it; done at once, or after `undo` in [subjects]
  atrest forget 4711 --undo                take it back while there is time
  atrest forget --due                      finish what is due (for cron)
  atrest forget 4711 --legal-hold 'case 12/2026'      keep the keys, whatever is asked
  atrest forget 4711 --release-hold

SUBJECT is the value of the column that the policy names as `subject`. What became
unreadable, what did not, and from when on no known backup can bring a key back stands in a
signed receipt (`receipts` in [subjects]; atrest receipt verify). There is no way back.")]
    Forget(ForgetArgs),
    /// Say what is kept of a person: the state of their keys, or all of their values.
    Subject(SubjectArgs),
    /// Check a receipt of erasure.
    Receipt(ReceiptArgs),
    /// Encrypt, decrypt and check whole files; no database is needed.
    File(FileArgs),
    /// Serve encrypted files over HTTP, in clear for who may read them.
    Serve(ServeArgs),
    /// Measure this machine: sealing and opening by suite, and reading the database.
    Bench(BenchArgs),
    /// Show all of it on a database made for it (SQLite, in a new folder).
    Demo(DemoArgs),
}

/// `atrest init`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  atrest init --url postgresql://app@localhost/app
  atrest init --url sqlite:app.db --yes           take every column of good confidence, ask nothing

Writes the policy (--policy, default ./atrest.toml) and a key file beside it; overwrites
neither. A password in the URL is never written into the policy.")]
pub(crate) struct InitArgs {
    /// The database: postgresql://, mysql://, mariadb:// or sqlite:
    #[arg(long, env = env_vars::DATABASE_URL, hide_env_values = true)]
    pub(crate) url: Option<String>,
    /// Ask nothing: take the columns of good confidence.
    #[arg(long, short)]
    pub(crate) yes: bool,
    /// The suite of the columns: xaes-256-gcm, fernet or a256cbc-hs512.
    #[arg(long, default_value = "xaes-256-gcm")]
    pub(crate) suite: Suite,
    /// Where the new key goes [default: atrest.key beside the policy].
    #[arg(long, value_name = "FILE")]
    pub(crate) key_file: Option<PathBuf>,
    /// Make a keyring, atrest.keyring beside the policy, with the new key as its root: its
    /// keys have an age and are rotated on a schedule (docs/keys.md).
    #[arg(long)]
    pub(crate) keyring: bool,
}

/// `atrest forget`.
#[derive(Debug, Args)]
pub(crate) struct ForgetArgs {
    /// Whose values: as the policy's `subject` column writes it.
    #[arg(required_unless_present = "due")]
    pub(crate) subject: Option<String>,
    /// Take an erasure back that is not done yet.
    #[arg(long, group = "other")]
    pub(crate) undo: bool,
    /// Destroy the keys of everybody whose time to undo is over.
    #[arg(long, group = "other", conflicts_with = "subject")]
    pub(crate) due: bool,
    /// Refuse to forget this subject until the hold is released; say why.
    #[arg(long, group = "other", value_name = "REASON", value_parser = reason)]
    pub(crate) legal_hold: Option<String>,
    /// Let go of a subject that is held.
    #[arg(long, group = "other")]
    pub(crate) release_hold: bool,
    /// Do not wait for the time to undo: destroy the keys now.
    #[arg(long, group = "other")]
    pub(crate) now: bool,
    /// Name the subject in the receipt, and not only its tag.
    #[arg(long)]
    pub(crate) name_subject: bool,
    #[command(flatten)]
    pub(crate) backups: BackupArgs,
    /// Ask nothing. Where nobody can be asked, and the keys are to be destroyed at once, it
    /// is needed.
    #[arg(long, short)]
    pub(crate) yes: bool,
}

/// `atrest subject`.
#[derive(Debug, Args)]
pub(crate) struct SubjectArgs {
    #[command(subcommand)]
    pub(crate) command: SubjectCommand,
}

/// The commands of `atrest subject`.
#[derive(Debug, Subcommand)]
pub(crate) enum SubjectCommand {
    /// Everything that the policy's columns hold of a subject, in clear, as lines of JSON;
    /// with --files the subject's files, too.
    Export(SubjectExportArgs),
    /// The subject's keys: when they were made, whether they are to be destroyed.
    Show(SubjectNameArgs),
}

/// `atrest subject show`.
#[derive(Debug, Args)]
pub(crate) struct SubjectNameArgs {
    /// As the policy's `subject` column writes it.
    pub(crate) subject: String,
}

/// `atrest subject export`.
#[derive(Debug, Args)]
pub(crate) struct SubjectExportArgs {
    /// As the policy's `subject` column writes it.
    pub(crate) subject: String,
    /// A new file that only its owner can read [default: standard output].
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Give the subject's files, too: in clear, below this new folder that only its owner
    /// can look into.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) files: Option<PathBuf>,
}

/// `atrest receipt`.
#[derive(Debug, Args)]
pub(crate) struct ReceiptArgs {
    #[command(subcommand)]
    pub(crate) command: ReceiptCommand,
}

/// The commands of `atrest receipt`.
#[derive(Debug, Subcommand)]
pub(crate) enum ReceiptCommand {
    /// Check the signature of a receipt, and show what it says.
    Verify(ReceiptVerifyArgs),
    /// Print the public key that checks receipts.
    PublicKey,
}

/// `atrest receipt verify`.
#[derive(Debug, Args)]
pub(crate) struct ReceiptVerifyArgs {
    /// The receipt.
    pub(crate) file: PathBuf,
    /// The public key that is known to be the signer's [default: that of the policy's
    /// keyring].
    #[arg(long, value_name = "KEY", allow_hyphen_values = true)]
    pub(crate) public_key: Option<String>,
}

/// `atrest demo`.
#[derive(Debug, Clone, Args)]
pub(crate) struct DemoArgs {
    /// A folder that is new or empty.
    #[arg(default_value = "atrest-demo")]
    pub(crate) folder: PathBuf,
}

/// Which change a plan is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PlannedVerb {
    /// Clear values become encrypted.
    Encrypt,
    /// Encrypted values move to the primary key and the policy's suite.
    Rotate,
    /// Encrypted values become clear.
    Decrypt,
}

/// `atrest plan`.
#[derive(Debug, Args)]
#[command(after_help = "\
Reads every value of the policy's columns, and the ends of its files, and says what would be changed, needed (DDL) and
refused. Exit status 1 when something is refused; that there is work to do is no failure.")]
pub(crate) struct PlanArgs {
    /// What to plan.
    #[arg(value_enum, default_value_t = PlannedVerb::Encrypt)]
    pub(crate) verb: PlannedVerb,
    #[command(flatten)]
    pub(crate) pace: PaceArgs,
}

/// How hard to work.
#[derive(Debug, Clone, Args)]
pub(crate) struct PaceArgs {
    /// Rows that are read and changed together [default: what suits the database].
    #[arg(long, value_name = "ROWS", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) batch_size: Option<u32>,
    /// Workers, and files at work at one time [default: what suits the database; for files
    /// the number of processors].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) workers: Option<u16>,
}

/// `atrest encrypt`.
#[derive(Debug, Clone, Args)]
pub(crate) struct EncryptArgs {
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
    #[command(flatten)]
    pub(crate) take_over: TakeOverArgs,
    /// In the end remove the old clear versions that a bucket keeps, for ever: of each
    /// object whose present version is encrypted and opens.
    #[arg(long)]
    pub(crate) purge_versions: bool,
}

/// Files that an earlier system encrypted.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Files of an earlier system")]
pub(crate) struct TakeOverArgs {
    /// Every file of the location that is not atrest's was encrypted by an earlier system:
    /// aes-256-cbc (an IV of 16 bytes, then the content with PKCS #7 padding, and no MAC)
    /// or fernet (one token). If one of them does not open so, nothing is changed.
    #[arg(long = "from", value_name = "FORMAT", requires = "key")]
    pub(crate) format: Option<OldFormat>,
    /// Where that system's key is, as in the policy: env:NAME, file:PATH, …
    #[arg(long = "from-key", value_name = "SOURCE", requires = "format")]
    pub(crate) key: Option<String>,
    /// Keep the files as they were in this folder, outside of the location. Needed for
    /// aes-256-cbc, where nothing proves that the right bytes came out.
    #[arg(long, value_name = "FOLDER", requires = "format")]
    pub(crate) originals: Option<PathBuf>,
}

/// `atrest encrypt`, `rotate`, `decrypt`.
#[derive(Debug, Clone, Args)]
pub(crate) struct ChangeArgs {
    #[command(flatten)]
    pub(crate) pace: PaceArgs,
    /// Where the original values go, encrypted: a new file, or that of an earlier run
    /// of the same verb on this database, which goes on in it [default:
    /// atrest-backup-YYYYMMDD-HHMMSS.atrest beside the policy].
    #[arg(long, value_name = "FILE", conflicts_with = "no_backup")]
    pub(crate) backup: Option<PathBuf>,
    /// Keep no backup.
    #[arg(long)]
    pub(crate) no_backup: bool,
    /// Change at most this many rows a second.
    #[arg(long, value_name = "ROWS", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) max_rate: Option<u32>,
    /// Only say what would be done (the plan); change nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Run the DDL that a column needs to hold encrypted values, of all that its declared
    /// length lets the application write (or, going back, that gives it its original type).
    #[arg(long)]
    pub(crate) apply_schema: bool,
    /// Take values that only look encrypted (under a key id which the keyring lacks) for
    /// the application's own text: encrypt encrypts them, decrypt counts them as clear.
    #[arg(long)]
    pub(crate) accept_lookalikes: bool,
    /// Nobody else writes to the policy's buckets during the run: use servers, too, that
    /// ignore conditional writes.
    #[arg(long)]
    pub(crate) assume_quiet: bool,
    /// Ask nothing, on a terminal too.
    #[arg(long, short)]
    pub(crate) yes: bool,
}

/// `atrest rotate`.
#[derive(Debug, Args)]
pub(crate) struct RotateArgs {
    /// Only if the keyring's key is older than the policy's `rotate_after`: make a new key
    /// first. Also goes on with what a rotation that was interrupted has left. Else nothing
    /// is done.
    #[arg(long)]
    pub(crate) due: bool,
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
}

/// `atrest verify`.
#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// Compare each row's clear value with this backup's; or, if it is a folder, each file
    /// of a location with that encrypted copy of it.
    #[arg(long, value_name = "BACKUP")]
    pub(crate) against: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) pace: PaceArgs,
    #[command(flatten)]
    pub(crate) external: MaybeExternalArgs,
}

/// `atrest restore`.
#[derive(Debug, Args)]
#[command(after_help = "\
A row is written only if its clear value still is the backed-up one's: what the application
changed since is newer than the backup and stays. --force overwrites it all the same.")]
pub(crate) struct RestoreArgs {
    /// The file that encrypt, rotate or decrypt named; or a folder, the encrypted copy of a
    /// location (cp -a; of a bucket: aws s3 sync): files that no longer open are written
    /// again from it.
    pub(crate) backup: PathBuf,
    /// Overwrite rows and files that changed since the backup, too.
    #[arg(long)]
    pub(crate) force: bool,
    /// Give a column that is clear again its original type.
    #[arg(long)]
    pub(crate) apply_schema: bool,
    /// Nobody else writes to the policy's buckets during the run: use servers, too, that
    /// ignore conditional writes.
    #[arg(long)]
    pub(crate) assume_quiet: bool,
    /// Ask nothing, on a terminal too.
    #[arg(long, short)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) external: MaybeExternalArgs,
}

/// `atrest inspect`.
#[derive(Debug, Args)]
pub(crate) struct InspectArgs {
    /// The table, or the location of files, as the policy writes it.
    pub(crate) table: String,
    /// The row's primary key: one value for each of its columns. Or the file's path below
    /// the location.
    #[arg(required = true, value_name = "PK", allow_negative_numbers = true)]
    pub(crate) key: Vec<String>,
    /// Only this column [default: every column of the policy on that table].
    #[arg(long)]
    pub(crate) column: Option<String>,
    /// Print the clear value.
    #[arg(long)]
    pub(crate) reveal: bool,
}

/// `atrest bench`.
#[derive(Debug, Args)]
pub(crate) struct BenchArgs {
    /// Seconds for each figure.
    #[arg(long, default_value_t = 0.5, value_name = "SECONDS")]
    pub(crate) seconds: f64,
    #[command(flatten)]
    pub(crate) pace: PaceArgs,
}

/// A reason that says something.
fn reason(text: &str) -> Result<String, &'static str> {
    match text.trim() {
        "" => Err("it is empty: say why, for whoever asks later"),
        text => Ok(text.to_owned()),
    }
}
