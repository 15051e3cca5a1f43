//! 32 secret bytes, where neither swap nor a core dump finds them.

use zeroize::Zeroize;

use crate::secret_memory::{self, SLOT, Slot};

/// 32 secret bytes in [memory of their own](crate::SecretMemory): locked and left out
/// of core dumps where the system allows, wiped when dropped. Moving one moves a
/// pointer, so that no copy stays behind on the stack.
///
/// ```
/// use atrest_core::SecretBytes;
/// let secret = SecretBytes::copied_from(&[7; 32]);
/// assert_eq!(secret.expose_secret(), &[7; 32]);
/// ```
///
/// It is neither printed nor cloned:
///
/// ```compile_fail,E0277
/// println!("{:?}", atrest_core::SecretBytes::copied_from(&[7; 32]));
/// ```
///
/// ```compile_fail,E0599
/// let _ = atrest_core::SecretBytes::copied_from(&[7; 32]).clone();
/// ```
pub struct SecretBytes {
    /// Taken only when dropped.
    slot: Option<Slot>,
}

impl SecretBytes {
    /// Bytes that `fill` writes where they stay. It is given zeros.
    ///
    /// # Errors
    /// Those of `fill`.
    pub fn filled_by<E>(fill: impl FnOnce(&mut [u8; SLOT]) -> Result<(), E>) -> Result<Self, E> {
        let mut secret = Self {
            slot: Some(secret_memory::take()),
        };
        if let Some(slot) = &mut secret.slot {
            fill(slot)?;
        }
        Ok(secret)
    }

    /// A copy of `bytes`, which the caller wipes.
    #[must_use]
    pub fn copied_from(bytes: &[u8; SLOT]) -> Self {
        let slot = secret_memory::take();
        slot.copy_from_slice(bytes);
        Self { slot: Some(slot) }
    }

    /// The bytes.
    #[must_use]
    pub fn expose_secret(&self) -> &[u8; SLOT] {
        match &self.slot {
            Some(slot) => slot,
            None => unreachable!("the bytes are given back when they are dropped, not before"),
        }
    }
}

impl Drop for SecretBytes {
    fn drop(&mut self) {
        if let Some(slot) = self.slot.take() {
            slot.zeroize();
            secret_memory::give_back(slot);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::SecretBytes;

    #[test]
    fn what_was_dropped_is_wiped_before_it_is_used_again() {
        // Other tests take and give slots meanwhile, so all that come are looked at.
        drop(SecretBytes::copied_from(&[7; 32]));
        let mut held = Vec::new();
        for _ in 0..2000 {
            let secret = SecretBytes::filled_by(|slot| {
                assert_eq!(slot, &[0; 32]);
                slot.fill(7);
                Ok::<(), ()>(())
            });
            held.push(secret.unwrap());
        }
        assert!(held.iter().all(|secret| secret.expose_secret() == &[7; 32]));
    }

    #[test]
    fn what_could_not_be_filled_is_wiped() {
        let failed = SecretBytes::filled_by(|slot| {
            slot.fill(9);
            Err("no randomness")
        });
        assert_eq!(failed.err(), Some("no randomness"));
        let next = SecretBytes::filled_by(|_| Ok::<(), ()>(())).unwrap();
        assert_eq!(next.expose_secret(), &[0; 32]);
    }

    #[test]
    fn threads_get_slots_of_their_own() {
        std::thread::scope(|scope| {
            for byte in 1..=8 {
                scope.spawn(move || {
                    for _ in 0..2000 {
                        let few: Vec<_> = (0..8)
                            .map(|_| SecretBytes::copied_from(&[byte; 32]))
                            .collect();
                        assert!(few.iter().all(|s| s.expose_secret() == &[byte; 32]));
                    }
                });
            }
        });
    }
}
