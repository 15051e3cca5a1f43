//! Many values at once: block by block, on all cores, with the GIL released.
//!
//! | what | file |
//! |---|---|
//! | some of the values, and what becomes of them | `bulk/block.rs` |
//! | what comes of them, in one piece of memory | `bulk/pieces.rs` |
//! | the threads that work on blocks | `bulk/pool.rs` |

mod block;
mod pieces;
mod pool;

use std::thread;

use atrest_core::Context;
use pyo3::exceptions::PyException;
use pyo3::prelude::*;

use crate::stored::Value;
use crate::worker::{Failure, Worker};
use block::Block;
pub(crate) use pieces::Piece;
use pool::{Job, Pool};

/// What is to be done with each value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    Seal,
    Open,
    Read,
}

/// A value as Python gave it; an error is about this one alone.
pub(crate) type Given = Result<Option<Value>, PyErr>;

/// What became of a value.
pub(crate) enum Done<'a> {
    Null,
    /// It is no value.
    Refused(&'a PyErr),
    Failed(Failure),
    Value {
        piece: Piece<'a>,
        was_sealed: bool,
    },
}

/// Works on all of `values` and hands each that is done to `give`, with its number.
///
/// Python is given a block, and has the next one read, while threads work on others. In
/// between signals are heard, and other threads of Python's.
pub(crate) fn run<'py>(
    py: Python<'py>,
    work: Work,
    worker: &Worker,
    context: &Context,
    values: &Bound<'py, PyAny>,
    value: impl Fn(&Bound<'py, PyAny>) -> Given,
    mut give: impl FnMut(usize, Done<'_>) -> PyResult<()>,
) -> PyResult<()> {
    let job = Job {
        work,
        worker,
        context,
    };
    let mut values = values
        .try_iter()?
        .map(|one| match value(&one?) {
            // KeyboardInterrupt is about no value.
            Err(error) if !error.is_instance_of::<PyException>(py) => Err(error),
            given => Ok(given),
        })
        .peekable();
    let mut number = 0;
    let mut hand_out = |block: &Block| {
        for done in block.done() {
            give(number, done)?;
            number += 1;
        }
        py.check_signals()
    };
    let mut first = Block::default();
    first.fill(&mut values)?;
    if values.peek().is_none() {
        // Not worth a thread.
        let done = py.detach(|| job.on([first]).next());
        return done.as_ref().map_or(Ok(()), hand_out);
    }
    thread::scope(|scope| {
        let mut pool = Pool::new(scope, job);
        pool.give(first);
        let mut free = Vec::new();
        loop {
            while !pool.is_busy() && values.peek().is_some() {
                let mut block: Block = free.pop().unwrap_or_default();
                block.fill(&mut values)?;
                pool.give(block);
            }
            let Some(block) = pool.take(py) else {
                return Ok(());
            };
            hand_out(&block)?;
            free.push(block);
        }
    })
}
