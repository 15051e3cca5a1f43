//! Changes of one name, one at a time.

use std::sync::Arc;

use axum::http::HeaderMap;
use object_store::{Error, ObjectMeta, ObjectStoreExt as _, PutMode, PutResult, UpdateVersion};

use super::upload::Upload;
use crate::condition::{Verdict, Version, is_conditional, verdict};
use crate::failure::{Failure, is_missing};
use crate::name::ClipName;
use crate::problem::Problem;
use crate::state::Shared;

/// What an object was before a change.
pub(super) enum Before {
    Nothing,
    This(Box<ObjectMeta>),
    /// It is there, but does not open or the store does not say.
    Something,
}

impl Shared {
    /// Looks at the object and at the request's conditions. What does not open can
    /// still be replaced and deleted; of conditions it meets those alone that hold for
    /// any object that is there.
    pub(super) async fn before(
        &self,
        name: &ClipName,
        asking: &HeaderMap,
    ) -> Result<Before, Problem> {
        let before = match self.store.head(name.path()).await {
            Ok(meta) => Before::This(Box::new(meta)),
            Err(error) if is_missing(&error) => Before::Nothing,
            Err(error) if Failure::of(&error) == Some(Failure::Refused) => Before::Something,
            Err(error) if is_conditional(asking) => return Err(self.failed(&error, name)),
            Err(_) => Before::Something,
        };
        let version = match &before {
            Before::This(meta) => Some(Version::of(meta)),
            Before::Something => Some(Version::unknown()),
            Before::Nothing => None,
        };
        match verdict(asking, version.as_ref(), false) {
            Verdict::Go => Ok(before),
            _ => Err(Problem::precondition_failed(name)),
        }
    }

    /// Makes an upload appear under its name if the conditions hold then, and goes
    /// on with it when the client goes away meanwhile. Also says what was there.
    pub(super) async fn commit(
        self: Arc<Self>,
        name: ClipName,
        asking: HeaderMap,
        upload: Upload,
    ) -> Result<(Before, PutResult), Problem> {
        let app = Arc::clone(&self);
        let about = name.clone();
        let work = self.tasks.spawn(async move {
            let _turn = app.locks.lock(name.path().as_ref()).await;
            let before = app.before(&name, &asking).await?;
            let put = match upload {
                Upload::Large(parts) => parts.finish().await,
                Upload::Small(content, attributes) => {
                    let mode = mode(&before, &asking);
                    app.put_small(&name, content, mode, attributes).await
                }
            };
            match put {
                Ok(put) => Ok((before, put)),
                Err(error) => Err(app.failed(&error, &name)),
            }
        });
        self.joined(work.await, &about)
    }

    /// Deletes the object if there is one and the conditions hold.
    pub(super) async fn remove(
        self: Arc<Self>,
        name: ClipName,
        asking: HeaderMap,
    ) -> Result<(), Problem> {
        let app = Arc::clone(&self);
        let about = name.clone();
        let work = self.tasks.spawn(async move {
            let _turn = app.locks.lock(name.path().as_ref()).await;
            if let Before::Nothing = app.before(&name, &asking).await? {
                return Err(Problem::not_found(&name));
            }
            let deleted = app.store.delete(name.path()).await;
            deleted.map_err(|error| app.failed(&error, &name))
        });
        self.joined(work.await, &about)
    }

    fn joined<T>(
        &self,
        work: Result<Result<T, Problem>, tokio::task::JoinError>,
        name: &ClipName,
    ) -> Result<T, Problem> {
        work.unwrap_or_else(|source| Err(self.failed(&Error::JoinError { source }, name)))
    }
}

/// How the store is to put it: a store that can holds the condition against other
/// servers and programs too.
fn mode(before: &Before, asking: &HeaderMap) -> PutMode {
    match before {
        _ if !is_conditional(asking) => PutMode::Overwrite,
        Before::Nothing => PutMode::Create,
        Before::Something => PutMode::Overwrite,
        Before::This(meta) => PutMode::Update(UpdateVersion {
            e_tag: meta.e_tag.clone(),
            version: meta.version.clone(),
        }),
    }
}
