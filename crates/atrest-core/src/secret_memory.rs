//! The memory that secret bytes live in: pages that are locked and left out of core
//! dumps, cut into slots that are lent and come back.
//!
//! A page for each key would end at some thousand keys: the limit of locked memory is
//! often 8 MiB. So 512 keys share a chunk of 16 KiB, and a slot is lent in some ten
//! nanoseconds. A chunk is never unmapped, which is what lets its slots be borrowed for
//! ever without any `unsafe`; the memory held is that of the most keys at one time.

use std::sync::{Mutex, PoisonError};

use memmap2::MmapMut;

/// Bytes of one slot.
pub(crate) const SLOT: usize = 32;
/// Bytes that are mapped at a time: whole pages everywhere.
const CHUNK: usize = 16 * 1024;

/// One lent slot.
pub(crate) type Slot = &'static mut [u8; SLOT];

static POOL: Mutex<Pool> = Mutex::new(Pool {
    free: Vec::new(),
    memory: SecretMemory {
        bytes: 0,
        locked: 0,
        undumped: 0,
    },
});

struct Pool {
    /// All of them zeros.
    free: Vec<Slot>,
    memory: SecretMemory,
}

/// How the memory of this process's secret bytes is protected.
///
/// The system may refuse: locked memory has a limit for each process
/// (`RLIMIT_MEMLOCK`, `ulimit -l`). Secrets are then kept as before, and this says so.
/// Locks do not survive a `fork`; that a page is left out of core dumps does.
///
/// ```
/// use atrest_core::{Key, SecretMemory};
/// let key = Key::generate()?;
/// let memory = SecretMemory::now();
/// assert!(memory.bytes >= 32);
/// if !memory.is_protected() {
///     eprintln!("keys may be swapped out: {} of {} bytes are locked", memory.locked, memory.bytes);
/// }
/// # drop(key);
/// # Ok::<(), atrest_core::RandomError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SecretMemory {
    /// Bytes mapped for secrets so far.
    pub bytes: usize,
    /// How many of them are never swapped out.
    pub locked: usize,
    /// How many of them are in no core dump.
    pub undumped: usize,
}

impl SecretMemory {
    /// As it is now.
    #[must_use]
    pub fn now() -> Self {
        pool(|pool| pool.memory)
    }

    /// Whether all of it is locked and left out of core dumps.
    #[must_use]
    pub const fn is_protected(&self) -> bool {
        self.locked == self.bytes && self.undumped == self.bytes
    }
}

fn pool<T>(work: impl FnOnce(&mut Pool) -> T) -> T {
    work(&mut POOL.lock().unwrap_or_else(PoisonError::into_inner))
}

/// A slot of zeros.
pub(crate) fn take() -> Slot {
    pool(|pool| {
        loop {
            match pool.free.pop() {
                Some(slot) => return slot,
                None => pool.grow(),
            }
        }
    })
}

/// Takes a slot back, which was wiped.
pub(crate) fn give_back(slot: Slot) {
    pool(|pool| pool.free.push(slot));
}

impl Pool {
    fn grow(&mut self) {
        let chunk: &'static mut [u8] = match MmapMut::map_anon(CHUNK) {
            Ok(map) => {
                // Both are the system's to grant; what it refuses is told, not failed.
                self.memory.locked += granted(map.lock().is_ok());
                self.memory.undumped += granted(leave_out_of_dumps(&map));
                let map: &'static mut MmapMut = Box::leak(Box::new(map));
                map
            }
            // Where nothing can be mapped, memory is memory.
            Err(_) => vec![0; CHUNK].leak(),
        };
        self.memory.bytes += CHUNK;
        let (slots, _) = chunk.as_chunks_mut();
        // Room for all that is lent, so that giving back never allocates.
        self.free.reserve(self.memory.bytes / SLOT);
        self.free.extend(slots.iter_mut().rev());
    }
}

const fn granted(yes: bool) -> usize {
    if yes { CHUNK } else { 0 }
}

#[cfg(target_os = "linux")]
fn leave_out_of_dumps(map: &MmapMut) -> bool {
    map.advise(memmap2::Advice::DontDump).is_ok()
}

#[cfg(not(target_os = "linux"))]
fn leave_out_of_dumps(_: &MmapMut) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::{CHUNK, SLOT, SecretMemory};
    use crate::SecretBytes;

    #[test]
    fn chunks_are_shared_and_used_again() {
        let slots = CHUNK / SLOT;
        let held = || -> Vec<_> {
            (0..20 * slots)
                .map(|_| SecretBytes::copied_from(&[1; 32]))
                .collect()
        };
        drop(held());
        let before = SecretMemory::now().bytes;
        assert!(before >= 20 * CHUNK);
        for _ in 0..10 {
            drop(held());
        }
        // Other tests of this process hold a few thousand at the same time.
        assert!(SecretMemory::now().bytes < before + 20 * CHUNK);
    }

    /// The flags that the kernel keeps of the page: `lo`, locked, and `dd`, not dumped.
    #[cfg(target_os = "linux")]
    #[test]
    fn the_kernel_says_that_pages_are_locked_and_not_dumped() {
        let secret = SecretBytes::copied_from(&[1; 32]);
        let address = secret.expose_secret().as_ptr().addr();
        let smaps = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let mut inside = false;
        let mut flags = None;
        for line in smaps.lines() {
            let range = line.split(' ').next().and_then(|r| r.split_once('-'));
            if let Some((from, to)) = range
                && let (Ok(from), Ok(to)) = (
                    usize::from_str_radix(from, 16),
                    usize::from_str_radix(to, 16),
                )
            {
                inside = (from..to).contains(&address);
            } else if inside && line.starts_with("VmFlags:") {
                flags = Some(line.to_owned());
            }
        }
        let flags = flags.unwrap();
        assert!(flags.contains(" dd"), "{flags}");
        let memory = SecretMemory::now();
        assert_eq!(memory.undumped, memory.bytes);
        // The lock is granted up to the limit of the machine that tests run on.
        assert!(flags.contains(" lo") || memory.locked < memory.bytes);
    }
}
