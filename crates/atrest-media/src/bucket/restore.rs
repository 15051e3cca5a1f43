//! A copy of the bucket on the local disk, compared with it or put back into it: the twin
//! of [`Folder::restore`](crate::folder::Folder::restore).

use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path as FilePath, PathBuf};

use atrest_core::object::clear_len;
use atrest_engine::restore::RestoreMode;
use bytes::Bytes;
use futures::stream::{BoxStream, Stream, StreamExt as _, TryStreamExt as _, try_unfold};
use object_store::path::Path;
use object_store::{Error, GetOptions, GetResult, ObjectMeta, ObjectStore as _};
use tokio::io::AsyncReadExt as _;

use super::equal::{Side, equal};
use super::error::failed;
use super::look::{Content, State};
use super::object::Job;
use super::probe::Conditions;
use super::{Bucket, BucketError, Operation, Options, Restored, Skipped, Why};
use crate::folder::FolderCopy;
use crate::inplace::{Compared, Failure, Watch, writes};
use crate::keyrings::{BATCH, FileKeys};
use crate::{Keys, MediaError};

/// Bytes of the copy that are read at once.
const PIECE: usize = 1 << 18;

/// [`Bucket::restore`].
pub(super) async fn restore(
    bucket: &Bucket,
    copy: &FilePath,
    mode: RestoreMode,
    keys: &Keys,
    options: &Options<'_>,
) -> Result<Restored, BucketError> {
    let copy = FolderCopy::open(copy, bucket.filter.clone(), bucket.bind)?;
    let conditions = match mode {
        RestoreMode::Compare => Conditions::default(),
        RestoreMode::Restore | RestoreMode::Force => bucket.conditions().await?,
    };
    let watch = Watch::new(options);
    let run = Run {
        job: Job::new(bucket, Operation::Verify, keys, &watch, conditions),
        copy: &copy,
        mode,
    };
    let mut done = Restored::default();
    let mut files = copy.files().peekable();
    while !watch.stopped() && files.peek().is_some() {
        let mut names = Vec::new();
        for file in files.by_ref().take(BATCH) {
            match file.and_then(|path| named(&path).map(|name| (path, name))) {
                Ok(named) => names.push(named),
                Err((path, why)) => {
                    let name = path.as_os_str().as_bytes();
                    done.skipped.push(Skipped::unread(name, why));
                }
            }
        }
        let asked: Vec<_> = names.iter().map(|(_, name)| bytes_of(name)).collect();
        let of_files = keys.many(&asked, false).await?;
        let all = futures::stream::iter(names.into_iter().zip(of_files));
        let mut all = all
            .map(|((path, name), keys)| run.one(path, name, keys))
            .buffered(options.workers.max(1));
        while let Some(One {
            name,
            keys,
            is_whole,
            done: one,
        }) = all.next().await
        {
            done.entries += u64::from(is_whole);
            match one {
                Ok(compared) => done.count(bytes_of(&name), compared),
                Err(failure) => done.fail(bytes_of(&name), &keys, failure),
            }
            watch.file_done();
        }
    }
    done.stopped |= watch.stopped();
    Ok(done)
}

/// The name of what has this path below the copy's root.
fn named(path: &FilePath) -> Result<Path, (PathBuf, Why)> {
    let name = path.to_str().and_then(|path| Path::parse(path).ok());
    name.ok_or_else(|| {
        let why = Why::Failed("no object in a bucket can have its name".to_owned());
        (path.to_owned(), why)
    })
}

fn bytes_of(name: &Path) -> &[u8] {
    name.as_ref().as_bytes()
}

/// What all files of the copy share.
struct Run<'a> {
    job: Job<'a>,
    copy: &'a FolderCopy,
    mode: RestoreMode,
}

/// What came of one.
struct One {
    name: Path,
    keys: FileKeys,
    /// Every byte of the copy opened.
    is_whole: bool,
    done: Result<Compared, Failure>,
}

impl Run<'_> {
    async fn one(&self, path: PathBuf, name: Path, keys: FileKeys) -> One {
        let mut is_whole = false;
        let done = async {
            if self.job.watch.stopped() {
                return Err(Failure::Stopped);
            }
            if let Some(erasure) = keys.gone() {
                return Err(Failure::Forgotten(erasure));
            }
            // Every byte, before any is compared or written.
            let mut clear = self.copied(&path, &name, &keys).await?.1;
            while clear.try_next().await?.is_some() {}
            is_whole = true;
            self.restore(&path, &name, &keys).await
        };
        let done = done.await;
        One {
            name,
            keys,
            is_whole,
            done: match done {
                // Whatever failed, it did because of the stop.
                Err(_) if self.job.watch.stopped() => Err(Failure::Stopped),
                done => done,
            },
        }
    }

    async fn restore(
        &self,
        path: &FilePath,
        name: &Path,
        keys: &FileKeys,
    ) -> Result<Compared, Failure> {
        let about = GetOptions::new().with_head(true);
        let there = match self.job.store.inner().get_opts(name, about).await {
            Ok(there) => there,
            Err(Error::NotFound { .. }) => return Ok(Compared::Missing),
            Err(error) => return Err(failed("looking at it")(error)),
        };
        let found = match self.content(name, &there.meta, keys).await {
            Ok(content) => {
                let (_, clear) = self.copied(path, name, keys).await?;
                equal(clear, self.job.watched(content)).await
            }
            Err(failure) => Err(Side::Other(failure)),
        };
        match found {
            Ok(true) => return Ok(Compared::Same),
            Ok(false) if self.mode != RestoreMode::Force => return Ok(Compared::Changed),
            Ok(false) => {}
            Err(Side::Other(Failure::Object(error))) if !writes(self.mode, &error) => {
                return Ok(Compared::Undecryptable(error));
            }
            Err(Side::Other(Failure::Object(_))) => {}
            Err(Side::Other(Failure::Closed(error))) => {
                return Err(Failure::Skipped(Why::Failed(error.to_string())));
            }
            Err(Side::One(failure) | Side::Other(failure)) => return Err(failure),
        }
        let made = self.job.keys.one(bytes_of(name), true).await;
        let made = made.map_err(MediaError::from)?;
        let keyring = made.sealing().map_err(MediaError::from)?;
        let content = self.instead(path, name, keys, there).await?;
        self.job.seal(name, content, keyring).await?;
        Ok(Compared::Written)
    }

    /// The clear bytes of what is there.
    async fn content(
        &self,
        name: &Path,
        there: &ObjectMeta,
        keys: &FileKeys,
    ) -> Result<Content, Failure> {
        match self.job.look(name, there.size, keys).await? {
            State::Clear(content) => self.job.all(name, content).await,
            State::Sealed(..) => self.job.open(name).await,
        }
    }

    /// The copy's bytes, to be put in the place of what is there.
    async fn instead(
        &self,
        path: &FilePath,
        name: &Path,
        keys: &FileKeys,
        there: GetResult,
    ) -> Result<Content, Failure> {
        let (size, clear) = self.copied(path, name, keys).await?;
        Ok(Content {
            meta: ObjectMeta { size, ..there.meta },
            attributes: there.attributes,
            bytes: clear,
            whole: true,
            shorter: false,
        })
    }

    /// The clear bytes of a file of the copy, and how many they are.
    async fn copied(
        &self,
        path: &FilePath,
        name: &Path,
        keys: &FileKeys,
    ) -> Result<(u64, BoxStream<'static, Result<Bytes, Failure>>), Failure> {
        let file = self.copy.source(path)?.file;
        let about = file
            .metadata()
            .map_err(Failure::io("looking at the copy of it"))?;
        let id = self.job.bucket.bind.logical_id(bytes_of(name));
        let clear = crate::open_stream(pieces(file), keys.keyring(), id).await?;
        let length = clear_len(about.len()).map_err(Failure::Object)?;
        Ok((length, clear.boxed()))
    }
}

/// The bytes of a file.
fn pieces(file: std::fs::File) -> impl Stream<Item = Result<Bytes, Failure>> + Send {
    try_unfold(tokio::fs::File::from_std(file), async |mut file| {
        let mut piece = vec![0; PIECE];
        let read = file.read(&mut piece).await;
        let read = read.map_err(Failure::io("reading the copy of it"))?;
        piece.truncate(read);
        Ok((read > 0).then(|| (Bytes::from(piece), file)))
    })
}
