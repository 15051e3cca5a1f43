use atrest_core::object::ObjectHeader;
use atrest_core::{KeyId, Keyring};

/// Bytes by which it is told under which key something is sealed.
pub(crate) const HEADER: usize = 16;

/// Objects that were met and are sealed under keys which the keyring lacks, as long as none
/// is sealed under one that it has: then these are not the keys of this place, and what is
/// clear is not to be sealed under them.
#[derive(Debug, Default)]
pub(crate) struct Foreign(Option<(KeyId, u64)>);

impl Foreign {
    /// Counts what begins so. Whether it is sealed under a key that the keyring has.
    pub(crate) fn is_own(&mut self, start: &[u8], keyring: &Keyring) -> bool {
        let Ok(header) = ObjectHeader::read(start) else {
            return false;
        };
        if keyring.get(header.key).is_some() {
            return true;
        }
        let (_, count) = self.0.get_or_insert((header.key, 0));
        *count += 1;
        false
    }

    /// The key of the first, and how many there are.
    pub(crate) const fn found(&self) -> Option<(KeyId, u64)> {
        self.0
    }
}
