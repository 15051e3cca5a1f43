use atrest_engine::policy::FilesPolicy;
use atrest_media::bucket::Bucket;
use atrest_media::folder::Folder;

use crate::session::Session;

/// Where the files of a `[[files]]` are.
pub(crate) enum Location {
    /// On the local disk.
    Folder(Folder),
    /// In S3.
    Bucket(Bucket),
}

impl Location {
    /// Opens it; one that is not there, or does not let us in, is an error.
    pub(crate) async fn open(policy: &FilesPolicy, session: &Session) -> anyhow::Result<Self> {
        match policy.bucket() {
            Some(_) => {
                let bucket = Bucket::of(policy, session.aws())?;
                bucket.check().await?;
                Ok(Self::Bucket(bucket))
            }
            None => {
                let folder = Folder::of(policy, session.policy.directory())?;
                folder.check()?;
                Ok(Self::Folder(folder))
            }
        }
    }

    /// The folder, if it is one.
    pub(crate) fn folder(&self) -> Option<&Folder> {
        match self {
            Self::Folder(folder) => Some(folder),
            Self::Bucket(_) => None,
        }
    }

    /// The folder, if it is one.
    pub(super) fn folder_mut(&mut self) -> Option<&mut Folder> {
        match self {
            Self::Folder(folder) => Some(folder),
            Self::Bucket(_) => None,
        }
    }

    /// How many files there are, where that is known at once.
    pub(super) fn count(&self) -> u64 {
        self.folder().map_or(0, Folder::count)
    }
}
