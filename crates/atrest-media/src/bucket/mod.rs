//! The objects below a prefix of an S3 bucket, sealed where they are: the twin of
//! [`folder`](crate::folder), with the same operations and reports.
//!
//! Each object is read once, and what it becomes is put under the same key on the
//! condition that the key still holds what was read (`If-Match` with its ETag): up to
//! 8 MiB in one request, above that in parts, which the condition puts together. Killed
//! or cut off at any point, each object is either as it was or done; the same run again
//! goes on. Parts of an upload that was killed are invisible under the key but cost
//! storage: give the bucket a lifecycle rule that aborts incomplete uploads.
//!
//! **Conditions** are tried on a throw-away object before anything is changed. A server
//! that ignores them is refused, and objects above 8 MiB are left alone on one that
//! ignores them for parts only, unless the caller says that nobody else writes
//! ([`Bucket::assume_quiet`]): then the ETag is looked at again just before.
//!
//! **What is kept:** content type, cache control, disposition, encoding, language,
//! the user's metadata, and tags. Not kept: access lists, storage class, retention and
//! legal hold, expiry and redirection headers; set them for the bucket.
//!
//! **Old versions** in a bucket with versions stay as they are; the report counts them,
//! clear or sealed by how they begin ([`Versions`]). Until those that are clear are
//! removed ([`Bucket::purge_versions`]), the bucket holds clear content.
//!
//! Keys that a [`Path`] cannot spell (`a//b`, `a/../b`) end
//! the run with an error that names the key.
//!
//! It needs a runtime of tokio. Bytes in memory: for each worker two parts of 8 MiB, or
//! more for objects of more than 78 GiB.
//!
//! ```no_run
//! use std::sync::Arc;
//! use atrest_core::object::ObjectBind;
//! use atrest_core::{Key, Keyring};
//! use atrest_media::bucket::{Bucket, Operation, Options};
//!
//! # async fn seal() -> Result<(), Box<dyn std::error::Error>> {
//! let keyring = Arc::new(Keyring::new(Key::generate()?, vec![])?);
//! let config = [("AWS_REGION".to_owned(), "eu-central-1".to_owned())]; // or std::env::vars()
//! let clips = Bucket::open("s3://camera/clips", config, &["*.mp4".into()], &[], ObjectBind::Path)?;
//! let report = clips.run(Operation::Encrypt, &keyring, &Options::default()).await?;
//! println!("{} sealed, {} old clear versions", report.changed.files, report.versions.clear.files);
//! # Ok(())
//! # }
//! ```

mod address;
mod equal;
mod error;
mod export;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod look;
mod object;
mod old;
mod parts;
mod policy;
mod probe;
mod raw;
mod rename;
mod replace;
#[cfg(unix)]
mod restore;
mod run;
mod tags;
mod versions;

use atrest_core::object::ObjectBind;
use atrest_engine::policy::SubjectPattern;
use object_store::path::Path;

pub use crate::inplace::{
    Belonging, Export, ExportFolder, GlobError, OldFiles, Operation, Options, Progress, Report,
    Restored, Skipped, Tally, Undecryptable, Versions, Why,
};
pub use error::{BucketError, MoveError};
pub use rename::Moved;

use crate::Keys;
use crate::inplace::Filter;
use raw::Raw;

/// A prefix of a bucket whose objects are kept sealed, and which of them.
#[derive(Debug)]
pub struct Bucket {
    /// As errors name it: `s3://bucket/prefix`.
    name: String,
    raw: Raw,
    prefix: Path,
    filter: Filter,
    bind: ObjectBind,
    quiet: bool,
    purge: bool,
}

impl Bucket {
    /// All objects below `url` (`s3://bucket/prefix`, the prefix spelt as in keys) that
    /// one of `include` names (all, if it is empty) and none of `exclude`; globs are as
    /// in [`Folder::new`](crate::folder::Folder::new).
    ///
    /// `config` is where the server and the credentials come from, by the names of the
    /// environment variables that AWS's own tools read (`AWS_ACCESS_KEY_ID`,
    /// `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`, `AWS_REGION`, `AWS_ENDPOINT_URL`,
    /// `AWS_ALLOW_HTTP`, ...: see
    /// [`AmazonS3ConfigKey`](object_store::aws::AmazonS3ConfigKey)). Names that do not
    /// begin with `AWS_`, and ones that it does not know, are passed over, so that it may
    /// be the whole environment.
    ///
    /// # Errors
    /// [`BucketError::Glob`], [`BucketError::Url`], [`BucketError::Config`].
    pub fn open(
        url: &str,
        config: impl IntoIterator<Item = (String, String)>,
        include: &[String],
        exclude: &[String],
        bind: ObjectBind,
    ) -> Result<Self, BucketError> {
        let filter = Filter::new(include, exclude)?;
        let (bucket, prefix) = address::parse(url)?;
        Ok(Self {
            name: url.trim_end_matches('/').to_owned(),
            raw: address::connect(url, bucket, config)?,
            prefix,
            filter,
            bind,
            quiet: false,
            purge: false,
        })
    }

    /// Says that nobody else writes to these objects during a run, so that a server that
    /// ignores conditions will do. What somebody writes all the same may be lost.
    #[must_use]
    pub fn assume_quiet(self, quiet: bool) -> Self {
        Self { quiet, ..self }
    }

    /// Lets [`Operation::Encrypt`] remove, when all else is done, the old clear versions
    /// of each object whose present version is sealed and opens to its end. They cannot be
    /// had back. Those of objects that were deleted stay, as nothing else holds them.
    #[must_use]
    pub fn purge_versions(self, purge: bool) -> Self {
        Self { purge, ..self }
    }

    /// Does it with every object. What is wrong with one is in the report, and no reason
    /// to leave the others. [`Options::workers`] are objects at work at the same time, on
    /// the caller's task. Keys of subjects are as in
    /// [`Folder::run`](crate::folder::Folder::run).
    ///
    /// # Errors
    /// [`BucketError::Server`] when the bucket cannot be listed or tried,
    /// [`BucketError::Unconditional`] for a server that ignores conditions,
    /// [`BucketError::Keys`]. What was done by then stays done.
    pub async fn run(
        &self,
        operation: Operation,
        keys: impl Into<Keys>,
        options: &Options<'_>,
    ) -> Result<Report, BucketError> {
        run::run(self, operation, None, &keys.into(), options).await
    }

    /// Opens, in the old format, every object that is none of atrest's yet, and every chunk
    /// of those that are, as [`Folder::verify_old`](crate::folder::Folder::verify_old)
    /// does.
    ///
    /// # Errors
    /// As [`Bucket::run`].
    pub async fn verify_old(
        &self,
        old: &OldFiles,
        keys: impl Into<Keys>,
        options: &Options<'_>,
    ) -> Result<Report, BucketError> {
        let keys = keys.into();
        let run = run::run(self, Operation::Verify, Some(old), &keys, options);
        let mut found = run.await?;
        found.skipped.retain(|it| it.why != Why::LeftOver);
        Ok(found)
    }

    /// Makes objects of atrest of what an earlier system encrypted and put there, as
    /// [`Folder::take_over`](crate::folder::Folder::take_over) does. Originals go to a
    /// folder of the local disk, without their metadata and tags, which stay where they
    /// are.
    ///
    /// # Errors
    /// As [`Bucket::run`].
    pub async fn take_over(
        &self,
        old: &OldFiles,
        keys: impl Into<Keys>,
        options: &Options<'_>,
    ) -> Result<Report, BucketError> {
        let keys = keys.into();
        let found = self.verify_old(old, &keys, options).await?;
        if !found.is_clean() {
            return Ok(found);
        }
        let removed = old.remove_left_over();
        let run = run::run(self, Operation::Encrypt, Some(old), &keys, options);
        let mut report = run.await?;
        report.removed += removed;
        Ok(report)
    }

    /// Holds a copy of what is below the prefix, on the local disk and encrypted as it is
    /// there (`aws s3 sync`, rclone), against it, object by object, as
    /// [`Folder::restore`](crate::folder::Folder::restore) does with a folder. What is
    /// written takes the place of an object that still is what was compared, and keeps its
    /// content type, metadata and tags.
    ///
    /// # Errors
    /// [`BucketError::Copy`] when the copy cannot be opened; as [`Bucket::run`].
    #[cfg(unix)]
    pub async fn restore(
        &self,
        copy: &std::path::Path,
        mode: atrest_engine::restore::RestoreMode,
        keys: impl Into<Keys>,
        options: &Options<'_>,
    ) -> Result<Restored, BucketError> {
        restore::restore(self, copy, mode, &keys.into(), options).await
    }

    /// The same bucket, of the objects of one subject alone; see
    /// [`Folder::of_subject`](crate::folder::Folder::of_subject).
    #[must_use]
    pub fn of_subject(self, pattern: &SubjectPattern, subject: &str) -> Self {
        let filter = self.filter.of_subject(pattern, subject);
        Self { filter, ..self }
    }

    /// Gives the clear content of every object that is meant. One that does not open to
    /// its end is named, and not begun. Old versions are not looked at.
    ///
    /// # Errors
    /// [`BucketError::Server`], [`BucketError::Keys`]; [`BucketError::Export`] when they
    /// cannot be taken, or one changed while it was given.
    pub async fn export(
        &self,
        keys: impl Into<Keys>,
        to: &mut dyn Export,
    ) -> Result<Vec<Belonging>, BucketError> {
        export::export(self, &keys.into(), to).await
    }

    /// Gives an object another name, below this prefix or that of `to`: it is opened, sealed
    /// anew for that name under the primary key and put there, with its attributes and tags,
    /// if nothing is; then what is under the old name is removed, if it still is what was
    /// read. Killed in between, both are whole, and the same call again finishes. Globs are
    /// not looked at.
    ///
    /// # Errors
    /// [`MoveError`].
    pub async fn rename(
        &self,
        from: &str,
        (to, name): (&Self, &str),
        keys: impl Into<Keys>,
        options: &Options<'_>,
    ) -> Result<Moved, MoveError> {
        let keys = keys.into();
        let to = (to, name, &keys);
        rename::rename((self, from, &keys), to, options).await
    }

    /// [`Self::rename`] to where other keys are in use: those of what is opened, and those
    /// of what is sealed.
    ///
    /// # Errors
    /// [`MoveError`].
    pub async fn rename_between(
        &self,
        from: &str,
        (to, name): (&Self, &str),
        (opens, seals): (&Keys, &Keys),
        options: &Options<'_>,
    ) -> Result<Moved, MoveError> {
        rename::rename((self, from, opens), (to, name, seals), options).await
    }

    /// The key of what has this name below the prefix.
    fn key(&self, name: &Path) -> Path {
        self.prefix.parts().chain(name.parts()).collect()
    }
}
