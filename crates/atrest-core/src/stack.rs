//! What key schedules leave on the stack.
//!
//! A value that is returned or moved leaves its old bytes where they were, and so do
//! the functions that make schedules and subkeys. Nothing drops them: they stay until a
//! deeper call happens to write over them, which on a thread that then waits is never.

use std::cell::Cell;
use std::hint::black_box;

/// Deeper than anything that is run under [`wiped`] reaches.
const DEPTH: usize = 16 * 1024;

thread_local! {
    /// Within [`wiped`], which wipes what is deeper, too.
    static WITHIN: Cell<bool> = const { Cell::new(false) };
}

/// Does `work`, then writes zeros over the stack that it used.
///
/// What `work` gives comes back through the caller's frame, so it is no secret itself:
/// a pointer to one, or nothing.
pub(crate) fn wiped<T>(work: impl FnOnce() -> T) -> T {
    if WITHIN.replace(true) {
        return work();
    }
    let out = {
        let _outermost = Outermost;
        below(work)
    };
    wipe();
    out
}

/// Leaves [`WITHIN`], also by a panic.
struct Outermost;

impl Drop for Outermost {
    fn drop(&mut self) {
        WITHIN.set(false);
    }
}

/// A frame of its own, where the one of [`wipe`] will be.
#[inline(never)]
fn below<T>(work: impl FnOnce() -> T) -> T {
    black_box(work())
}

#[inline(never)]
fn wipe() {
    let mut frame = [0u8; DEPTH];
    black_box(&mut frame); // or nobody would ever read it, and it would not be written
}
