//! How a face watches a verb at work.

use std::sync::Arc;

use tokio::sync::watch;

/// What a pass is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Reading and classifying only.
    Scan,
    /// The changing pass.
    Change,
    /// Sweep number n, from 1.
    Sweep(u32),
    /// A backup goes back, or is compared.
    Restore,
}

/// Something happened.
#[derive(Debug, Clone)]
pub enum Event<'a> {
    /// A pass over a column begins; `rows` is about how many it has.
    Pass {
        /// "table.column".
        column: &'a str,
        /// Which pass.
        phase: Phase,
        /// Rows to go through.
        rows: u64,
        /// Rows that an interrupted run had done before.
        resumed: bool,
    },
    /// Rows went by since the last event; how many of them changed.
    Rows {
        /// Rows read and classified.
        read: u64,
        /// Rows changed.
        changed: u64,
    },
    /// A pass is over.
    PassEnd,
    /// A sentence for the operator about a column.
    Note {
        /// "table.column".
        column: &'a str,
        /// The sentence; of several columns it may be the same.
        text: &'a str,
    },
}

/// Watches a verb. Called from several workers at once; must be quick.
pub trait Observer: Send + Sync {
    /// Something happened.
    fn event(&self, event: &Event<'_>);
}

/// Watches nothing.
#[derive(Debug, Default)]
pub struct Silent;

impl Observer for Silent {
    fn event(&self, _: &Event<'_>) {}
}

/// Asks a verb to stop after the page at hand. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<watch::Sender<bool>>);

impl Stop {
    /// Asks to stop.
    pub fn request(&self) {
        self.0.send_replace(true);
    }

    /// Was it asked?
    #[must_use]
    pub fn requested(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until it is asked.
    pub(crate) async fn wait(&self) {
        // The sender is here, so that it cannot be gone.
        let _ = self.0.subscribe().wait_for(|asked| *asked).await;
    }
}
