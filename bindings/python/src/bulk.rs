//! Many values at once: block by block, on all cores, with the GIL released.

use std::sync::OnceLock;
use std::thread;

use atrest_core::{Context, Form};
use pyo3::prelude::*;
use zeroize::Zeroize as _;

use crate::stored::Value;
use crate::worker::{Failure, Kept, Worker};

/// What is to be done with each value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    Seal,
    Open,
    Read,
}

/// What became of some values, in their order.
struct Page {
    /// All of them, one behind the other.
    bytes: Vec<u8>,
    ends: Vec<Outcome>,
    are_clear: bool,
}

impl Drop for Page {
    fn drop(&mut self) {
        if self.are_clear {
            self.bytes.zeroize();
        }
    }
}

#[derive(Clone, Copy)]
enum Outcome {
    Null,
    Failed(Failure),
    Value {
        form: Form,
        end: usize,
        was_sealed: bool,
    },
}

/// One of them.
pub(crate) enum Done<'a> {
    Null,
    Failed(Failure),
    Value {
        form: Form,
        bytes: &'a [u8],
        was_sealed: bool,
    },
}

/// Values of one block: enough for a thread each to be worth it, few enough to stay in a
/// processor's cache. Between blocks signals are heard, and other threads of Python's.
const BLOCK: usize = 4096;
/// Fewer values than this are not worth a thread.
const SHARE: usize = 2048;

/// Works on all of `values` and hands each that is done to `give`, with its number.
pub(crate) fn run<'py>(
    py: Python<'py>,
    work: Work,
    worker: &Worker,
    context: &Context,
    values: &Bound<'py, PyAny>,
    value: impl Fn(&Bound<'py, PyAny>) -> PyResult<Option<Value>>,
    mut give: impl FnMut(usize, Done<'_>) -> PyResult<()>,
) -> PyResult<()> {
    let (mut values, mut number) = (values.try_iter()?, 0);
    let mut hand_out = |pages: Vec<Page>| {
        for page in pages {
            for done in page.done() {
                give(number, done)?;
                number += 1;
            }
        }
        Ok(())
    };
    let mut before = Vec::new();
    loop {
        let block: Vec<Option<Value>> = values
            .by_ref()
            .take(BLOCK)
            .map(|one| value(&one?))
            .collect::<PyResult<_>>()?;
        if block.is_empty() {
            return hand_out(before);
        }
        let here = || pages(work, worker, context, &block);
        before = if before.is_empty() {
            py.detach(here)
        } else {
            // The next block is worked on while Python is given this one.
            thread::scope(|scope| {
                let ahead = thread::Builder::new().spawn_scoped(scope, here);
                hand_out(before)?;
                let done = py.detach(|| ahead.ok().and_then(|ahead| ahead.join().ok()));
                PyResult::Ok(done.unwrap_or_else(|| py.detach(here)))
            })?
        };
        py.check_signals()?;
    }
}

fn pages(work: Work, worker: &Worker, context: &Context, values: &[Option<Value>]) -> Vec<Page> {
    let cores = CORES.get_or_init(|| thread::available_parallelism().map_or(1, usize::from));
    let threads = (values.len() / SHARE).clamp(1, *cores);
    let share = values.len().div_ceil(threads).max(1);
    thread::scope(|scope| {
        let mut shares = values.chunks(share);
        let first = shares.next().unwrap_or_default();
        let others: Vec<_> = shares
            .map(|share| {
                let spawned = thread::Builder::new()
                    .spawn_scoped(scope, || page(work, worker, context, share));
                (share, spawned)
            })
            .collect();
        let mut pages = vec![page(work, worker, context, first)];
        for (share, thread) in others {
            // No thread to be had, or one that panicked: the values are worked on here.
            let done = thread.ok().and_then(|thread| thread.join().ok());
            pages.push(done.unwrap_or_else(|| page(work, worker, context, share)));
        }
        pages
    })
}

/// It reads files of the system.
static CORES: OnceLock<usize> = OnceLock::new();

fn page(work: Work, worker: &Worker, context: &Context, values: &[Option<Value>]) -> Page {
    let mut kept = worker.fresh();
    let mut page = Page {
        bytes: Vec::new(),
        ends: Vec::with_capacity(values.len()),
        are_clear: work != Work::Seal,
    };
    // At once: growing would leave clear values behind. Clear values are no longer than
    // what is stored.
    let length = |value: &Value| match work {
        Work::Seal => {
            let token = worker
                .suite
                .token_len(value.form(), value.bytes().len() as u64);
            usize::try_from(token).unwrap_or(0)
        }
        Work::Open | Work::Read => value.bytes().len(),
    };
    page.bytes
        .reserve_exact(values.iter().flatten().map(length).sum());
    for value in values {
        let outcome = match value {
            None => Outcome::Null,
            Some(value) => page.add(work, &mut kept, context, value),
        };
        page.ends.push(outcome);
    }
    page
}

impl Page {
    fn add(&mut self, work: Work, kept: &mut Kept, context: &Context, value: &Value) -> Outcome {
        let (form, given, bytes) = (value.form(), value.bytes(), &mut self.bytes);
        let was_sealed = match work {
            Work::Seal => kept.seal(form, context, given, bytes).map(|()| true),
            Work::Open => kept.open(form, context, given).map(|_| true),
            Work::Read => kept.read(form, context, given),
        };
        if work != Work::Seal && was_sealed.is_ok() {
            bytes.extend_from_slice(kept.clear());
        }
        match was_sealed {
            Err(failure) => Outcome::Failed(failure),
            Ok(was_sealed) => Outcome::Value {
                form,
                end: self.bytes.len(),
                was_sealed,
            },
        }
    }

    /// What became of each.
    fn done(&self) -> impl Iterator<Item = Done<'_>> {
        let mut begin = 0;
        self.ends.iter().map(move |outcome| match *outcome {
            Outcome::Null => Done::Null,
            Outcome::Failed(failure) => Done::Failed(failure),
            Outcome::Value {
                form,
                end,
                was_sealed,
            } => {
                let bytes = self.bytes.get(begin..end).unwrap_or_default();
                begin = end;
                Done::Value {
                    form,
                    bytes,
                    was_sealed,
                }
            }
        })
    }
}
