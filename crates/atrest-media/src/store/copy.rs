use std::hash::{BuildHasher as _, Hasher as _, RandomState};

use futures::TryStreamExt as _;
use object_store::path::Path;
use object_store::{
    CopyMode, CopyOptions, Error, GetOptions, MultipartUpload, ObjectStore, ObjectStoreExt as _,
    PutMode, PutMultipartOptions, PutOptions, PutPayload, RenameOptions, RenameTargetMode, Result,
};

use super::SealedStore;
use super::upload::LEAST_PART;

impl<S: ObjectStore> SealedStore<S> {
    /// Opens the object at `from` and seals it anew for `to`, in constant memory.
    /// Content type and metadata come along.
    pub(super) async fn copy_bound(
        &self,
        from: &Path,
        to: &Path,
        options: CopyOptions,
    ) -> Result<()> {
        let mut source = self.get(from, GetOptions::default()).await?;
        let attributes = std::mem::take(&mut source.attributes);
        let create = options.mode == CopyMode::Create;
        if source.meta.size <= LEAST_PART as u64 {
            let put = PutOptions {
                mode: if create {
                    PutMode::Create
                } else {
                    PutMode::Overwrite
                },
                attributes,
                ..PutOptions::default()
            };
            let clear: Vec<_> = source.into_stream().try_collect().await?;
            self.put_opts(to, clear.into_iter().collect(), put).await?;
            return Ok(());
        }
        let put = PutMultipartOptions {
            attributes,
            ..PutMultipartOptions::default()
        };
        // An upload in parts has no conditions, but a copy of sealed bytes has them.
        let place = if create { beside(to)? } else { to.clone() };
        let mut upload = self.upload(&place, to, put).await?;
        let mut clear = source.into_stream();
        let sent = async {
            let (mut part, mut length) = (Vec::new(), 0);
            while let Some(piece) = clear.try_next().await? {
                length += piece.len();
                part.push(piece);
                if length >= LEAST_PART {
                    let full = std::mem::take(&mut part);
                    length = 0;
                    upload.put_part(full.into_iter().collect()).await?;
                }
            }
            upload.put_part(PutPayload::from_iter(part)).await?;
            upload.complete().await.map(drop)
        };
        if let Err(error) = sent.await {
            let _ = upload.abort().await; // the first error is what is told
            return Err(error);
        }
        if create {
            let copied = self.inner.copy_opts(&place, to, options).await;
            let removed = self.inner.delete(&place).await;
            return copied.and(removed);
        }
        Ok(())
    }

    pub(super) async fn rename_bound(
        &self,
        from: &Path,
        to: &Path,
        options: RenameOptions,
    ) -> Result<()> {
        let mode = match options.target_mode {
            RenameTargetMode::Overwrite => CopyMode::Overwrite,
            RenameTargetMode::Create => CopyMode::Create,
        };
        if from == to {
            // Removing the one would remove the other.
            self.inner.head(from).await?;
            return match mode {
                CopyMode::Overwrite => Ok(()),
                CopyMode::Create => Err(Error::AlreadyExists {
                    path: to.to_string(),
                    source: "it is the same name".into(),
                }),
            };
        }
        let copy = CopyOptions {
            mode,
            extensions: options.extensions,
        };
        self.copy_bound(from, to, copy).await?;
        self.inner.delete(from).await
    }
}

/// A temporary name beside this one, as [`folder`](crate::folder) makes them.
fn beside(path: &Path) -> Result<Path> {
    let number = RandomState::new().build_hasher().finish();
    let folder = path
        .as_ref()
        .rsplit_once('/')
        .map_or("", |(folder, _)| folder);
    Ok(Path::parse(format!("{folder}/.atrest-{number:016x}.tmp"))?)
}
