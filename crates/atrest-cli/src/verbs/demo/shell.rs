//! The commands, shown as a person would type them, and run as such.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};

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

    /// Shows and starts `atrest ARGUMENTS`, whose log is to be read.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(super) fn start(&self, arguments: &[&str]) -> anyhow::Result<Child> {
        line(&format!("$ atrest {} &", arguments.join(" ")));
        self.command(arguments)
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot run {}", self.program.display()))
    }

    /// Asks what was started to end, as Ctrl-C does.
    ///
    /// # Errors
    /// When it ends with anything but success.
    pub(super) async fn stop(&self, mut child: Child) -> anyhow::Result<()> {
        let pid = child
            .id()
            .and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
        let pid = pid.context("the server has ended by itself")?;
        kill_process(pid, Signal::TERM)?;
        let status = child.wait().await?;
        if !status.success() {
            bail!("the server ended with {status}");
        }
        line("");
        Ok(())
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(arguments)
            .current_dir(&self.folder)
            // The demo is about its own folder only.
            .env_remove(env_vars::POLICY)
            .env_remove(env_vars::DATABASE_URL)
            .env_remove(env_vars::SERVE_TOKENS)
            .stdin(Stdio::null());
        command
    }

    /// Shows and runs `atrest ARGUMENTS`; how long it took.
    ///
    /// # Errors
    /// When it ends with anything but success.
    pub(super) async fn run(&self, arguments: &[&str]) -> anyhow::Result<Duration> {
        let typed = format!("atrest {}", arguments.join(" "));
        line(&format!("$ {typed}"));
        let started = Instant::now();
        let status = self
            .command(arguments)
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
