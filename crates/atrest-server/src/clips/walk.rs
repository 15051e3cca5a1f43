//! The list of a folder of the local disk, past what cannot be listed.

use std::sync::Arc;

use futures::StreamExt as _;
use futures::executor::block_on;
use object_store::path::Path;
use object_store::{Error, ObjectMeta, ObjectStore, Result};
use tokio::sync::oneshot;

/// Gives every entry below `folder` to `each`. A name that is none (not UTF-8, with a
/// control character), a loop of links, a subfolder that cannot be read: these are
/// logged and passed over.
///
/// # Errors
/// The store's, if there was nothing but an error.
pub(super) async fn walk<T: Send + 'static>(
    store: Arc<dyn ObjectStore>,
    folder: Option<Path>,
    mut all: T,
    each: impl Fn(&mut T, ObjectMeta) + Send + 'static,
) -> Result<T> {
    let (tell, told) = oneshot::channel();
    // Inside the runtime object_store's list ends with its first error; outside of it,
    // it goes on.
    let run = move || {
        let (mut found, mut failed) = (false, None);
        let mut list = store.list(folder.as_ref());
        while let Some(next) = block_on(list.next()) {
            if tell.is_closed() {
                return;
            }
            match next {
                Ok(meta) => {
                    found = true;
                    each(&mut all, meta);
                }
                Err(error) => {
                    // As text: a name's line break does not begin a line of the log.
                    let why = error.to_string();
                    tracing::warn!(why, "an entry cannot be listed; rename or remove it");
                    if !matches!(error, Error::InvalidPath { .. }) {
                        failed = failed.or(Some(error));
                    }
                }
            }
        }
        let _ = tell.send(match failed {
            Some(error) if !found => Err(error),
            _ => Ok(all),
        });
    };
    let generic = |source| Error::Generic {
        store: "LocalFileSystem",
        source,
    };
    std::thread::Builder::new()
        .name("list".to_owned())
        .spawn(run)
        .map_err(|error| generic(error.into()))?;
    told.await.map_err(|error| generic(error.into()))?
}
