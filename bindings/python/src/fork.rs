//! Which process this is: a sealer that was kept before a `fork` is not used after it.
//!
//! A sealer holds nonces and IVs that it has not used yet; if parent and child both went
//! on with them, two values would be sealed under one nonce.

use std::sync::atomic::{AtomicU32, Ordering};

use pyo3::prelude::*;

static FORKS: AtomicU32 = AtomicU32::new(0);

/// A process. Its id alone would not do: the system gives ids again, and a grandchild may
/// have its dead grandparent's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Process {
    id: u32,
    forks: u32,
}

impl Process {
    /// This one. It asks the system, which takes longer than opening a short value does.
    pub(crate) fn this() -> Self {
        Self {
            id: std::process::id(),
            forks: FORKS.load(Ordering::Relaxed),
        }
    }
}

/// Called by Python in every child (`os.register_at_fork`).
#[pyfunction]
#[pyo3(name = "_forked")]
pub(crate) fn forked() {
    FORKS.fetch_add(1, Ordering::Relaxed);
}
