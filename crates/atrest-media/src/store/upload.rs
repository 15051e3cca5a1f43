use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use async_trait::async_trait;
use atrest_core::object::{CHUNK_LEN, ObjectError, PROLOGUE_LEN, SLOT_LEN};
use futures::future::{FutureExt as _, try_join_all};
use object_store::path::Path;
use object_store::{
    MultipartUpload, ObjectStore, PutMultipartOptions, PutPayload, PutResult, Result, UploadPart,
};

use super::SealedStore;
use super::error::{StoreError, generic};
use crate::sealing::Sealing;
use crate::{MediaError, Observe};

/// What S3 wants of every part but the last, in bytes.
pub(super) const LEAST_PART: usize = 5 * 1024 * 1024;

impl<S: ObjectStore> SealedStore<S> {
    /// Begins an upload to `place` of the object whose name is `location`.
    pub(super) async fn upload(
        &self,
        place: &Path,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Upload> {
        let keys = self.keys(location, true).await?;
        let keyring = keys
            .sealing()
            .map_err(|error| self.refuse(location, error))?;
        let sealing = Sealing::new(keyring, self.id(location));
        let sealing = sealing.map_err(|error| self.refuse(location, error))?;
        Ok(Upload {
            inner: self.inner.put_multipart_opts(place, options).await?,
            location: location.clone(),
            pending: sealing.prologue().to_vec(),
            sealing,
            part: 0,
            begun: 0,
            uploaded: Arc::default(),
            failed: false,
            observe: Arc::clone(&self.observe),
        })
    }
}

/// Parts come in any length, are sealed in the order in which they come, and go on in
/// parts of one length, but the last: of at least [`LEAST_PART`], and long enough for
/// what came first, so that there are no more of them than came.
///
/// It holds one part at most, and completes only when all parts have been uploaded.
/// Sealing is done in [`put_part`](MultipartUpload::put_part) itself: about 1 ms for
/// each 5 MiB.
pub(super) struct Upload {
    inner: Box<dyn MultipartUpload>,
    location: Path,
    sealing: Sealing,
    /// Sealed, and not yet a part.
    pending: Vec<u8>,
    /// The length of parts; 0 until the first has come.
    part: usize,
    begun: u64,
    uploaded: Arc<AtomicU64>,
    /// Whether something is missing, or it was completed.
    failed: bool,
    observe: Arc<dyn Observe>,
}

impl Upload {
    fn seal(&mut self, data: &PutPayload) -> Result<(), ObjectError> {
        if self.failed {
            return Err(ObjectError::TooLong);
        }
        self.failed = true;
        // At once and no more: a vector that doubles as it grows holds twice the part.
        let slots = data.content_length() / CHUNK_LEN + 1;
        self.pending.reserve_exact(slots * SLOT_LEN);
        for clear in data {
            let began = Instant::now();
            self.sealing.push(clear, &mut self.pending)?;
            self.observe.sealed(clear.len() as u64, began.elapsed());
        }
        self.failed = false;
        Ok(())
    }

    fn pass_on(&mut self, part: Vec<u8>) -> UploadPart {
        self.begun += 1;
        let uploaded = Arc::clone(&self.uploaded);
        let part = self.inner.put_part(part.into());
        let counted = async move {
            part.await?;
            uploaded.fetch_add(1, Ordering::Release);
            Ok(())
        };
        counted.boxed()
    }

    fn refuse(&self, error: ObjectError) -> object_store::Error {
        let error = MediaError::from(error);
        self.observe.refused(&error);
        StoreError::new(self.location.clone(), error).into()
    }
}

#[async_trait]
impl MultipartUpload for Upload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        if let Err(error) = self.seal(&data) {
            let error = self.refuse(error);
            return std::future::ready(Err(error)).boxed();
        }
        if self.part == 0 {
            let slots = data.content_length().div_ceil(CHUNK_LEN) * SLOT_LEN;
            self.part = LEAST_PART.max(PROLOGUE_LEN + slots);
        }
        let mut parts = Vec::new();
        while self.pending.len() >= self.part {
            let rest = self.pending.split_off(self.part);
            let part = std::mem::replace(&mut self.pending, rest);
            parts.push(self.pass_on(part));
        }
        try_join_all(parts).map(|done| done.map(drop)).boxed()
    }

    async fn complete(&mut self) -> Result<PutResult> {
        if std::mem::replace(&mut self.failed, true)
            || self.begun != self.uploaded.load(Ordering::Acquire)
        {
            return Err(generic(format!(
                "the upload of `{}` is not complete: a part of it failed, or it was ended before; \
                 abort it and upload it anew",
                self.location
            )));
        }
        let mut pending = std::mem::take(&mut self.pending);
        let sealed = self.sealing.finish(&mut pending);
        sealed.map_err(|error| self.refuse(error))?;
        while !pending.is_empty() {
            let rest = pending.split_off(pending.len().min(self.part.max(LEAST_PART)));
            let part = std::mem::replace(&mut pending, rest);
            self.pass_on(part).await?;
        }
        self.inner.complete().await
    }

    async fn abort(&mut self) -> Result<()> {
        self.failed = true;
        self.inner.abort().await
    }
}

impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upload")
            .field("inner", &self.inner)
            .field("location", &self.location)
            .finish_non_exhaustive()
    }
}
