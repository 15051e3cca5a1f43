//! Many values at once: on all cores, with the GIL released.

use std::thread;

use atrest_core::{Context, Form};
use zeroize::Zeroizing;

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
#[derive(Default)]
pub(crate) struct Page {
    /// All of them, one behind the other.
    bytes: Zeroizing<Vec<u8>>,
    ends: Vec<Outcome>,
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

/// Fewer values than this are not worth a thread.
const SHARE: usize = 4096;

/// Works on all of `values`, and gives them in pages.
pub(crate) fn run(
    work: Work,
    worker: &Worker,
    context: &Context,
    values: &[Option<Value>],
) -> Vec<Page> {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let threads = (values.len() / SHARE).clamp(1, cores);
    let share = values.len().div_ceil(threads).max(1);
    thread::scope(|scope| {
        let mut shares = values.chunks(share);
        let first = shares.next().unwrap_or_default();
        let others: Vec<_> = shares
            .map(|share| (share, scope.spawn(|| page(work, worker, context, share))))
            .collect();
        let mut pages = vec![page(work, worker, context, first)];
        for (share, thread) in others {
            // Only a bug can make one panic; the values are then worked on here.
            let done = thread.join();
            pages.push(done.unwrap_or_else(|_| page(work, worker, context, share)));
        }
        pages
    })
}

fn page(work: Work, worker: &Worker, context: &Context, values: &[Option<Value>]) -> Page {
    let mut kept = worker.fresh();
    let mut page = Page::default();
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
        .reserve(values.iter().flatten().map(length).sum());
    page.ends.reserve(values.len());
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
        let (form, given, bytes) = (value.form(), value.bytes(), &mut *self.bytes);
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
    pub(crate) fn done(&self) -> impl Iterator<Item = Done<'_>> {
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
