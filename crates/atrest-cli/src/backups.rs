//! The backups of columns that atrest knows of: beside the policy, by the journal, and as
//! they are named.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::bail;
use atrest_engine::backup::name as backup_name;

use crate::args::{BackupArgs, Global};
use crate::session::Connected;

/// Backups, by absolute path.
#[derive(Debug, Default)]
pub(crate) struct Known {
    /// Those that can be looked at.
    pub(crate) there: BTreeSet<PathBuf>,
    /// Those that the journal names and that are not where they were.
    pub(crate) missing: BTreeSet<PathBuf>,
}

impl Known {
    /// Finds them.
    ///
    /// # Errors
    /// The database's; a path that was named and is not there.
    pub(crate) async fn find(
        connected: &Connected,
        args: &BackupArgs,
        global: &Global,
    ) -> anyhow::Result<Self> {
        let mut paths = backups_in(connected.session.policy.directory());
        if !connected.columns(global)?.is_empty() {
            let journal = connected.engine()?.journal().await?;
            for (column, record) in journal.columns() {
                let last = record.last_run.iter().flat_map(|last| &last.backups);
                let open = journal.run(column).into_iter().flat_map(|run| &run.backups);
                paths.extend(last.chain(open).map(|backup| backup.path.clone()));
            }
        }
        for path in &args.backup {
            match path.is_dir() {
                true => paths.extend(backups_in(path)),
                false if path.exists() => paths.push(path.clone()),
                false => bail!(
                    "the backup {} is not there; name where it is, or leave it out",
                    path.display()
                ),
            }
        }
        let mut known = Self::default();
        for path in paths {
            let path = std::path::absolute(&path).unwrap_or(path);
            match path.exists() {
                true => known.there.insert(path),
                false => known.missing.insert(path),
            };
        }
        Ok(known)
    }
}

fn backups_in(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(directory) else {
        return Vec::new();
    };
    let is_backup = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str());
        name.is_some_and(backup_name::is_one)
    };
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    paths.filter(is_backup).collect()
}
