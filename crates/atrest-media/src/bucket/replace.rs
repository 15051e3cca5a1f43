//! A new content under a key, if that holds what is expected: what was read, or nothing.

use bytes::Bytes;
use futures::stream::{Stream, StreamExt as _, TryStreamExt as _};
use object_store::multipart::MultipartStore as _;
use object_store::path::Path;
use object_store::{
    Attributes, Error, ObjectStore as _, ObjectStoreExt as _, PutMode, PutMultipartOptions,
    PutOptions, PutPayload, TagSet, UpdateVersion,
};

use super::error::failed;
use super::object::Job;
use super::parts::{PART, part_len, parts};
use super::raw::Expected;
use crate::failpoints::{Point, reached};
use crate::inplace::{Failure, Why};

/// Parts that are on their way at the same time, of one object.
const AT_ONCE: usize = 2;

/// How many bytes come.
#[derive(Debug, Clone, Copy)]
pub(super) enum Length {
    Exactly(u64),
    AtMost(u64),
}

impl Length {
    const fn most(self) -> u64 {
        match self {
            Self::Exactly(length) | Self::AtMost(length) => length,
        }
    }

    /// Whether so many are right.
    const fn holds(self, bytes: u64) -> bool {
        match self {
            Self::Exactly(length) => bytes == length,
            Self::AtMost(length) => bytes <= length,
        }
    }
}

/// What is to be put.
pub(super) struct New<'a> {
    pub(super) key: &'a Path,
    pub(super) length: Length,
    /// How it begins, if nothing else does.
    pub(super) beginning: Option<&'a [u8]>,
    pub(super) attributes: Attributes,
    pub(super) tags: TagSet,
}

fn failure(problem: impl Into<String>) -> Failure {
    Failure::Skipped(Why::Failed(problem.into()))
}

impl Job<'_> {
    /// Puts `length` bytes under the name, with the attributes of the old content, and
    /// its tags; gives how many they were. Whatever fails, what is there is whole: the old
    /// or the new. `beginning` is how the new content begins, if nothing else does.
    pub(super) async fn replace(
        &self,
        name: &Path,
        (e_tag, attributes): (Option<String>, Attributes),
        length: Length,
        beginning: Option<&[u8]>,
        stream: impl Stream<Item = Result<Bytes, Failure>> + Send,
    ) -> Result<u64, Failure> {
        let key = self.bucket.key(name);
        let Some(e_tag) = e_tag else {
            return Err(failure("the server gave no ETag to hold on to"));
        };
        self.may_put(length.most())?;
        let tags = self.bucket.raw.tags(&key).await?;
        reached(Point::TagsRead);
        let new = New {
            key: &key,
            length,
            beginning,
            attributes,
            tags,
        };
        self.put(Expected::ETag(&e_tag), new, stream).await
    }

    /// Whether so many bytes can be put without a risk to what others write.
    pub(super) fn may_put(&self, length: u64) -> Result<(), Failure> {
        if length > PART && !self.conditions.complete && !self.bucket.quiet {
            return Err(failure(
                "it is longer than 8 MiB, and the server ignores conditions where parts are put \
                 together; stop all writers and say so (assume quiet)",
            ));
        }
        Ok(())
    }

    /// Puts it, if the key holds what is expected; [`Why::Changed`] if it does not. Gives
    /// how many bytes it was.
    pub(super) async fn put(
        &self,
        expected: Expected<'_>,
        new: New<'_>,
        stream: impl Stream<Item = Result<Bytes, Failure>> + Send,
    ) -> Result<u64, Failure> {
        if new.length.most() <= PART {
            self.at_once(expected, new, stream).await
        } else {
            self.in_parts(expected, new, stream).await
        }
    }

    /// Whether what is there begins as the new content does: an answer may be lost, and the
    /// request, sent again, then meets its own work.
    async fn is_there(&self, key: &Path, beginning: Option<&[u8]>) -> bool {
        let Some(beginning) = beginning else {
            return false;
        };
        let range = 0..beginning.len() as u64;
        let found = self.bucket.raw.s3.get_range(key, range).await;
        found.is_ok_and(|found| found == beginning)
    }

    async fn at_once(
        &self,
        expected: Expected<'_>,
        new: New<'_>,
        stream: impl Stream<Item = Result<Bytes, Failure>> + Send,
    ) -> Result<u64, Failure> {
        let pieces: Vec<Bytes> = stream.try_collect().await?;
        let payload: PutPayload = pieces.into_iter().collect();
        let length = payload.content_length() as u64;
        if !new.length.holds(length) {
            return Err(failure("reading it gave another length than it has"));
        }
        let mode = match expected {
            _ if !self.conditions.put => {
                self.check(new.key, expected).await?;
                PutMode::Overwrite
            }
            Expected::ETag(e_tag) => PutMode::Update(UpdateVersion {
                e_tag: Some(e_tag.to_owned()),
                version: None,
            }),
            Expected::Nothing => PutMode::Create,
        };
        let options = PutOptions {
            mode,
            tags: new.tags,
            attributes: new.attributes,
            ..PutOptions::default()
        };
        reached(Point::ContentReady);
        let put = self.bucket.raw.s3.put_opts(new.key, payload, options).await;
        reached(Point::ContentPut);
        match put {
            Ok(_) => Ok(length),
            Err(_) if self.is_there(new.key, new.beginning).await => Ok(length),
            Err(error) => Err(failed("writing it")(error)),
        }
    }

    async fn in_parts(
        &self,
        expected: Expected<'_>,
        new: New<'_>,
        stream: impl Stream<Item = Result<Bytes, Failure>> + Send,
    ) -> Result<u64, Failure> {
        let (s3, key, length) = (&self.bucket.raw.s3, new.key, new.length);
        let options = PutMultipartOptions {
            tags: new.tags,
            attributes: new.attributes,
            ..PutMultipartOptions::default()
        };
        let upload = s3.create_multipart_opts(key, options).await;
        let upload = upload.map_err(failed("beginning to write it"))?;
        reached(Point::UploadBegun);
        let sent = async {
            let sent = parts(stream, part_len(length.most()))
                .enumerate()
                .map(|(index, part)| {
                    let upload = &upload;
                    async move {
                        let part = part?;
                        let sent = part.content_length() as u64;
                        let id = s3.put_part(key, upload, index, part).await;
                        reached(Point::PartPut);
                        Ok::<_, Failure>((id.map_err(failed("writing it"))?, sent))
                    }
                });
            let sent: Vec<_> = sent.buffered(AT_ONCE).try_collect().await?;
            let bytes = sent.iter().map(|(_, sent)| sent).sum();
            if !length.holds(bytes) {
                return Err(failure("reading it gave another length than it has"));
            }
            let ids: Vec<_> = sent.into_iter().map(|(id, _)| id).collect();
            reached(Point::PartsPut);
            let condition = if self.conditions.complete {
                Some(expected)
            } else {
                self.check(new.key, expected).await?;
                None
            };
            let done = self
                .bucket
                .raw
                .complete(key, &upload, &ids, condition)
                .await;
            reached(Point::UploadCompleted);
            match done {
                Ok(()) => Ok(bytes),
                Err(_) if self.is_there(key, new.beginning).await => Ok(bytes),
                Err(error) if error.is_condition() => Err(Failure::Skipped(Why::Changed)),
                Err(error) => Err(failure(format!("writing it failed: {error}"))),
            }
        };
        let done = sent.await;
        if done.is_err() {
            // The first error is what is told; a lifecycle rule takes the rest.
            let _ = s3.abort_multipart(key, &upload).await;
        }
        done
    }

    /// Where the server checks nothing: does the key hold what is expected?
    pub(super) async fn check(&self, key: &Path, expected: Expected<'_>) -> Result<(), Failure> {
        let holds = match (self.bucket.raw.s3.head(key).await, expected) {
            (Err(Error::NotFound { .. }), Expected::Nothing) => true,
            (Ok(_), Expected::Nothing) => false,
            (Ok(meta), Expected::ETag(e_tag)) => meta.e_tag.as_deref() == Some(e_tag),
            (Err(error), _) => return Err(failed("looking at it again")(error)),
        };
        if holds {
            Ok(())
        } else {
            Err(Failure::Skipped(Why::Changed))
        }
    }
}
