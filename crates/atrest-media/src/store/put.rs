use bytes::Bytes;
use futures::TryStreamExt as _;
use object_store::path::Path;
use object_store::{ObjectStore, PutPayload, Result};

use super::SealedStore;
use crate::MediaError;
use crate::sealing::Sealing;
use crate::stream::sealed;

impl<S: ObjectStore> SealedStore<S> {
    /// The object of a payload, bound to the location; other tasks run in between.
    pub(super) async fn seal_payload(
        &self,
        location: &Path,
        payload: PutPayload,
    ) -> Result<PutPayload> {
        let refuse = |error: MediaError| self.refuse(location, error);
        let keys = self.keys(location, true).await?;
        let keyring = keys
            .sealing()
            .map_err(|error| self.refuse(location, error))?;
        let sealing = Sealing::new(keyring, self.id(location));
        let sealing = sealing.map_err(|error| refuse(error.into()))?;
        let clear = futures::stream::iter(payload.into_iter().map(Ok));
        let sealed = sealed(clear, sealing, self.observe.clone());
        let mut object: Vec<Bytes> = Vec::new();
        let mut sealed = std::pin::pin!(sealed);
        while let Some(piece) = sealed.try_next().await.map_err(refuse)? {
            object.push(piece);
            tokio::task::yield_now().await;
        }
        Ok(object.into_iter().collect())
    }
}
