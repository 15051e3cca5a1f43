//! Random bytes from the operating system, drawn in bulk: one call for sixteen
//! bytes costs more than sealing a value does.

use zeroize::Zeroize;

/// The operating system gave no random bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the operating system gave no random bytes, so nothing can be sealed or generated; \
     check that the process may call getrandom (seccomp, /dev/urandom), then try again"
)]
pub struct RandomError;

/// Fills `out` from the operating system's generator: all that this project draws comes
/// from here.
///
/// Not from aws-lc's, whose first bytes take 20 ms, and which keeps a lock while it gathers
/// entropy: a process that forks meanwhile leaves its child waiting for it.
///
/// ```
/// let mut salt = [0; 16];
/// atrest_core::fill_random(&mut salt)?;
/// assert_ne!(salt, [0; 16]);
/// # Ok::<(), atrest_core::RandomError>(())
/// ```
///
/// # Errors
/// When the operating system gives none; `out` then holds nothing of use.
pub fn fill_random(out: &mut [u8]) -> Result<(), RandomError> {
    getrandom::fill(out).map_err(|_| RandomError)
}

/// A buffer of random bytes; each is given out once and wiped.
///
/// The first draw is small, for one value, and doubles up to 4 KiB. Not to be
/// carried across a `fork`: both sides would go on with the same bytes.
pub(crate) struct RandomPool {
    bytes: Vec<u8>,
    used: usize,
}

impl RandomPool {
    const FIRST: usize = 64;
    const MOST: usize = 4096;

    pub(crate) const fn new() -> Self {
        Self {
            bytes: Vec::new(),
            used: 0,
        }
    }

    /// The next random bytes, [`Self::FIRST`] at most.
    pub(crate) fn take<const N: usize>(&mut self) -> Result<[u8; N], RandomError> {
        const { assert!(N <= Self::FIRST) };
        let left = self.bytes.get_mut(self.used..).unwrap_or_default();
        if let Some(next) = left.first_chunk_mut::<N>() {
            let taken = *next;
            next.zeroize();
            self.used += N;
            return Ok(taken);
        }
        let size = (self.bytes.len() * 2).clamp(Self::FIRST, Self::MOST);
        self.bytes.resize(size, 0);
        self.used = size; // nothing counts as drawn unless the fill succeeds
        fill_random(&mut self.bytes)?;
        self.used = 0;
        self.take()
    }
}

impl Drop for RandomPool {
    fn drop(&mut self) {
        self.bytes.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::RandomPool;

    #[test]
    fn no_bytes_are_given_twice() {
        let mut pool = RandomPool::new();
        let seen: std::collections::HashSet<_> =
            (0..10_000).map(|_| pool.take::<16>().unwrap()).collect();
        assert_eq!(seen.len(), 10_000);
        assert!(
            pool.bytes[..pool.used].iter().all(|&b| b == 0),
            "used bytes stay in memory"
        );
    }
}
