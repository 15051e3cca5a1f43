//! `atrest key …`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::BackupArgs;

/// `atrest key`.
#[derive(Debug, Args)]
pub(crate) struct KeyArgs {
    #[command(subcommand)]
    pub(crate) command: KeyCommand,
}

/// `atrest key …`.
#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Make a key: 32 random bytes, printed on standard output; its id on standard error.
    #[command(after_help = "\
Examples:
  atrest key generate --out atrest.key                     then: primary = \"file:atrest.key\"
  export FIELD_ENCRYPTION_KEY=$(atrest key generate)       then: primary = \"env:FIELD_ENCRYPTION_KEY\"
  atrest key generate --password env:APP_PASSWORD          a key source from a password you choose
  atrest key generate --in os-keyring:my-app/atrest        then: primary = \"os-keyring:my-app/atrest\"
  atrest key generate --in 'pkcs11:token=hsm;object=atrest?module-path=/PATH.so&pin-source=env:HSM_PIN'
                                                           then: root = the same")]
    Generate(GenerateArgs),
    /// List the policy's keys by id: role, state, age, source, and how many values and files
    /// each holds.
    List,
    /// Make the keyring that the policy names, with its first key.
    Init,
    /// Make a new active key in the keyring; the one before only decrypts from now on.
    #[command(after_help = "\
New values are encrypted under the new key as soon as the application has loaded the
keyring anew. atrest rotate brings the old ones over.")]
    Rotate(KeyRotateArgs),
    /// Put the keyring under another root key. No value and no file is touched.
    #[command(after_help = "\
Examples:
  atrest key rewrap --root aws-kms:alias/atrest       from now on AWS KMS opens the keyring
  atrest key rewrap --root file:new.key --renew-keyring-key
                                         the old root leaked: wrap with a new keyring key, too

The old root opens the keyring a last time. The new one has to wrap and unwrap before
anything is replaced. Then `root` in the policy is changed (--no-edit prints the line
instead). Interrupted in between, every verb says which root the keyring has: run the
same command again, or write that into the policy.")]
    Rewrap(RewrapArgs),
    /// Destroy a key that nothing needs any more.
    #[command(after_help = "\
Refused while a value, a file, an interrupted run or a known backup needs the key: those of
the journal, and those beside the policy; --backup names others. --force destroys it all the
same, and says first what will be lost.")]
    Retire(RetireArgs),
    /// Split the keyring's key in recovery shares, for the safe.
    #[command(after_help = "\
Examples:
  atrest key export --shares 3/5 --out shares     five files, any three of which recover

Give each to another person or place and remove the files. They open the keyring file
without its root: keep a copy of that with your backups.")]
    Export(ExportArgs),
    /// Open the keyring with recovery shares in place of its root, and put it under a new root.
    Recover(RecoverArgs),
    /// Exit with status 1 when the keyring's key is older than the policy's `rotate_after`.
    Due,
    /// Try one key source: does it give or wrap keys, and if not, what is missing.
    #[command(after_help = "\
Examples:
  atrest key test env:FIELD_ENCRYPTION_KEY
  atrest key test vault:secret/data/app#key

Wraps a made-up key and unwraps it again; writes nothing. Paths and variables are those of
the policy's folder and environment, or, without a policy, of the current folder.")]
    Test(TestArgs),
    /// Prove that recovery shares open the keyring, a backup, and every column and file.
    #[command(after_help = "\
Examples:
  atrest key drill --backup atrest-backup-20260102-030405.atrest --shares a.share b.share c.share
  atrest key drill --keyring /mnt/safe/atrest.keyring --shares a.share b.share c.share

Uses the keyring and the shares alone: the root is not asked. Nothing is written.")]
    Drill(DrillArgs),
}

/// `atrest key generate`.
#[derive(Debug, Args)]
pub(crate) struct GenerateArgs {
    /// How the key is written; both are read everywhere.
    #[arg(long, value_enum, default_value_t = KeyFormat::Base64)]
    pub(crate) format: KeyFormat,
    /// Write it to this new file (mode 0600) in place of standard output.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Make no key: print the source URI of a key from the password in `env:NAME` or
    /// `file:PATH`, with a fresh salt.
    #[arg(long, value_name = "SOURCE", conflicts_with_all = ["format", "out"])]
    pub(crate) password: Option<String>,
    /// Make it in the place that this source names, `os-keyring:` or `pkcs11:`, where it
    /// stays; what is there is never overwritten.
    #[arg(long = "in", value_name = "SOURCE", conflicts_with_all = ["format", "out", "password"])]
    pub(crate) place: Option<String>,
}

/// How a key is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum KeyFormat {
    /// base64url with padding, as Fernet writes keys.
    Base64,
    /// 64 hexadecimal digits.
    Hex,
}

/// `atrest key rotate`.
#[derive(Debug, Args)]
pub(crate) struct KeyRotateArgs {
    /// Which key: data (values and files) or subjects (wraps the keys of data subjects).
    #[arg(long, value_enum, default_value_t = RotatedPurpose::Data)]
    pub(crate) purpose: RotatedPurpose,
}

/// The keys that can be rotated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RotatedPurpose {
    /// Seals values and files.
    Data,
    /// Wraps the keys of data subjects.
    Subjects,
}

/// `atrest key rewrap`.
#[derive(Debug, Args)]
pub(crate) struct RewrapArgs {
    /// The new root's source, as the policy would name it.
    #[arg(long, value_name = "SOURCE")]
    pub(crate) root: String,
    /// Make a new keyring key, too: for when somebody may have had the old root and the
    /// keyring. Recovery shares have to be made anew.
    #[arg(long)]
    pub(crate) renew_keyring_key: bool,
    /// Leave the policy as it is, and print the line to write there.
    #[arg(long)]
    pub(crate) no_edit: bool,
}

/// `atrest key retire`.
#[derive(Debug, Args)]
pub(crate) struct RetireArgs {
    /// The key's id.
    pub(crate) id: String,
    #[command(flatten)]
    pub(crate) backups: BackupArgs,
    /// Destroy it although it is needed. What it encrypted is lost for ever.
    #[arg(long)]
    pub(crate) force: bool,
    /// Ask nothing, on a terminal too. With --force it is needed where nobody can be asked.
    #[arg(long, short)]
    pub(crate) yes: bool,
}

/// `atrest key export`.
#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// How many shares are needed, and how many are made: 3/5.
    #[arg(long, value_name = "K/N", value_parser = of_shares)]
    pub(crate) shares: (u8, u8),
    /// The folder that the shares go to, each in a new file (mode 0600).
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
}

/// "3/5".
fn of_shares(text: &str) -> Result<(u8, u8), String> {
    let numbers = text.split_once('/').and_then(|(k, n)| {
        let (k, n) = (k.trim().parse().ok()?, n.trim().parse().ok()?);
        (2 <= k && k <= n).then_some((k, n))
    });
    numbers.ok_or_else(|| "write K/N with K from 2 and N from K to 255, such as 3/5".to_owned())
}

/// `atrest key recover`.
#[derive(Debug, Args)]
pub(crate) struct RecoverArgs {
    /// Files with one share each, as many as are needed.
    #[arg(required = true, value_name = "SHARE")]
    pub(crate) shares: Vec<PathBuf>,
    /// The new root's source, as the policy would name it [default: the policy's root].
    #[arg(long, value_name = "SOURCE")]
    pub(crate) root: Option<String>,
    /// Leave the policy as it is, and print the line to write there.
    #[arg(long)]
    pub(crate) no_edit: bool,
}

/// `atrest key test`.
#[derive(Debug, Args)]
pub(crate) struct TestArgs {
    /// The source, as the policy would name it.
    pub(crate) source: String,
}

/// `atrest key drill`.
#[derive(Debug, Args)]
pub(crate) struct DrillArgs {
    /// A backup to read from its first to its last row; may be repeated.
    #[arg(long, value_name = "FILE")]
    pub(crate) backup: Vec<PathBuf>,
    /// A copy of the keyring in place of the one that the policy names.
    #[arg(long, value_name = "FILE")]
    pub(crate) keyring: Option<PathBuf>,
    /// Files with one recovery share each.
    #[arg(long, required = true, num_args = 1.., value_name = "SHARE")]
    pub(crate) shares: Vec<PathBuf>,
}
