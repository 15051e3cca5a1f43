//! What a server is made of, and what it refuses to be made of.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use object_store::ObjectStore;
use tokio_util::task::TaskTracker;

use crate::choice::Choice;
use crate::error::ServeError;
use crate::limits::Limits;
use crate::locks::Locks;
use crate::metrics::Metrics;
use crate::probes::Ready;
use crate::server::Server;
use crate::state::Shared;
use crate::tls::Tls;
use crate::token::Tokens;

/// What a server is made of; see [`Server::builder`](crate::Server::builder).
#[must_use]
pub struct ServerBuilder {
    store: Arc<dyn ObjectStore>,
    tokens: Tokens,
    no_auth: bool,
    open_metrics: bool,
    tls: Option<Tls>,
    plain_http: bool,
    limits: Limits,
    metrics: Option<Metrics>,
    ready: Box<dyn Fn() -> bool + Send + Sync>,
    choice: Choice,
    on_disk: bool,
}

impl ServerBuilder {
    pub(crate) fn new(store: Arc<dyn ObjectStore>) -> Self {
        Self {
            store,
            tokens: Tokens::default(),
            no_auth: false,
            open_metrics: false,
            tls: None,
            plain_http: false,
            limits: Limits::default(),
            metrics: None,
            ready: Box::new(|| true),
            choice: Choice::default(),
            on_disk: false,
        }
    }

    /// Who may do what. None: [`ServerBuilder::build`] refuses.
    pub fn tokens(mut self, tokens: Tokens) -> Self {
        self.tokens = tokens;
        self
    }

    /// Everybody who reaches the server may do everything: on loopback only. Tokens
    /// are then not looked at. Only requests for a host of loopback are answered, so that
    /// no page of another site reaches it through a browser (DNS rebinding).
    pub fn no_auth(mut self) -> Self {
        self.no_auth = true;
        self
    }

    /// `/metrics` asks for no token.
    pub fn open_metrics(mut self) -> Self {
        self.open_metrics = true;
        self
    }

    /// Speaks TLS.
    pub fn tls(mut self, tls: Tls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Speaks plain HTTP beyond loopback too: behind a proxy that speaks TLS.
    pub fn plain_http(mut self) -> Self {
        self.plain_http = true;
        self
    }

    /// Other limits than the default.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Counts here, where the store's work is counted too.
    pub fn metrics(mut self, metrics: Metrics) -> Self {
        self.metrics = Some(metrics);
        self
    }

    /// The store is a folder of the local disk: its list passes over what cannot be listed
    /// (it is logged), and `/readyz` looks at no list: say with
    /// [`ServerBuilder::ready_when`] that the folder can be read.
    pub fn on_disk(mut self) -> Self {
        self.on_disk = true;
        self
    }

    /// What `/readyz` asks beside whether the store gives a list: that the keys work,
    /// that a local store's folder can be read.
    pub fn ready_when(mut self, check: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        self.ready = Box::new(check);
        self
    }

    /// Which names may be put; others get 403. What a policy leaves out would never be
    /// rotated.
    pub fn accepts(mut self, accepts: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        self.choice.accepts = Arc::new(accepts);
        self
    }

    /// What is done before an object of this name is put: on the disk, an empty folder that
    /// has the name is to go. It may change the disk.
    pub fn before_put(mut self, make: impl Fn(&str) + Send + Sync + 'static) -> Self {
        self.choice.before_put = Arc::new(make);
        self
    }

    /// What may be opened, by its name; else it is not there (404), and cannot be
    /// replaced (409). It may look at the disk: a pipe in a folder would hold its reader
    /// for ever. What is not there at all is servable.
    pub fn servable(mut self, servable: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        self.choice.servable = Arc::new(servable);
        self
    }

    /// The server.
    ///
    /// # Errors
    /// [`ServeError::NoTokens`], [`ServeError::Metrics`].
    pub fn build(self) -> Result<Server, ServeError> {
        if self.tokens.is_empty() && !self.no_auth {
            return Err(ServeError::NoTokens);
        }
        let metrics = match self.metrics {
            Some(metrics) => metrics,
            None => Metrics::new()?,
        };
        let shared = Shared {
            store: self.store,
            tokens: (!self.no_auth).then_some(self.tokens),
            open_metrics: self.open_metrics,
            choice: self.choice,
            on_disk: self.on_disk,
            limits: self.limits,
            metrics,
            ready: Ready::new(self.ready),
            locks: Locks::default(),
            tasks: TaskTracker::new(),
            drops_types: AtomicBool::new(false),
        };
        Ok(Server {
            shared: Arc::new(shared),
            tls: self.tls,
            plain_http: self.plain_http,
        })
    }
}

impl std::fmt::Debug for ServerBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerBuilder")
            .field("store", &self.store)
            .finish_non_exhaustive()
    }
}
