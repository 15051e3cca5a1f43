use atrest_engine::policy::FilesPolicy;
use object_store::aws::AmazonS3;
use object_store::path::Path;
use object_store::prefix::PrefixStore;

use crate::Keys;
use crate::store::SealedStore;

use super::{Bucket, BucketError, Report, run};

impl Bucket {
    /// The bucket of a `[[files]]` whose location is one; `config` as in
    /// [`Bucket::open`].
    ///
    /// # Errors
    /// As [`Bucket::open`].
    pub fn of(
        policy: &FilesPolicy,
        config: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, BucketError> {
        let (include, exclude) = (&policy.include, &policy.exclude);
        Self::open(&policy.location, config, include, exclude, policy.bind)
    }

    /// What is below the prefix, as a store that shows clear contents and seals what is
    /// put into it.
    #[must_use]
    pub fn sealed_store(&self, keys: impl Into<Keys>) -> SealedStore<PrefixStore<AmazonS3>> {
        let below = PrefixStore::new(self.raw.s3.clone(), self.prefix.clone());
        SealedStore::new(below, keys, self.bind)
    }

    /// Opens every chunk of the object of this name below the prefix, as
    /// [`Operation::Verify`](super::Operation::Verify) does with all: the report is of this
    /// one. Globs are not looked at.
    ///
    /// # Errors
    /// [`BucketError::Server`] for a name that cannot be one, or when the server fails;
    /// [`BucketError::Keys`].
    pub async fn inspect(&self, name: &str, keys: impl Into<Keys>) -> Result<Report, BucketError> {
        let path = Path::parse(name).map_err(|error| BucketError::Server {
            doing: "looking into",
            bucket: self.name.clone(),
            problem: error.to_string(),
        })?;
        run::inspect(self, &path, &keys.into()).await
    }

    /// Whether the bucket is there and can be listed.
    ///
    /// # Errors
    /// [`BucketError::Server`].
    pub async fn check(&self) -> Result<(), BucketError> {
        run::check(self).await
    }
}
