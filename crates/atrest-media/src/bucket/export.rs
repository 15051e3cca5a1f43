//! A subject's objects, given in clear.

use futures::stream::TryStreamExt as _;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore as _};

use super::look::{Content, State};
use super::object::Job;
use super::probe::Conditions;
use super::{Bucket, BucketError, Operation, Options};
use crate::Keys;
use crate::inplace::{Belonging, Export, Failure, Watch, readable};
use crate::keyrings::FileKeys;

/// [`Bucket::export`].
pub(super) async fn export(
    bucket: &Bucket,
    keys: &Keys,
    to: &mut dyn Export,
) -> Result<Vec<Belonging>, BucketError> {
    let options = Options::default();
    let watch = Watch::new(&options);
    let job = Job::new(bucket, Operation::Look, keys, &watch, Conditions::default());
    let mut listed = job.store.inner().list(None);
    let mut files = Vec::new();
    let failed = |error| super::run::listing(bucket, &error);
    while let Some(listed) = listed.try_next().await.map_err(failed)? {
        if !job.is_meant(&listed) {
            continue;
        }
        let name = listed.location.as_ref();
        let of_object = keys.one(name.as_bytes(), false).await?;
        match one(&job, &listed, &of_object, to).await? {
            Ok(bytes) => files.push(Belonging::given(readable(name.as_bytes()), bytes)),
            Err(failure) => {
                files.extend(Belonging::kept_back(readable(name.as_bytes()), &failure));
            }
        }
    }
    Ok(files)
}

/// Gives one object, if all of it opens. The outer error is that of where it goes.
async fn one(
    job: &Job<'_>,
    listed: &ObjectMeta,
    keys: &FileKeys,
    to: &mut dyn Export,
) -> Result<Result<u64, Failure>, BucketError> {
    let (length, mut content) = match ready(job, &listed.location, listed.size, keys).await {
        Ok(ready) => ready,
        Err(failure) => return Ok(Err(failure)),
    };
    let name = listed.location.as_ref();
    let export = |source| BucketError::Export {
        file: readable(name.as_bytes()),
        source,
    };
    to.begin(name, length).map_err(export)?;
    let mut given = 0;
    loop {
        match content.bytes.try_next().await {
            Ok(Some(piece)) => {
                to.write(&piece).map_err(export)?;
                given += piece.len() as u64;
            }
            Ok(None) if given == length => break,
            Ok(None) | Err(_) => {
                let problem =
                    "it was changed while it was read; begin anew when nobody writes to it";
                return Err(export(std::io::Error::other(problem)));
            }
        }
    }
    to.end().map_err(export)?;
    Ok(Ok(given))
}

/// The clear bytes, and how many they are: every byte was opened before any is given.
async fn ready(
    job: &Job<'_>,
    name: &Path,
    size: u64,
    keys: &FileKeys,
) -> Result<(u64, Content), Failure> {
    match job.look(name, size, keys).await? {
        State::Clear(content) => {
            let content = job.all(name, content).await?;
            Ok((content.meta.size, content))
        }
        State::Sealed(_, length) => {
            let mut bytes = job.open(name).await?.bytes;
            while bytes.try_next().await?.is_some() {}
            Ok((length, job.open(name).await?))
        }
    }
}
