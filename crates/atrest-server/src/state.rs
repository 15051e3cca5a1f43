//! What every request can reach.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use object_store::ObjectStore;
use tokio_util::task::TaskTracker;

use crate::choice::Choice;
use crate::limits::Limits;
use crate::locks::Locks;
use crate::metrics::Metrics;
use crate::probes::Ready;
use crate::token::Tokens;

/// Shared by all requests.
#[derive(Debug)]
pub(crate) struct Shared {
    /// Objects, in clear.
    pub(crate) store: Arc<dyn ObjectStore>,
    /// Who may; `None`: everybody may everything.
    pub(crate) tokens: Option<Tokens>,
    /// Whether `/metrics` is for everybody.
    pub(crate) open_metrics: bool,
    /// Whether the store is a folder of the local disk.
    pub(crate) on_disk: bool,
    /// Which names it takes and shows.
    pub(crate) choice: Choice,
    pub(crate) limits: Limits,
    pub(crate) metrics: Metrics,
    pub(crate) ready: Ready,
    pub(crate) locks: Locks,
    /// What must end before the process does, whoever goes away: changes that are
    /// being made, uploads that are being taken back.
    pub(crate) tasks: TaskTracker,
    /// Whether the store keeps content types; known once it refused one.
    pub(crate) drops_types: AtomicBool,
}

/// What handlers take.
pub(crate) type App = axum::extract::State<Arc<Shared>>;
