//! `atrest file …`: whole files, without a database.

use std::path::PathBuf;

use atrest_media::OldFormat;
use clap::{Args, Subcommand};

use crate::verbs::file::ByteRange;

/// `atrest file`.
#[derive(Debug, Args)]
pub(crate) struct FileArgs {
    #[command(subcommand)]
    pub(crate) command: FileCommand,
}

/// The verbs of files.
#[derive(Debug, Subcommand)]
pub(crate) enum FileCommand {
    /// Encrypt a file or a stream.
    #[command(after_help = "\
Examples:
  atrest file seal clip.mp4 clip.mp4.atrest
  pg_dump app | atrest file seal - app.dump.atrest
  atrest file seal clip.mp4 clip.mp4.atrest --id gate/clip.mp4    opens under that name only
  atrest file seal old.enc clip.mp4.atrest --from aes-256-cbc --from-key env:OLD_KEY

OUT appears whole or not at all. IN stays where it is: atrest file shred removes it.")]
    Seal(SealFileArgs),
    /// Decrypt a file or a stream.
    #[command(after_help = "\
Examples:
  atrest file open clip.mp4.atrest clip.mp4
  atrest file open app.dump.atrest | psql app

OUT (mode 0600) appears whole or not at all. To standard output go only bytes that were
authenticated; but that a file was cut off shows at its end, so exit status 2 means: what came
before is incomplete.")]
    Open(OpenFileArgs),
    /// Decrypt any part of a file to standard output; only that part is read.
    #[command(after_help = "\
Examples:
  atrest file cat clip.mp4.atrest --range 0-99      the first 100 bytes
  atrest file cat clip.mp4.atrest --range 1000-     all but the first 1,000
  atrest file cat clip.mp4.atrest --range=-100      the last 100
  atrest file cat s3://camera/clips/gate/a.mp4      an object below a location of the policy")]
    Cat(CatFileArgs),
    /// Open every byte of encrypted files and write none: each is whole, or what is wrong.
    Verify(VerifyFileArgs),
    /// Move an encrypted file to another name, below the same or another location.
    #[command(after_help = "\
Examples:
  atrest file mv data/clips/gate/a.mp4 data/clips/yard/a.mp4
  atrest file mv s3://camera/clips/gate/a.mp4 s3://camera/clips/yard/a.mp4

Where a [[files]] location binds files to their paths, mv (1) leaves one that does not open.
This encrypts it anew under its new path: the new file is whole and durable before the old one
goes, and the clear bytes stay in memory. In a bucket, both names are below locations of the
policy, and the same command again finishes what was killed.")]
    Mv(MoveFileArgs),
    /// Overwrite clear files with random bytes, then remove them.
    #[command(after_help = "\
Examples:
  atrest file shred clip.mp4

What this proves nothing for: the old bytes stay readable on copy-on-write file systems (btrfs,
ZFS, APFS, overlays), in file-system journals that hold data, on SSDs and flash (which write
elsewhere and keep the old blocks), and in snapshots, backups, replicas and caches. There, only
erasing the whole device (NIST SP 800-88 Rev. 1), or having encrypted before the first write,
does it.")]
    Shred(ShredFileArgs),
}

/// `atrest file seal`.
#[derive(Debug, Args)]
pub(crate) struct SealFileArgs {
    #[command(flatten)]
    pub(crate) copy: CopyArgs,
    /// Encrypt something that is encrypted already, once more.
    #[arg(long)]
    pub(crate) again: bool,
}

/// `atrest file open`.
#[derive(Debug, Args)]
pub(crate) struct OpenFileArgs {
    #[command(flatten)]
    pub(crate) copy: CopyArgs,
}

/// From where to where.
#[derive(Debug, Args)]
pub(crate) struct CopyArgs {
    /// The file to read; `-` or none: standard input.
    #[arg(value_name = "IN")]
    pub(crate) from: Option<PathBuf>,
    /// The file to write; `-` or none: standard output.
    #[arg(value_name = "OUT")]
    pub(crate) to: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) id: IdArgs,
    #[command(flatten)]
    pub(crate) old: OldArgs,
    /// Replace OUT if it exists.
    #[arg(long)]
    pub(crate) force: bool,
}

/// What an earlier system wrote.
#[derive(Debug, Args)]
pub(crate) struct OldArgs {
    /// IN was encrypted by an earlier system: aes-256-cbc (an IV of 16 bytes, then the
    /// content with PKCS #7 padding, and no MAC) or fernet (one token).
    #[arg(long = "from", value_name = "FORMAT", requires = "key")]
    pub(crate) format: Option<OldFormat>,
    /// Where that system's key is, as in the policy: env:NAME, file:PATH, …
    #[arg(long = "from-key", value_name = "SOURCE", requires = "format")]
    pub(crate) key: Option<String>,
}

/// What an object is bound to.
#[derive(Debug, Args)]
pub(crate) struct IdArgs {
    /// The name that the encrypted file is bound to: it opens under the same name only,
    /// wherever it lies [default: below a [[files]] location of the policy, what that
    /// says (its path there); elsewhere not bound, it opens without --id].
    #[arg(long = "id", value_name = "NAME")]
    pub(crate) name: Option<String>,
}

/// `atrest file cat`.
#[derive(Debug, Args)]
pub(crate) struct CatFileArgs {
    /// The encrypted file, or s3://BUCKET/KEY below a location of the policy.
    pub(crate) file: PathBuf,
    /// Clear bytes, counted from 0, first and last: 0-99, 100-, or -100 for the last 100.
    #[arg(long, value_name = "FROM-TO", allow_hyphen_values = true)]
    pub(crate) range: Option<ByteRange>,
    #[command(flatten)]
    pub(crate) id: IdArgs,
}

/// `atrest file verify`.
#[derive(Debug, Args)]
pub(crate) struct VerifyFileArgs {
    /// The encrypted files.
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) id: IdArgs,
}

/// `atrest file mv`.
#[derive(Debug, Args)]
pub(crate) struct MoveFileArgs {
    /// The encrypted file, or s3://BUCKET/KEY below a location of the policy.
    #[arg(value_name = "FROM")]
    pub(crate) from: PathBuf,
    /// Its new name.
    #[arg(value_name = "TO")]
    pub(crate) to: PathBuf,
    /// Replace TO if it exists. Not in a bucket.
    #[arg(long)]
    pub(crate) force: bool,
    /// In a bucket whose server ignores conditions: nobody else writes to it meanwhile.
    #[arg(long)]
    pub(crate) assume_quiet: bool,
}

/// `atrest file shred`.
#[derive(Debug, Args)]
pub(crate) struct ShredFileArgs {
    /// The files. Folders and symbolic links are refused.
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Also shred files that have other names (hard links): those names then hold nothing.
    #[arg(long)]
    pub(crate) hard_links: bool,
    /// Ask nothing. Needed where nobody can be asked: not on a terminal, or with --json.
    #[arg(long, short)]
    pub(crate) yes: bool,
}
