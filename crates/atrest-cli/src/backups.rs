//! The backups of columns that atrest knows of: beside the policy, by the journal, and as
//! they are named.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use atrest_engine::backup;

use crate::args::{BackupArgs, Global};
use crate::session::Connected;

/// Backups, by absolute path.
#[derive(Debug, Default)]
pub(crate) struct Known {
    /// Those that can be looked at.
    pub(crate) there: BTreeSet<PathBuf>,
    /// Those that the journal names, by id, and that are not there, or are shorter there
    /// than they were: with where they were.
    pub(crate) missing: BTreeMap<String, PathBuf>,
}

impl Known {
    /// Finds them: those beside the policy, those of runs by the journal, and those that are
    /// named; they are told by how they begin.
    ///
    /// # Errors
    /// The database's; a path that was named and is no backup, or cannot be read.
    pub(crate) async fn find(
        connected: &Connected,
        args: &BackupArgs,
        global: &Global,
    ) -> anyhow::Result<Self> {
        let mut known = Self::default();
        // By their ids, wherever they are now, with the greatest length.
        let mut found = BTreeMap::<String, u64>::new();
        let mut add = |known: &mut Self, path: &Path| -> anyhow::Result<bool> {
            let id = backup::id_of(path);
            let id = id.with_context(|| format!("cannot look into {}", path.display()))?;
            let Some(id) = id else {
                return Ok(false);
            };
            let length = found.entry(id).or_default();
            *length = path.metadata()?.len().max(*length);
            known.there.insert(absolute(path));
            Ok(true)
        };
        for path in files_in(connected.session.policy.directory())? {
            // What is there beside the policy need not be readable.
            let _ = add(&mut known, &path);
        }
        for path in &args.backup {
            if path.is_dir() {
                for path in files_in(path)? {
                    add(&mut known, &path)?;
                }
            } else if !path.exists() {
                bail!(
                    "the backup {} is not there; name where it is, or leave it out",
                    path.display()
                );
            } else if !add(&mut known, path)? {
                bail!("{} is no backup of atrest; leave it out", path.display());
            }
        }
        let mut of_runs = Vec::new();
        if !connected.columns(global)?.is_empty() {
            let journal = connected.engine()?.journal().await?;
            for (column, record) in journal.columns() {
                let open = journal.run(column).into_iter().flat_map(|run| &run.backups);
                of_runs.extend(record.backups().chain(open).cloned());
            }
        }
        for backup in &of_runs {
            if backup.path.is_file() {
                add(&mut known, &backup.path)?;
            }
        }
        for backup in of_runs {
            // Another file may have its place, and a copy may be from before its end.
            if found
                .get(&backup.id)
                .is_none_or(|length| *length < backup.len)
            {
                known.missing.insert(backup.id, absolute(&backup.path));
            }
        }
        Ok(known)
    }

    /// Those that are missing are deleted, and not known any more from here on.
    ///
    /// # Errors
    /// The database's.
    pub(crate) async fn deleted(&self, connected: &Connected) -> anyhow::Result<()> {
        if !self.missing.is_empty() {
            let ids = self.missing.keys().cloned().collect();
            connected.engine()?.backups_deleted(&ids).await?;
        }
        Ok(())
    }
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

fn files_in(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let failed = || format!("cannot look into {}", folder.display());
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(failed)? {
        let path = entry.with_context(failed)?.path();
        if path.is_file() {
            files.push(path);
        }
    }
    Ok(files)
}
