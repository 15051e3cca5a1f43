//! The keys of the files of a policy whose names say whose they are.

use std::path::Path;

use anyhow::Context as _;
use atrest::policy_keys::Access;
use atrest_engine::policy::FilesPolicy;
use atrest_media::folder::Folder;
use atrest_media::{FileKeys, Keys};
use tokio::runtime::Handle;
use tokio::task::block_in_place;

use crate::session::Session;

impl Session {
    /// The keys of a location's files.
    pub(crate) async fn keys_of(&self, files: &FilesPolicy) -> anyhow::Result<Keys> {
        let mut subjects = None;
        if files.subject.is_some() {
            let database = self.database().await?;
            subjects = self.subjects(&database, Access::Change).await?;
        }
        Ok(Keys::of(files, self.keyring(), subjects.as_ref())?)
    }

    /// [`Self::keys_of`], where nothing can be awaited.
    pub(crate) fn keys_of_now(&self, files: &FilesPolicy) -> anyhow::Result<Keys> {
        block_in_place(|| Handle::current().block_on(self.keys_of(files)))
    }

    /// The keys of the file at `path`: its subject's, if it lies in a location whose files
    /// have them; else those that everybody shares. With `make`, to be sealed.
    pub(crate) fn keys_at(&self, path: Option<&Path>, make: bool) -> anyhow::Result<FileKeys> {
        let shared = || Ok(FileKeys::Shared(self.keyring().clone()));
        let Some(path) = path else {
            return shared();
        };
        let with_subjects = self.policy.files.iter().filter(|f| f.subject.is_some());
        for files in with_subjects.filter(|files| files.bucket().is_none()) {
            let folder = Folder::of(files, self.policy.directory())?;
            let name = folder.name_of(path).with_context(|| {
                format!(
                    "cannot tell whether {} lies in {}",
                    path.display(),
                    files.location
                )
            })?;
            let Some(name) = name else { continue };
            let asked = async {
                let keys = self.keys_of(files).await?;
                Ok(keys.one(&name, make).await?)
            };
            return block_in_place(|| Handle::current().block_on(asked));
        }
        shared()
    }
}
