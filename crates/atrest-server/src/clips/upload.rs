//! Content on its way into the store, in parts, so that memory is bounded.

use object_store::{
    Attributes, Error, ObjectStore as _, PutMode, PutMultipartOptions, PutOptions, PutPayload,
    PutPayloadMut, PutResult, WriteMultipart,
};
use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;

use super::incoming::Incoming;
use crate::name::ClipName;
use crate::problem::Problem;
use crate::state::Shared;

/// The length of a part in bytes, and of what is put in one request at most. S3 takes
/// none that is shorter, but for the last.
const PART: usize = 5 << 20;
/// Parts that are under way at a time.
const PARTS: usize = 2;

/// All of an upload, in the store's hands or about to be, but not yet to be seen.
pub(super) enum Upload {
    /// Little enough for one request.
    Small(PutPayload, Attributes),
    /// Parts that wait for their completion.
    Large(Parts),
}

impl Upload {
    /// Takes the whole body in.
    pub(super) async fn receive(
        mut incoming: Incoming<'_>,
        app: &Shared,
        name: &ClipName,
        attributes: Attributes,
    ) -> Result<Self, Problem> {
        let mut small = PutPayloadMut::new();
        loop {
            let Some(bytes) = incoming.next().await? else {
                return Ok(Self::Small(small.freeze(), attributes));
            };
            small.extend_from_slice(&bytes);
            if small.content_length() >= PART {
                break;
            }
        }
        let mut parts = app.parts(name, attributes).await?;
        for bytes in small.freeze() {
            parts.write(&bytes);
        }
        while let Some(bytes) = incoming.next().await? {
            parts.write(&bytes);
            parts
                .room()
                .await
                .map_err(|error| app.failed(&error, name))?;
        }
        Ok(Self::Large(parts))
    }
}

impl Shared {
    async fn parts(&self, name: &ClipName, attributes: Attributes) -> Result<Parts, Problem> {
        let options = PutMultipartOptions {
            attributes,
            ..Default::default()
        };
        let plain = !options.attributes.is_empty();
        let mut begun = self.store.put_multipart_opts(name.path(), options).await;
        if plain && begun.as_ref().is_err_and(is_unsupported) {
            self.forget_types();
            let options = PutMultipartOptions::default();
            begun = self.store.put_multipart_opts(name.path(), options).await;
        }
        let upload = begun.map_err(|error| self.failed(&error, name))?;
        let writer = WriteMultipart::new_with_chunk_size(upload, PART);
        Ok(Parts {
            writer: Some(writer),
            tasks: self.tasks.clone(),
        })
    }

    /// Puts what is small, by the first of these ways that the store knows: with the
    /// condition and the type, without the type, without the condition.
    pub(super) async fn put_small(
        &self,
        name: &ClipName,
        content: PutPayload,
        mode: PutMode,
        attributes: Attributes,
    ) -> Result<PutResult, Error> {
        let put = |mode: &PutMode, attributes: &Attributes| {
            let (mode, attributes) = (mode.clone(), attributes.clone());
            let options = PutOptions {
                mode,
                attributes,
                ..PutOptions::default()
            };
            self.store.put_opts(name.path(), content.clone(), options)
        };
        let none = Attributes::new();
        let mut last = put(&mode, &attributes).await;
        if !attributes.is_empty() && last.as_ref().is_err_and(is_unsupported) {
            last = put(&mode, &none).await;
            if last.is_ok() {
                self.forget_types();
            }
        }
        if mode != PutMode::Overwrite && last.as_ref().is_err_and(is_unsupported) {
            last = put(&PutMode::Overwrite, &attributes).await;
            if !attributes.is_empty() && last.as_ref().is_err_and(is_unsupported) {
                last = put(&PutMode::Overwrite, &none).await;
            }
        }
        last
    }
}

fn is_unsupported(error: &Error) -> bool {
    matches!(
        error,
        Error::NotImplemented { .. } | Error::NotSupported { .. }
    )
}

/// Parts of an upload. Dropped before [`Parts::finish`], it is taken back.
pub(super) struct Parts {
    writer: Option<WriteMultipart>,
    tasks: TaskTracker,
}

impl Parts {
    fn write(&mut self, bytes: &[u8]) {
        if let Some(writer) = &mut self.writer {
            writer.write(bytes);
        }
    }

    /// Waits until few enough parts are under way.
    async fn room(&mut self) -> Result<(), Error> {
        match &mut self.writer {
            Some(writer) => writer.wait_for_capacity(PARTS).await,
            None => Ok(()),
        }
    }

    /// Makes the object appear, whole. On an error nothing stays.
    pub(super) async fn finish(mut self) -> Result<PutResult, Error> {
        match self.writer.take() {
            Some(writer) => writer.finish().await,
            None => Err(Error::NotSupported {
                source: "an upload ends once".into(),
            }),
        }
    }
}

impl Drop for Parts {
    fn drop(&mut self) {
        // Without a runtime the process is at its end, and the store's own cleaning
        // up is all there is.
        if let (Some(writer), Ok(runtime)) = (self.writer.take(), Handle::try_current()) {
            let abort = async {
                if let Err(error) = writer.abort().await {
                    tracing::warn!(%error, "parts of an upload that broke off may be left over");
                }
            };
            self.tasks.spawn_on(abort, &runtime);
        }
    }
}
