//! Which names the server takes and shows, beyond what is a name at all.

use std::fmt;
use std::sync::Arc;

use axum::http::StatusCode;

use crate::name::ClipName;
use crate::problem::Problem;

type Hook = Arc<dyn Fn(&str) -> bool + Send + Sync>;

/// What who runs the server says of names.
#[derive(Clone)]
pub(crate) struct Choice {
    /// Whether an object of this name may be put.
    pub(crate) accepts: Hook,
    /// Makes room for an object of this name.
    pub(crate) before_put: Arc<dyn Fn(&str) + Send + Sync>,
    /// Whether what has this name may be opened; it may look at the disk.
    pub(crate) servable: Hook,
}

impl Default for Choice {
    fn default() -> Self {
        Self {
            accepts: Arc::new(|_| true),
            before_put: Arc::new(|_| {}),
            servable: Arc::new(|_| true),
        }
    }
}

impl Choice {
    /// For a request that needs what is there.
    pub(crate) async fn shows(&self, name: &ClipName) -> Result<(), Problem> {
        match self.can_open(name).await {
            true => Ok(()),
            false => Err(Problem::not_found(name)),
        }
    }

    /// For a request that makes or replaces it.
    pub(crate) async fn takes(&self, name: &ClipName) -> Result<(), Problem> {
        if !(self.accepts)(name.path().as_ref()) {
            let detail = "objects of this name are left out here (`include` and `exclude` of the \
                          policy), so that nobody would look after it; choose another name";
            return Err(Problem::new(StatusCode::FORBIDDEN, detail).about(name));
        }
        if !self.can_open(name).await {
            let detail = "what has this name is no regular file, or is needed by atrest itself; choose \
                          another name";
            return Err(Problem::new(StatusCode::CONFLICT, detail).about(name));
        }
        let (make, name) = (Arc::clone(&self.before_put), name.to_string());
        // If it does not come about, the store says what is in the way.
        let _ = tokio::task::spawn_blocking(move || make(&name)).await;
        Ok(())
    }

    async fn can_open(&self, name: &ClipName) -> bool {
        let (servable, name) = (Arc::clone(&self.servable), name.to_string());
        let looked = tokio::task::spawn_blocking(move || servable(&name)).await;
        looked.unwrap_or(false)
    }
}

impl fmt::Debug for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Choice").finish_non_exhaustive()
    }
}
