use atrest_core::KeyId;
use atrest_engine::subjects::SubjectError;
use object_store::Error;

use crate::MediaError;
use crate::inplace::{Failure, GlobError, Why};
use crate::store::StoreError;

/// Why nothing could be done with a bucket at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BucketError {
    /// A glob that is none.
    #[error(transparent)]
    Glob(#[from] GlobError),
    /// Not the URL of a bucket.
    #[error("`{url}` is no bucket: {problem}; write s3://BUCKET or s3://BUCKET/PREFIX")]
    Url {
        /// As it was given.
        url: String,
        /// What is wrong with it.
        problem: String,
    },
    /// Settings that do not fit.
    #[error("cannot use {bucket}: {source}; check the AWS_* settings")]
    Config {
        /// Which bucket.
        bucket: String,
        /// What is wrong.
        source: Error,
    },
    /// The server refused, or was not reached.
    #[error(
        "{doing} {bucket} failed: {problem}; check the AWS_* settings, that the bucket is there, and \
         that this account may list, read, write and delete in it"
    )]
    Server {
        /// What was being done, as the beginning of a sentence.
        doing: &'static str,
        /// Which bucket.
        bucket: String,
        /// What the server said.
        problem: String,
    },
    /// The keys of a subject cannot be had. What was done by then stays done; keys are
    /// asked for before the first change.
    #[error(transparent)]
    Keys(#[from] SubjectError),
    /// A copy on the local disk cannot be opened.
    #[cfg(unix)]
    #[error(transparent)]
    Copy(#[from] crate::folder::FolderError),
    /// Objects that are sealed name keys which are not in the keyring, and none names one
    /// that is. Nothing was changed.
    #[error(
        "{count} objects in {bucket} are encrypted under keys that are not in the keyring ({key}) \
         and none under one that is, so nothing was encrypted; check that the key is this \
         location's, add the other one as a previous key, or move what nobody can open elsewhere"
    )]
    WrongKeys {
        /// Which bucket.
        bucket: String,
        /// That of the first of them.
        key: KeyId,
        /// How many they are.
        count: u64,
    },
    /// An object could not be given in clear.
    #[error("giving {file} in clear failed: {source}; what was written so far is not complete")]
    Export {
        /// Its name below the prefix.
        file: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The server ignores conditions.
    #[error(
        "the server of {bucket} ignores conditional writes (one that does not hold was accepted), so an \
         object that somebody writes meanwhile would be lost; stop all writers and say so \
         (assume quiet), or use a server that knows them"
    )]
    Unconditional {
        /// Which bucket.
        bucket: String,
    },
}

/// Why an object was not given another name. Names are URLs.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MoveError {
    /// Nothing could be done with one of the buckets.
    #[error(transparent)]
    Bucket(#[from] BucketError),
    /// There is nothing under the old name.
    #[error("there is no object {from}; check its name, or whether it has been moved already")]
    Missing {
        /// The old name.
        from: String,
    },
    /// There is something else under the new name.
    #[error("{to} exists, and was left as it is; name another, or remove it first")]
    Exists {
        /// The new name.
        to: String,
    },
    /// It does not open, or could not be read or put.
    #[error("cannot move {from}, and left it as it is: {problem}")]
    Left {
        /// The old name.
        from: String,
        /// What is wrong.
        problem: String,
    },
    /// It stands under both names, since somebody changed it under the old one.
    #[error(
        "{to} is there, and {from} was changed or replaced meanwhile, so it was left; look at \
         both, and remove the one that is not wanted"
    )]
    Changed {
        /// The old name.
        from: String,
        /// The new name.
        to: String,
    },
    /// It stands under both names, since it could not be removed under the old one.
    #[error(
        "{to} is there, and {from} could not be removed: {problem}; run the same command again"
    )]
    Both {
        /// The old name.
        from: String,
        /// The new name.
        to: String,
        /// What the server said.
        problem: String,
    },
    /// It was told to.
    #[error("stopped: the object is whole under its old name; run the same command again")]
    Stopped,
}

/// For `map_err`: this is what was being done with an object.
pub(super) fn failed(doing: &'static str) -> impl Fn(Error) -> Failure {
    move |error| match error {
        Error::NotFound { .. } => Failure::Skipped(Why::Vanished),
        Error::Precondition { .. } | Error::AlreadyExists { .. } => Failure::Skipped(Why::Changed),
        Error::Generic { source, store } => match source.downcast::<StoreError>() {
            Ok(refused) => match refused.error {
                MediaError::Object(error) => Failure::Object(error),
                error => Failure::from(error),
            },
            Err(source) => other(doing, &Error::Generic { source, store }),
        },
        error => other(doing, &error),
    }
}

fn other(doing: &str, error: &Error) -> Failure {
    Failure::Skipped(Why::Failed(format!("{doing} failed: {error}")))
}
