//! Backups that a verb looks at.

use std::path::PathBuf;

use clap::Args;

/// Which backups to look at beside the known ones.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct BackupArgs {
    /// A backup, or a folder of backups, to look at beside the known ones (those beside the
    /// policy and those of earlier runs); may be repeated.
    #[arg(long, value_name = "PATH")]
    pub(crate) backup: Vec<PathBuf>,
    /// Known backups that are not where they were are deleted, and not only moved; they are
    /// not asked for any more.
    #[arg(long)]
    pub(crate) backups_deleted: bool,
}
