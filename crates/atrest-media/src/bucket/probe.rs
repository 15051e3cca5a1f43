use object_store::multipart::MultipartStore as _;
use object_store::path::Path;
use object_store::signer::Method;
use object_store::{
    Error, ObjectStore as _, ObjectStoreExt as _, PutMode, PutMultipartOptions, PutPayload,
    UpdateVersion,
};

use super::raw::Expected;
use super::{Bucket, BucketError};
use crate::failpoints::{Point, reached};
use crate::inplace::temporary;

/// The ETag of nothing that is ever there.
const WRONG: &str = "\"00000000000000000000000000000000\"";

/// Which conditions the server enforces.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Conditions {
    /// Of a write in one request.
    pub(super) put: bool,
    /// Where parts are put together.
    pub(super) complete: bool,
}

impl Bucket {
    /// Those of a run that changes objects: none is begun on a server that ignores them,
    /// unless nobody else writes.
    pub(super) async fn conditions(&self) -> Result<Conditions, BucketError> {
        let conditions = self.probe().await?;
        if !conditions.put && !self.quiet {
            let bucket = self.name.clone();
            return Err(BucketError::Unconditional { bucket });
        }
        Ok(conditions)
    }

    /// Tries them on an object of its own, and removes it with all its versions: whether
    /// what is there is overwritten only if it has the right ETag.
    pub(super) async fn probe(&self) -> Result<Conditions, BucketError> {
        let key = self.key(&Path::from(temporary()));
        let found = self.try_conditions(&key, Expected::ETag(WRONG)).await;
        self.probed(&key, found).await
    }

    /// The same: whether what is there is not overwritten where nothing should be.
    pub(super) async fn probe_new(&self) -> Result<Conditions, BucketError> {
        let key = self.key(&Path::from(temporary()));
        let found = self.try_conditions(&key, Expected::Nothing).await;
        self.probed(&key, found).await
    }

    /// The same: whether it is removed only if it has the right ETag.
    pub(super) async fn probe_delete(&self) -> Result<bool, BucketError> {
        let key = self.key(&Path::from(temporary()));
        let found = async {
            self.raw.s3.put(&key, probe()).await?;
            reached(Point::ProbePut);
            let wrong = Some(Expected::ETag(WRONG));
            let done = self
                .raw
                .send(Method::DELETE, &key, &[], wrong, String::new());
            // Anything but a refusal of the condition proves nothing.
            Ok(done.await.is_err_and(|error| error.is_condition()))
        };
        let found = found.await;
        self.probed(&key, found).await
    }

    async fn probed<T>(&self, key: &Path, found: Result<T, Error>) -> Result<T, BucketError> {
        reached(Point::ConditionsTried);
        let removed = self.remove(key).await;
        reached(Point::ProbeRemoved);
        let found = found.and_then(|found| removed.map(|()| found));
        found.map_err(|error| BucketError::Server {
            doing: "trying conditional writes in",
            bucket: self.name.clone(),
            problem: error.to_string(),
        })
    }

    async fn try_conditions(&self, key: &Path, wrong: Expected<'_>) -> Result<Conditions, Error> {
        let s3 = &self.raw.s3;
        s3.put(key, probe()).await?;
        reached(Point::ProbePut);
        let mode = match wrong {
            Expected::ETag(e_tag) => PutMode::Update(UpdateVersion {
                e_tag: Some(e_tag.to_owned()),
                version: None,
            }),
            Expected::Nothing => PutMode::Create,
        };
        let put = match s3.put_opts(key, probe(), mode.into()).await {
            Ok(_) => false,
            Err(Error::Precondition { .. } | Error::AlreadyExists { .. }) => true,
            Err(error) => return Err(error),
        };
        let upload = s3
            .create_multipart_opts(key, PutMultipartOptions::default())
            .await?;
        let complete = match s3.put_part(key, &upload, 0, probe()).await {
            Ok(part) => {
                let done = self.raw.complete(key, &upload, &[part], Some(wrong)).await;
                // Anything but a refusal of the condition proves nothing.
                done.is_err_and(|error| error.is_condition())
            }
            Err(_) => false,
        };
        let _ = s3.abort_multipart(key, &upload).await; // none is left if it was completed
        Ok(Conditions { put, complete })
    }

    /// Removes a key; in a bucket with versions, all of them where that is allowed.
    pub(super) async fn remove(&self, key: &Path) -> Result<(), Error> {
        self.raw.s3.delete(key).await?;
        let Ok((versions, _)) = self.raw.versions(key.as_ref(), None).await else {
            return Ok(());
        };
        for version in versions
            .iter()
            .filter(|version| version.key == key.as_ref())
        {
            let query = [("versionId", version.version_id.as_str())];
            let removed = self
                .raw
                .send(Method::DELETE, key, &query, None, String::new());
            let _ = removed.await; // nothing secret is in it
        }
        Ok(())
    }
}

fn probe() -> PutPayload {
    PutPayload::from_static(b"atrest tries whether conditions are enforced")
}
