//! One object that gets another name. It may be bound to the old one, so that it is sealed
//! anew: what is under the new name is whole before the old one goes.

use std::sync::Arc;

use atrest_core::object::{ObjectError, sealed_len};
use atrest_core::{KeyId, Keyring};
use atrest_engine::subjects::{Erasure, SubjectError};
use bytes::Bytes;
use futures::stream::Stream;
use object_store::path::Path;
use object_store::signer::Method;
use object_store::{Attributes, Error, ObjectStoreExt as _, TagSet};

use super::equal::{Side, equal};
use super::error::failed;
use super::look::{Content, State};
use super::object::Job;
use super::probe::Conditions;
use super::raw::Expected;
use super::replace::{Length, New};
use super::{Bucket, BucketError, MoveError, Operation, Options, Why};
use crate::Keys;
use crate::failpoints::{Point, reached};
use crate::inplace::{Failure, Watch, is_temporary};
use crate::observe::Unobserved;
use crate::sealing::Sealing;
use crate::stream::sealed;

/// An object under its new name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moved {
    /// The key that it is sealed under now.
    pub key: KeyId,
    /// Its clear bytes.
    pub clear: u64,
    /// Its sealed bytes.
    pub sealed: u64,
}

/// A name in a bucket, and what errors call it.
struct Place<'a> {
    job: Job<'a>,
    path: Path,
    name: String,
}

impl<'a> Place<'a> {
    fn new(
        bucket: &'a Bucket,
        name: &str,
        keys: &'a Keys,
        watch: &'a Watch<'a>,
    ) -> Result<Self, MoveError> {
        let wrong = |problem: String| {
            MoveError::from(BucketError::Server {
                doing: "finding a name in",
                bucket: bucket.name.clone(),
                problem,
            })
        };
        let path = Path::parse(name).map_err(|error| wrong(error.to_string()))?;
        let last = path.filename().unwrap_or_default();
        if path.as_ref() != name || last.is_empty() {
            return Err(wrong(format!("`{name}` is no name of an object")));
        }
        if is_temporary(last.as_bytes()) {
            return Err(wrong(format!(
                "`{name}` is a name of atrest's own temporary objects"
            )));
        }
        Ok(Self {
            job: Job::new(
                bucket,
                Operation::Rotate,
                keys,
                watch,
                Conditions::default(),
            ),
            name: format!("{}/{name}", bucket.name),
            path,
        })
    }

    fn key(&self) -> Path {
        self.job.bucket.key(&self.path)
    }

    async fn is_there(&self) -> Result<bool, Failure> {
        match self.job.bucket.raw.s3.head(&self.key()).await {
            Ok(_) => Ok(true),
            Err(Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(failed("looking at it")(error)),
        }
    }

    async fn tags(&self) -> Result<TagSet, Failure> {
        self.job.bucket.raw.tags(&self.key()).await
    }
}

/// [`Bucket::rename`].
pub(super) async fn rename(
    (from, old, opens): (&Bucket, &str, &Keys),
    (to, new, seals): (&Bucket, &str, &Keys),
    options: &Options<'_>,
) -> Result<Moved, MoveError> {
    let watch = Watch::new(options);
    let from = Place::new(from, old, opens, &watch)?;
    let mut to = Place::new(to, new, seals, &watch)?;
    if from.name == to.name {
        return Err(MoveError::Exists { to: to.name });
    }
    // That it opens is known before anything is tried.
    let mut content = from.job.open(&from.path).await.map_err(left(&from))?;
    let e_tag = content.meta.e_tag.clone().ok_or_else(|| {
        left(&from)(Failure::Skipped(Why::Failed(
            "the server gave no ETag to hold on to".to_owned(),
        )))
    })?;
    let clear = content.meta.size;
    let sealed =
        sealed_len(clear).ok_or_else(|| left(&from)(Failure::Object(ObjectError::TooLong)))?;

    if to.is_there().await.map_err(left(&from))? {
        // A run that was killed had put it; else it is somebody's.
        if !same(&from, content, &to).await.map_err(left(&from))? {
            return Err(MoveError::Exists { to: to.name });
        }
    } else {
        to.job.conditions = to.job.bucket.probe_new().await?;
        if !to.job.conditions.put && !to.job.bucket.quiet {
            let bucket = to.job.bucket.name.clone();
            return Err(BucketError::Unconditional { bucket }.into());
        }
        to.job.may_put(sealed).map_err(left(&from))?;
        let attributes = std::mem::take(&mut content.attributes);
        let clear = from.job.watched(content);
        let name = to.path.as_ref().as_bytes();
        let made = seals.one(name, true).await;
        let made = made.map_err(|error| left(&from)(refused(error)))?;
        let keyring = made.sealing();
        let keyring = keyring.map_err(|error| left(&from)(refused(error)))?;
        let put = put(&from, &to, attributes, sealed, clear, keyring).await;
        if let Err(failure) = put {
            return Err(match failure {
                Failure::Skipped(Why::Changed) if to.is_there().await.unwrap_or(true) => {
                    MoveError::Exists { to: to.name }
                }
                failure => left(&from)(failure),
            });
        }
    }
    let both = |failure| MoveError::Both {
        from: from.name.clone(),
        to: to.name.clone(),
        problem: problem(failure),
    };
    let name = to.path.as_ref().as_bytes();
    let keys = seals.one(name, false).await;
    let keys = keys.map_err(|error| both(refused(error)))?;
    let key = match to.job.look(&to.path, sealed, &keys).await.map_err(both)? {
        State::Sealed(key, there) if there == clear => key,
        State::Sealed(..) | State::Clear(_) => return Err(both(Failure::Skipped(Why::Changed))),
    };
    let conditional = from.job.bucket.probe_delete().await?;
    reached(Point::NewNameProven);
    let removed = remove(&from, &e_tag, conditional).await;
    reached(Point::OldNameRemoved);
    match removed {
        Ok(()) => Ok(Moved { key, clear, sealed }),
        Err(Failure::Skipped(Why::Changed)) => Err(MoveError::Changed {
            from: from.name,
            to: to.name,
        }),
        Err(failure) => Err(both(failure)),
    }
}

/// For `map_err`: what is there under the old name stays.
fn left(from: &Place<'_>) -> impl Fn(Failure) -> MoveError {
    let from = from.name.clone();
    move |failure| match failure {
        Failure::Skipped(Why::Vanished) => MoveError::Missing { from: from.clone() },
        Failure::Stopped => MoveError::Stopped,
        failure => MoveError::Left {
            from: from.clone(),
            problem: problem(failure),
        },
    }
}

/// The keys cannot be had, or nothing is sealed any more.
fn refused(error: SubjectError) -> Failure {
    crate::MediaError::from(error).into()
}

fn problem(failure: Failure) -> String {
    match failure {
        Failure::Skipped(Why::Failed(problem)) => problem,
        Failure::Skipped(why) => why.to_string(),
        Failure::Object(error) => error.to_string(),
        Failure::Closed(error) => error.to_string(),
        Failure::Forgotten(Erasure::Done) => {
            "its key was destroyed when the subject that its name says was forgotten".to_owned()
        }
        Failure::Forgotten(Erasure::Asked) => {
            "its key is not used, since the subject that its name says is to be forgotten"
                .to_owned()
        }
        Failure::NeedsKey => "its subject got no key".to_owned(),
        Failure::Stopped => "stopped".to_owned(),
    }
}

/// Puts the object of a clear content under the new name, where nothing is.
async fn put(
    from: &Place<'_>,
    to: &Place<'_>,
    attributes: Attributes,
    length: u64,
    clear: impl Stream<Item = Result<Bytes, Failure>> + Send + Unpin,
    keyring: &Keyring,
) -> Result<(), Failure> {
    let id = to.job.bucket.bind.logical_id(to.path.as_ref().as_bytes());
    let sealing = Sealing::new(keyring, id).map_err(Failure::Object)?;
    let beginning = *sealing.prologue();
    let key = to.key();
    let tags = from.tags().await?;
    reached(Point::TagsRead);
    let new = New {
        key: &key,
        length: Length::Exactly(length),
        beginning: Some(&beginning[..]),
        attributes,
        tags,
    };
    let object = sealed(clear, sealing, Arc::new(Unobserved));
    let put = to.job.put(Expected::Nothing, new, object).await;
    put.map(drop)
}

/// Whether what is under both names opens there, and is the same in all that a move keeps.
async fn same(from: &Place<'_>, old: Content, to: &Place<'_>) -> Result<bool, Failure> {
    let new = match to.job.open(&to.path).await {
        Ok(new) => new,
        // It is no object, or does not open under that name: it is not ours.
        Err(Failure::Object(_)) => return Ok(false),
        Err(failure) => return Err(failure),
    };
    if old.meta.size != new.meta.size
        || old.attributes != new.attributes
        || from.tags().await? != to.tags().await?
    {
        return Ok(false);
    }
    match equal(from.job.watched(old), to.job.watched(new)).await {
        Ok(same) => Ok(same),
        Err(Side::Other(Failure::Object(_))) => Ok(false),
        Err(Side::One(failure) | Side::Other(failure)) => Err(failure),
    }
}

/// Removes what is under the old name, if it still is what was read.
async fn remove(from: &Place<'_>, e_tag: &str, conditional: bool) -> Result<(), Failure> {
    let (raw, key) = (&from.job.bucket.raw, from.key());
    let expected = Expected::ETag(e_tag);
    let removed = if conditional {
        let removed = raw.send(Method::DELETE, &key, &[], Some(expected), String::new());
        removed.await.map(drop).map_err(|error| {
            if error.is_condition() {
                Failure::Skipped(Why::Changed)
            } else {
                Failure::Skipped(Why::Failed(error.to_string()))
            }
        })
    } else {
        match from.job.check(&key, expected).await {
            Ok(()) => raw.s3.delete(&key).await.map_err(failed("removing it")),
            Err(failure) => Err(failure),
        }
    };
    match removed {
        // An answer may be lost, and the request, sent again, finds nothing.
        Err(_) if matches!(from.is_there().await, Ok(false)) => Ok(()),
        removed => removed,
    }
}
