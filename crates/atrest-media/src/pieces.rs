//! A stream cut into pieces of 64 chunks, worked on by several threads and written
//! in order.

use std::io::{self, Read};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use atrest_core::object::{CHUNK_LEN, SLOT_LEN};
use zeroize::Zeroizing;

use crate::MediaError;

/// Clear bytes of a whole piece.
pub(crate) const CLEAR: usize = 64 * CHUNK_LEN;
/// Sealed bytes of a whole piece.
pub(crate) const SEALED: usize = 64 * SLOT_LEN;
/// Bytes that are read of a stream before a whole piece is made for it: most files are
/// short, and to wipe 2 MiB takes longer than to seal one.
const FIRST: usize = 8 * CHUNK_LEN;
const FIRST_SEALED: usize = 8 * SLOT_LEN;
/// More threads than this would only hold more memory: 2 MiB for each.
const MOST_THREADS: usize = 16;
/// Pieces that are being read or written while each thread has one.
const SPARE: usize = 2;

/// One piece on its way, clear on one side and sealed on the other. Buffers are
/// used again for later pieces, and wiped in the end.
pub(crate) struct Piece {
    pub(crate) input: Zeroizing<Vec<u8>>,
    pub(crate) output: Zeroizing<Vec<u8>>,
}

impl Piece {
    /// A piece of any length.
    fn new() -> Self {
        Self::of(SEALED)
    }

    /// A piece of at most so many sealed bytes. Vectors that grew would leave clear
    /// bytes behind where they were.
    fn of(sealed: usize) -> Self {
        let empty = || Zeroizing::new(Vec::with_capacity(sealed));
        Self {
            input: empty(),
            output: empty(),
        }
    }

    /// Reads until the input is `full` bytes long or the stream ends; gives the
    /// input's length.
    pub(crate) fn fill(&mut self, reader: &mut impl Read, full: usize) -> io::Result<usize> {
        self.input.clear();
        if self.input.capacity() < full {
            self.read_to(reader, FIRST)?;
            if self.input.len() < FIRST {
                return Ok(self.input.len());
            }
            let mut whole = Self::new();
            whole.input.extend_from_slice(&self.input);
            *self = whole;
        }
        self.read_to(reader, full)?;
        Ok(self.input.len())
    }

    fn read_to(&mut self, reader: &mut impl Read, full: usize) -> io::Result<()> {
        let had = self.input.len();
        self.input.resize(full, 0);
        let read = read_full(reader, &mut self.input[had..])?;
        self.input.truncate(had + read);
        Ok(())
    }
}

/// Reads until `buffer` is full or the stream ends; gives how much was read.
pub(crate) fn read_full(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut done = 0;
    while done < buffer.len() {
        match reader.read(&mut buffer[done..]) {
            Ok(0) => break,
            Ok(read) => done += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

/// Sends a stream through `threads` threads.
///
/// `feed` fills a piece's input and gives what the work on it needs, or nothing at
/// the end of the stream; it runs on a thread of its own. `work` makes the output
/// of the input. `drain` takes outputs in the order of the stream, on the caller's
/// thread. One thread, or a stream shorter than a piece of `full` bytes: all of it on
/// the caller's thread.
///
/// # Errors
/// The first error in the order of the stream; pieces before it were drained, later
/// ones are dropped. After an error of `drain` this returns once `feed` does.
pub(crate) fn run<T: Send>(
    threads: usize,
    full: usize,
    mut feed: impl FnMut(&mut Piece) -> Result<Option<T>, MediaError> + Send,
    work: impl Fn(T, &mut Piece) -> Result<(), MediaError> + Sync,
    mut drain: impl FnMut(&Piece) -> Result<(), MediaError>,
) -> Result<(), MediaError> {
    let mut piece = Piece::of(FIRST_SEALED);
    let mut task = feed(&mut piece)?;
    if threads > 1 && piece.input.len() == full {
        let first = task.map(|task| (piece, task));
        return on_threads(threads.min(MOST_THREADS), first, feed, work, drain);
    }
    while let Some(now) = task {
        work(now, &mut piece)?;
        drain(&piece)?;
        task = feed(&mut piece)?;
    }
    Ok(())
}

/// Piece `k` goes to thread `k % threads` and comes back from there, which keeps
/// the order. At most as many pieces exist as there are threads and [`SPARE`], so no
/// channel ever holds more, and whoever fails drops its ends of the channels, which
/// ends the others.
fn on_threads<T: Send>(
    threads: usize,
    first: Option<(Piece, T)>,
    mut feed: impl FnMut(&mut Piece) -> Result<Option<T>, MediaError> + Send,
    work: impl Fn(T, &mut Piece) -> Result<(), MediaError> + Sync,
    mut drain: impl FnMut(&Piece) -> Result<(), MediaError>,
) -> Result<(), MediaError> {
    let pieces = threads + SPARE;
    let (free, freed) = sync_channel(pieces);
    // Free pieces may be left when draining has failed: they are not to be read into.
    let failed = AtomicBool::new(false);
    thread::scope(|scope| {
        let (work, failed) = (&work, &failed);
        let (mut inputs, mut outputs) = (Vec::new(), Vec::new());
        for _ in 0..threads {
            let (input, tasks) = sync_channel(pieces);
            let (done, output) = sync_channel(pieces);
            scope.spawn(move || worker(&tasks, &done, work));
            inputs.push(input);
            outputs.push(output);
        }
        let feeder = scope.spawn(move || {
            let (mut next, mut made) = (first, 1);
            for input in inputs.iter().cycle() {
                let Some(task) = next else { break };
                if input.send(task).is_err() {
                    break;
                }
                let mut piece = match freed.try_recv() {
                    Ok(piece) => piece,
                    Err(_) if made < pieces => {
                        made += 1;
                        Piece::new()
                    }
                    Err(_) => match freed.recv() {
                        Ok(piece) => piece,
                        Err(_) => break,
                    },
                };
                if failed.load(Ordering::Relaxed) {
                    break;
                }
                next = feed(&mut piece)?.map(|task| (piece, task));
            }
            Ok(())
        });
        let drained = drain_all(&outputs, &free, &mut drain);
        failed.store(drained.is_err(), Ordering::Relaxed);
        drop((outputs, free));
        let fed = match feeder.join() {
            Ok(fed) => fed,
            Err(panic) => std::panic::resume_unwind(panic),
        };
        drained.and(fed)
    })
}

type Done = Result<Piece, MediaError>;

fn worker<T>(
    tasks: &Receiver<(Piece, T)>,
    done: &SyncSender<Done>,
    work: impl Fn(T, &mut Piece) -> Result<(), MediaError>,
) {
    for (mut piece, task) in tasks {
        let result = work(task, &mut piece).map(|()| piece);
        if done.send(result).is_err() {
            return;
        }
    }
}

/// Ends when the threads have nothing more, since the feeder has ended.
fn drain_all(
    outputs: &[Receiver<Done>],
    free: &SyncSender<Piece>,
    drain: &mut impl FnMut(&Piece) -> Result<(), MediaError>,
) -> Result<(), MediaError> {
    for output in outputs.iter().cycle() {
        let Ok(done) = output.recv() else { break };
        let piece = done?;
        drain(&piece)?;
        // A feeder that has ended needs no more pieces.
        let _ = free.send(piece);
    }
    Ok(())
}
