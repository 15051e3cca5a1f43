use std::sync::Arc;

use atrest_core::Keyring;
use atrest_core::object::{ObjectError, clear_len, sealed_len};
use futures::stream::{Stream, StreamExt as _, TryStreamExt as _};
use object_store::aws::AmazonS3;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{ObjectMeta, ObjectStore as _};

use super::look::{Content, State};
use super::probe::Conditions;
use super::replace::Length;
use super::{Bucket, OldFiles, Operation, Why};
use crate::Keys;
use crate::failpoints::{Point, reached};
use crate::inplace::{Done, Failure, Left, Watch, is_temporary, sealing};
use crate::keyrings::{FileKeys, ToSeal};
use crate::observe::Unobserved;
use crate::sealing::Sealing;
use crate::store::SealedStore;
use crate::stream::sealed;

/// What all objects of a run share.
pub(super) struct Job<'a> {
    pub(super) bucket: &'a Bucket,
    pub(super) store: SealedStore<PrefixStore<AmazonS3>>,
    pub(super) operation: Operation,
    /// What is clear was encrypted by an earlier system.
    pub(super) old: Option<&'a OldFiles>,
    pub(super) keys: &'a Keys,
    pub(super) watch: &'a Watch<'a>,
    pub(super) conditions: Conditions,
}

impl<'a> Job<'a> {
    pub(super) fn new(
        bucket: &'a Bucket,
        operation: Operation,
        keys: &'a Keys,
        watch: &'a Watch<'a>,
        conditions: Conditions,
    ) -> Self {
        Self {
            bucket,
            store: bucket.sealed_store(keys),
            operation,
            old: None,
            keys,
            watch,
            conditions,
        }
    }

    /// Whether an object is meant, by its name.
    pub(super) fn is_meant(&self, listed: &ObjectMeta) -> bool {
        let name = listed.location.as_ref();
        let last = listed.location.filename().unwrap_or_default();
        !is_temporary(last.as_bytes()) && self.bucket.filter.takes(std::path::Path::new(name))
    }

    /// Does the operation with what was listed.
    pub(super) async fn object(
        &self,
        listed: &ObjectMeta,
        keys: &FileKeys,
    ) -> Result<Done, Failure> {
        let done = self.try_object(&listed.location, listed.size, keys).await;
        match done {
            // Whatever failed, it did because of the stop.
            Err(_) if self.watch.stopped() => Err(Failure::Stopped),
            // A folder, as some programs make them: its key ends with a slash.
            Err(Failure::Skipped(Why::Vanished)) if listed.size == 0 => {
                Err(Failure::Skipped(Why::Special))
            }
            Err(Failure::Skipped(Why::Vanished)) if self.is_listed(&listed.location).await => {
                let why = "its key ends with a slash and it holds something, which cannot be read \
                           here; give it another key";
                Err(Failure::Skipped(Why::Failed(why.to_owned())))
            }
            done => done,
        }
    }

    /// Whether this name is still listed, although nothing can be had under it.
    async fn is_listed(&self, name: &Path) -> bool {
        let mut below = self.store.inner().list(Some(name));
        loop {
            match below.try_next().await {
                Ok(Some(listed)) if listed.location == *name => return true,
                Ok(Some(_)) => {}
                Ok(None) => return false,
                Err(_) => return true,
            }
        }
    }

    pub(super) async fn try_object(
        &self,
        name: &Path,
        size: u64,
        keys: &FileKeys,
    ) -> Result<Done, Failure> {
        let state = self.look(name, size, keys).await?;
        reached(Point::Looked);
        match state {
            State::Clear(content) if matches!(keys.to_seal(), ToSeal::Never) => Ok(Done {
                left: Some(Left::Withheld),
                ..Done::clear(content.meta.size)
            }),
            State::Clear(content) if self.operation == Operation::Encrypt => {
                let (sealing, key) = sealing(keys)?;
                let content = self.all(name, content).await?;
                let content = match self.old {
                    Some(old) => self.taken_over(old, name, content).await?,
                    None => content,
                };
                let bytes = self.seal(name, content, sealing).await?;
                Ok(Done::sealed(key, bytes, keys).changed())
            }
            State::Clear(content) => match self.old {
                Some(old) => {
                    let content = self.all(name, content).await?;
                    Ok(Done::clear(self.proven(old, content).await?))
                }
                None => Ok(Done::clear(content.meta.size)),
            },
            State::Sealed(key, bytes) => {
                // The store may know newer keys of the subject than these.
                let newer;
                let keys = match keys.is_own(key) || keys.keyring().get(key).is_some() {
                    true => keys,
                    false => {
                        let asked = self.keys.one(name.as_ref().as_bytes(), false).await;
                        newer = asked.map_err(crate::MediaError::from)?;
                        &newer
                    }
                };
                let is = Done::sealed(key, bytes, keys);
                match self.operation {
                    Operation::Look | Operation::Encrypt => Ok(is),
                    Operation::Verify => {
                        let mut clear = self.watched(self.open(name).await?);
                        while clear.try_next().await?.is_some() {}
                        Ok(is)
                    }
                    Operation::Rotate if is.left.is_none() => Ok(is),
                    Operation::Rotate => {
                        let (sealing, key) = sealing(keys)?;
                        let content = self.open(name).await?;
                        self.seal(name, content, sealing).await?;
                        Ok(Done::sealed(key, bytes, keys).changed())
                    }
                    Operation::Decrypt => {
                        let content = self.open(name).await?;
                        let length = Length::Exactly(content.meta.size);
                        let old = (content.meta.e_tag.clone(), content.attributes.clone());
                        let clear = self.watched(content);
                        self.replace(name, old, length, None, clear).await?;
                        Ok(Done::clear(bytes).changed())
                    }
                }
            }
        }
    }

    /// Puts the object of a clear content in its place. Gives how many clear bytes it has.
    pub(super) async fn seal(
        &self,
        name: &Path,
        content: Content,
        keyring: &Keyring,
    ) -> Result<u64, Failure> {
        let id = self.bucket.bind.logical_id(name.as_ref().as_bytes());
        let length = sealed_len(content.meta.size).ok_or(Failure::Object(ObjectError::TooLong))?;
        let length = match content.shorter {
            true => Length::AtMost(length),
            false => Length::Exactly(length),
        };
        let old = (content.meta.e_tag.clone(), content.attributes.clone());
        let sealing = Sealing::new(keyring, id).map_err(Failure::Object)?;
        let beginning = *sealing.prologue();
        let object = sealed(self.watched(content), sealing, Arc::new(Unobserved));
        let beginning = Some(&beginning[..]);
        let sealed = self.replace(name, old, length, beginning, object).await?;
        clear_len(sealed).map_err(Failure::Object)
    }

    /// The bytes of a content: counted, and given up when the run is to stop.
    pub(super) fn watched<'s>(
        &'s self,
        content: Content,
    ) -> impl Stream<Item = Result<bytes::Bytes, Failure>> + Send + Unpin + use<'s> {
        let watch = self.watch;
        content.bytes.map(move |piece| {
            let piece = piece?;
            if watch.stopped() {
                return Err(Failure::Stopped);
            }
            watch.read(piece.len() as u64);
            Ok(piece)
        })
    }
}
