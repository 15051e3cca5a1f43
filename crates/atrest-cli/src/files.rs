//! The files of a policy's `[[files]]`, at work under a verb: after the columns, in the
//! same report.

mod location;

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, bail};
use atrest_engine::policy::FilesPolicy;
use atrest_engine::report::{FilesPlan, FilesReport, FilesRestoreReport};
use atrest_engine::restore::RestoreMode;
use atrest_media::Keys;
use atrest_media::bucket::Bucket;
use atrest_media::folder::{OldFiles, Operation, Options, Progress, Report};

use crate::args::{Global, PaceArgs, TakeOverArgs};
use crate::output::warn;
use crate::session::Connected;
use atrest_engine::backup::name as backup_name;
pub(crate) use location::Location;

/// The locations to work on. They were there, and could be read, when this was made:
/// what is missing is said before the first column changes.
pub(crate) struct Locations<'a> {
    connected: &'a Connected,
    list: Vec<(&'a FilesPolicy, Location, Keys)>,
    workers: Option<usize>,
    old: Option<OldFiles>,
}

impl<'a> Locations<'a> {
    /// Those of the policy that `--only` leaves. atrest's own files are kept as they
    /// are.
    pub(crate) async fn open(
        connected: &'a Connected,
        pace: Option<&PaceArgs>,
        global: &Global,
    ) -> anyhow::Result<Self> {
        let session = &connected.session;
        let mut locations = Self {
            connected,
            list: Vec::new(),
            old: None,
            workers: pace.and_then(|pace| pace.workers).map(usize::from),
        };
        for policy in connected.files(global)? {
            let location = Location::open(policy, session).await;
            let location = location
                .with_context(|| format!("[[files]] in line {} of the policy", policy.line))?;
            let keys = Keys::of(policy, session.keyring(), connected.subjects.as_ref());
            let keys =
                keys.with_context(|| format!("[[files]] in line {} of the policy", policy.line))?;
            locations.list.push((policy, location, keys));
        }
        if !locations.list.is_empty() {
            locations.keep(&session.own_files()?)?;
            locations.keep(&backups_in(session.policy.directory()))?;
        }
        Ok(locations)
    }

    /// None at all, whatever the policy names: of verbs that are about columns.
    pub(crate) fn none(connected: &'a Connected) -> Self {
        Self {
            connected,
            list: Vec::new(),
            old: None,
            workers: None,
        }
    }

    /// Keeps these files as they are.
    pub(crate) fn keep(&mut self, files: &[PathBuf]) -> anyhow::Result<()> {
        for folder in self.list.iter_mut().filter_map(|(_, l, _)| l.folder_mut()) {
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

    /// With each bucket as `how` makes it.
    pub(crate) fn with_buckets(mut self, how: impl Fn(Bucket) -> Bucket) -> Self {
        let changed = |(policy, location, keys)| match location {
            Location::Bucket(bucket) => (policy, Location::Bucket(how(bucket)), keys),
            folder @ Location::Folder(_) => (policy, folder, keys),
        };
        self.list = self.list.into_iter().map(changed).collect();
        self
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
            for (policy, location, _) in &self.list {
                let Some(folder) = location.folder() else {
                    continue;
                };
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
        let keys = self.connected.session.other_keys(key)?;
        self.keep(&keys.files)?;
        self.old = Some(OldFiles {
            format,
            keyring: keys.keyring,
            originals: args.originals.clone(),
        });
        Ok(())
    }

    /// Whether what is clear is taken for files of an earlier system.
    pub(crate) const fn take_over_old(&self) -> bool {
        self.old.is_some()
    }

    /// Runs the operation on one after the other. `tell` is given each report when it
    /// is there.
    ///
    /// # Errors
    /// The first location that another run is changing or that is gone, and Ctrl-C.
    pub(crate) async fn run(
        &self,
        operation: Operation,
        mut tell: impl FnMut(&FilesReport),
    ) -> anyhow::Result<Vec<FilesReport>> {
        let mut reports = Vec::new();
        for (policy, location, keys) in &self.list {
            let begin = Instant::now();
            let found = self.found(policy, (location, keys), operation).await?;
            let mut report = found.of(policy);
            report.seconds = begin.elapsed().as_secs_f64();
            tell(&report);
            self.not_stopped(&report)?;
            reports.push(report);
        }
        Ok(reports)
    }

    /// What the operation would do, and whether it would do it.
    ///
    /// # Errors
    /// As [`Locations::run`].
    pub(crate) async fn plan(
        &self,
        operation: atrest_engine::Operation,
    ) -> anyhow::Result<(Vec<FilesPlan>, bool)> {
        let mut plans = Vec::new();
        let mut clean = true;
        for (policy, location, keys) in &self.list {
            let begin = Instant::now();
            let found = self
                .found(policy, (location, keys), Operation::Look)
                .await?;
            let mut plan = found.plan(operation, policy);
            if let Some(folder) = location.folder() {
                folder.look_for_room(&mut plan, self.workers());
            }
            plan.now.seconds = begin.elapsed().as_secs_f64();
            self.not_stopped(&plan.now)?;
            plans.push(plan);
            // What does not open in the old format keeps everything else from being done.
            clean &= self.old.is_none() || found.is_clean();
        }
        Ok((plans, clean))
    }

    /// Holds a copy of the one location there is against it, or puts it back.
    ///
    /// # Errors
    /// When there are several; and as [`Locations::run`].
    pub(crate) async fn restore(
        &self,
        copy: &Path,
        mode: RestoreMode,
    ) -> anyhow::Result<(FilesRestoreReport, bool)> {
        let [(policy, location, keys)] = self.list.as_slice() else {
            bail!(
                "{} is a folder: the copy of one location; name that location with --only",
                copy.display()
            );
        };
        let begin = Instant::now();
        let bar = &self.connected.progress;
        let options = Options {
            workers: self.workers(),
            progress: &|Progress { files, bytes }| bar.files_at(files, bytes),
            stop: self.connected.stop.clone(),
        };
        bar.files(&policy.location, "following the copy", || 0);
        let done = match location {
            Location::Folder(folder) => {
                tokio::task::block_in_place(|| folder.restore(copy, mode, keys, &options))
                    .map_err(anyhow::Error::from)
            }
            Location::Bucket(bucket) => bucket
                .restore(copy, mode, keys, &options)
                .await
                .map_err(Into::into),
        };
        bar.clear();
        let done = done?;
        if done.stopped {
            bail!(
                "stopped: {} files were written, and each file is whole; run the same command again to go on",
                done.changed
            );
        }
        let mut report = done.of(policy);
        report.seconds = begin.elapsed().as_secs_f64();
        Ok((report, done.is_clean()))
    }

    /// With the keys, and a bar.
    async fn found(
        &self,
        policy: &FilesPolicy,
        (location, keys): (&Location, &Keys),
        operation: Operation,
    ) -> anyhow::Result<Report> {
        let doing = match operation {
            Operation::Look | Operation::Verify => "reading",
            Operation::Encrypt => "encrypting",
            Operation::Rotate => "rotating",
            Operation::Decrypt => "decrypting",
        };
        let bar = &self.connected.progress;
        let options = Options {
            workers: self.workers(),
            progress: &|Progress { files, bytes }| bar.files_at(files, bytes),
            stop: self.connected.stop.clone(),
        };
        bar.files(&policy.location, doing, || location.count());
        let changes = operation.changes();
        let found = match location {
            Location::Folder(folder) => tokio::task::block_in_place(|| match &self.old {
                Some(old) if changes => folder.take_over(old, keys, &options),
                Some(old) => folder.verify_old(old, keys, &options),
                None => folder.run(operation, keys, &options),
            })
            .map_err(anyhow::Error::from),
            Location::Bucket(bucket) => match &self.old {
                Some(old) if changes => bucket.take_over(old, keys, &options).await,
                Some(old) => bucket.verify_old(old, keys, &options).await,
                None => bucket.run(operation, keys, &options).await,
            }
            .map_err(anyhow::Error::from),
        };
        bar.clear();
        found
    }

    fn workers(&self) -> usize {
        self.workers.unwrap_or(Options::default().workers)
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
