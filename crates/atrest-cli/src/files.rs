//! The folders of a policy's `[[files]]`, at work under a verb: after the columns, in
//! the same report.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context as _, bail};
use atrest_core::Keyring;
use atrest_engine::Operation;
use atrest_engine::policy::FilesPolicy;
use atrest_engine::report::{FilesPlan, FilesReport};
use atrest_media::folder::{self, Folder, OldFiles, Options, Progress};

use crate::args::{Global, PaceArgs, TakeOverArgs};
use crate::output::warn;
use crate::session::Connected;

/// The folders to work on. They were there, and could be read, when this was made: what
/// is missing is said before the first column changes.
pub(crate) struct Folders<'a> {
    connected: &'a Connected,
    list: Vec<(&'a FilesPolicy, Folder)>,
    workers: Option<usize>,
    old: Option<OldFiles>,
}

impl<'a> Folders<'a> {
    /// Those of the policy that `--only` leaves. atrest's own files are kept as they
    /// are.
    pub(crate) fn open(
        connected: &'a Connected,
        pace: Option<&PaceArgs>,
        global: &Global,
    ) -> anyhow::Result<Self> {
        let session = &connected.session;
        let mut folders = Self {
            connected,
            list: Vec::new(),
            old: None,
            workers: pace.and_then(|pace| pace.workers).map(usize::from),
        };
        for policy in connected.files(global)? {
            let folder = Folder::of(policy, session.policy.directory())?;
            folder
                .check()
                .with_context(|| format!("[[files]] in line {} of the policy", policy.line))?;
            folders.list.push((policy, folder));
        }
        if !folders.list.is_empty() {
            folders.keep(&session.own_files()?)?;
            folders.keep(&backups_in(session.policy.directory()))?;
        }
        Ok(folders)
    }

    /// Keeps these files as they are.
    pub(crate) fn keep(&mut self, files: &[PathBuf]) -> anyhow::Result<()> {
        for (_, folder) in &mut self.list {
            for file in files {
                folder.keep(file).with_context(|| {
                    format!(
                        "cannot tell which file {} is, and it must stay as it is",
                        file.display()
                    )
                })?;
            }
        }
        Ok(())
    }

    /// From now on, `encrypt` takes what is no object for a file of an earlier system.
    ///
    /// # Errors
    /// When that would be about columns too, or could not be undone.
    pub(crate) fn take_over(&mut self, args: &TakeOverArgs, global: &Global) -> anyhow::Result<()> {
        let (Some(format), Some(key)) = (args.format, &args.key) else {
            return Ok(());
        };
        if !self.connected.columns(global)?.is_empty() {
            bail!("--from is about files; name their location with --only");
        }
        if !format.is_authenticated() {
            if args.originals.is_none() {
                bail!(
                    "{format} has no MAC, so nothing proves that the right bytes come out; name a folder for the files as they were with --originals, and compare before you remove it"
                );
            }
            warn(&format!(
                "{format} has no MAC: nothing tells whether somebody changed a file, or whether it was one of that system's; compare some with what you know before you remove the originals"
            ));
        }
        if let Some(originals) = &args.originals {
            let inside = originals.join("x");
            std::fs::create_dir_all(originals)
                .with_context(|| format!("cannot make {}", originals.display()))?;
            for (policy, folder) in &self.list {
                let below = folder.logical_id(&inside);
                let below =
                    below.with_context(|| format!("cannot look at {}", originals.display()))?;
                if below.is_some() {
                    bail!(
                        "{} lies in {}, which is to be encrypted; name a folder elsewhere",
                        originals.display(),
                        policy.location
                    );
                }
            }
        }
        self.old = Some(OldFiles {
            format,
            keyring: self.connected.session.other_keys(key)?,
            originals: args.originals.clone(),
        });
        Ok(())
    }

    /// Runs the operation on one after the other. `tell` is given each report when it
    /// is there.
    ///
    /// # Errors
    /// The first folder that another run is changing or that is gone, and Ctrl-C.
    pub(crate) fn run(
        &self,
        operation: folder::Operation,
        mut tell: impl FnMut(&FilesReport),
    ) -> anyhow::Result<Vec<FilesReport>> {
        let mut reports = Vec::new();
        for (policy, folder) in &self.list {
            let begin = Instant::now();
            let found =
                self.watched(policy, folder, operation, |keyring, options| {
                    match &self.old {
                        Some(old) => folder.take_over(old, keyring, options),
                        None => folder.run(operation, keyring, options),
                    }
                })?;
            let mut report = found.of(policy);
            report.seconds = begin.elapsed().as_secs_f64();
            tell(&report);
            self.not_stopped(&report)?;
            reports.push(report);
        }
        Ok(reports)
    }

    /// What the operation would do.
    ///
    /// # Errors
    /// As [`Folders::run`].
    pub(crate) fn plan(&self, operation: Operation) -> anyhow::Result<Vec<FilesPlan>> {
        let mut plans = Vec::new();
        for (policy, folder) in &self.list {
            let begin = Instant::now();
            let look = folder::Operation::Look;
            let mut plan = self.watched(policy, folder, look, |keyring, options| {
                folder.plan(operation, policy, keyring, options)
            })?;
            plan.now.seconds = begin.elapsed().as_secs_f64();
            self.not_stopped(&plan.now)?;
            plans.push(plan);
        }
        Ok(plans)
    }

    /// With the keys, and a bar.
    fn watched<T>(
        &self,
        policy: &FilesPolicy,
        folder: &Folder,
        operation: folder::Operation,
        work: impl FnOnce(&Keyring, &Options<'_>) -> Result<T, folder::FolderError>,
    ) -> anyhow::Result<T> {
        let doing = match operation {
            folder::Operation::Look | folder::Operation::Verify => "reading",
            folder::Operation::Encrypt => "encrypting",
            folder::Operation::Rotate => "rotating",
            folder::Operation::Decrypt => "decrypting",
        };
        let bar = &self.connected.progress;
        let defaults = Options::default();
        let options = Options {
            workers: self.workers.unwrap_or(defaults.workers),
            progress: &|Progress { files, bytes }| bar.files_at(files, bytes),
            stop: self.connected.stop.clone(),
        };
        let done = tokio::task::block_in_place(|| {
            bar.files(&policy.location, doing, folder.size().files);
            work(self.connected.session.keyring(), &options)
        });
        bar.clear();
        Ok(done?)
    }

    fn not_stopped(&self, report: &FilesReport) -> anyhow::Result<()> {
        if report.stopped {
            bail!(
                "stopped in {}: {} files were changed, and each file is whole; run the same command again to go on",
                report.location,
                report.changed
            );
        }
        Ok(())
    }
}

/// Backups of columns: encrypted already, and read as they are.
fn backups_in(directory: &std::path::Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(directory) else {
        return Vec::new();
    };
    let is_backup = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| name.starts_with("atrest-backup-") && name.ends_with(".atrest"))
    };
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    paths.filter(is_backup).collect()
}
