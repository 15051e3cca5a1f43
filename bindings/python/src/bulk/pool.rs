//! A pool: the threads that work on the blocks of one call.

use std::collections::VecDeque;
use std::io;
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, Builder, Scope};

use atrest_core::Context;
use pyo3::prelude::*;

use super::Work;
use super::block::Block;
use crate::worker::Worker;

/// What is done to each block.
#[derive(Clone, Copy)]
pub(super) struct Job<'a> {
    pub(super) work: Work,
    pub(super) worker: &'a Worker,
    pub(super) context: &'a Context,
}

impl Job<'_> {
    /// Does it to `blocks`. It shares nothing with other threads but the keys.
    pub(super) fn on(self, blocks: impl IntoIterator<Item = Block>) -> impl Iterator<Item = Block> {
        let mut kept = self.worker.fresh();
        blocks.into_iter().map(move |mut block| {
            block.work(self.work, &mut kept, self.context);
            block
        })
    }
}

/// Threads that are given blocks in turn, and give them back in that order. Each of the
/// first blocks brings a thread along, up to one for each core; they end with the scope.
pub(super) struct Pool<'scope, 'env> {
    scope: &'scope Scope<'scope, 'env>,
    job: Job<'env>,
    threads: Vec<Thread>,
    given: usize,
    taken: usize,
    /// Blocks for which there was no thread to be had.
    left: VecDeque<Block>,
}

/// One thread's two ends.
struct Thread {
    to_do: Sender<Block>,
    done: Receiver<Block>,
}

impl<'scope, 'env> Pool<'scope, 'env> {
    pub(super) const fn new(scope: &'scope Scope<'scope, 'env>, job: Job<'env>) -> Self {
        Self {
            scope,
            job,
            threads: Vec::new(),
            given: 0,
            taken: 0,
            left: VecDeque::new(),
        }
    }

    /// Whether there are enough blocks for every thread to have more waiting: it works on
    /// while Python makes objects of those that it gave back.
    pub(super) fn is_busy(&self) -> bool {
        self.given - self.taken + self.left.len() >= 4 * cores()
    }

    pub(super) fn give(&mut self, block: Block) {
        let wanted = self.given == self.threads.len() && self.given < cores();
        if wanted && let Ok(thread) = self.spawn() {
            self.threads.push(thread);
        }
        let turn = self.given.checked_rem(self.threads.len());
        match turn.and_then(|turn| self.threads.get(turn)) {
            Some(thread) => {
                // To a thread that panicked it goes in vain, as all that is given here.
                let _ = thread.to_do.send(block);
                self.given += 1;
            }
            None => self.left.push_back(block),
        }
    }

    /// Waits for the block that was given first, without the GIL. `None` is the end: of the
    /// blocks, or of its thread by a panic, which the scope passes on when it is left.
    pub(super) fn take(&mut self, py: Python<'_>) -> Option<Block> {
        if let Some(block) = self.left.pop_front() {
            return py.detach(|| self.job.on([block]).next());
        }
        if self.taken == self.given {
            return None;
        }
        let turn = self.taken.checked_rem(self.threads.len())?;
        let done = &mut self.threads.get_mut(turn)?.done;
        self.taken += 1;
        py.detach(move || done.recv().ok())
    }

    fn spawn(&self) -> io::Result<Thread> {
        let ((to_do, blocks), (give, done)) = (channel(), channel());
        let job = self.job;
        let builder = Builder::new().name("atrest".to_owned());
        builder.spawn_scoped(self.scope, move || {
            // It ends when there are no more blocks, or nobody wants them any more.
            job.on(blocks).try_for_each(|block| give.send(block))
        })?;
        Ok(Thread { to_do, done })
    }
}

fn cores() -> usize {
    // It reads files of the system.
    static CORES: OnceLock<usize> = OnceLock::new();
    *CORES.get_or_init(|| thread::available_parallelism().map_or(1, usize::from))
}
