use std::time::Duration;

/// How much a client may ask for, and how long it may take.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Limits {
    /// Connections at a time; further ones wait to be accepted.
    pub connections: usize,
    /// For a request's head, and for the next request on an idle connection.
    pub head: Duration,
    /// Without a byte of a body, in either direction, that the other side waits for.
    pub stall: Duration,
    /// The greatest upload in bytes; `None`: any.
    pub upload: Option<u64>,
    /// For what is under way when the server is told to stop.
    pub grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1024,
            head: Duration::from_secs(30),
            stall: Duration::from_secs(60),
            upload: None,
            grace: Duration::from_secs(30),
        }
    }
}
