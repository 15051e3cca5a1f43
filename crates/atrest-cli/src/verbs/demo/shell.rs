//! The commands, shown as a person would type them, and run as such.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use tokio::process::Command;

use crate::env_vars;
use crate::output::line;

/// Runs this program in the demo's folder.
pub(super) struct Shell {
    program: PathBuf,
    folder: PathBuf,
}

impl Shell {
    /// In this folder.
    pub(super) fn new(folder: &Path) -> anyhow::Result<Self> {
        Ok(Self {
            program: std::env::current_exe().context("cannot find this program's own file")?,
            folder: folder.to_owned(),
        })
    }

    /// Shows and runs `atrest ARGUMENTS`; how long it took.
    ///
    /// # Errors
    /// When it ends with anything but success.
    pub(super) async fn run(&self, arguments: &[&str]) -> anyhow::Result<Duration> {
        let typed = format!("atrest {}", arguments.join(" "));
        line(&format!("$ {typed}"));
        let started = Instant::now();
        let status = Command::new(&self.program)
            .args(arguments)
            .current_dir(&self.folder)
            // The demo is about its own folder only.
            .env_remove(env_vars::POLICY)
            .env_remove(env_vars::DATABASE_URL)
            .stdin(Stdio::null())
            .status()
            .await
            .with_context(|| format!("cannot run {}", self.program.display()))?;
        let took = started.elapsed();
        if !status.success() {
            bail!(
                "`{typed}` ended with {status}; its words stand above, and its files are in {}",
                self.folder.display()
            );
        }
        line("");
        Ok(took)
    }
}
