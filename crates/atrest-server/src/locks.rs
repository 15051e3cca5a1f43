//! One change of a name at a time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::OwnedMutexGuard;

type Lock = tokio::sync::Mutex<()>;

/// Locks by name. They order the changes that go through this server, so that what a
/// condition said still holds when the change is made.
#[derive(Debug, Default)]
pub(crate) struct Locks(Mutex<HashMap<String, Weak<Lock>>>);

impl Locks {
    /// Waits until nobody else changes `name`.
    pub(crate) async fn lock(&self, name: &str) -> OwnedMutexGuard<()> {
        let lock = self.get(name);
        lock.lock_owned().await
    }

    fn get(&self, name: &str) -> Arc<Lock> {
        let mut locks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lock) = locks.get(name).and_then(Weak::upgrade) {
            return lock;
        }
        // As many dead ones as living ones may stay: cleaning up costs little per name.
        if locks.len() == locks.capacity() {
            locks.retain(|_, lock| lock.strong_count() > 0);
        }
        let lock = Arc::new(Lock::default());
        locks.insert(name.to_owned(), Arc::downgrade(&lock));
        lock
    }
}
