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
    /// The server ignores conditions.
    #[error(
        "the server of {bucket} ignores conditional writes (a wrong If-Match was accepted), so an \
         object that somebody writes meanwhile would be lost; stop all writers and say so \
         (assume quiet), or use a server that knows them"
    )]
    Unconditional {
        /// Which bucket.
        bucket: String,
    },
}

/// For `map_err`: this is what was being done with an object.
pub(super) fn failed(doing: &'static str) -> impl Fn(Error) -> Failure {
    move |error| match error {
        Error::NotFound { .. } => Failure::Skipped(Why::Vanished),
        Error::Precondition { .. } => Failure::Skipped(Why::Changed),
        Error::Generic { source, store } => match source.downcast::<StoreError>() {
            Ok(refused) => match refused.error {
                MediaError::Object(error) => Failure::Object(error),
                error @ MediaError::Io { .. } => Failure::from(error),
            },
            Err(source) => other(doing, &Error::Generic { source, store }),
        },
        error => other(doing, &error),
    }
}

fn other(doing: &str, error: &Error) -> Failure {
    Failure::Skipped(Why::Failed(format!("{doing} failed: {error}")))
}
