//! A block: some of many values, and what becomes of them.

use atrest_core::{Context, Form};
use pyo3::prelude::*;

use super::pieces::Pieces;
use super::{Done, Given, Work};
use crate::stored::Value;
use crate::worker::{Failure, Kept};

/// Some values, and what became of them. It is filled again and again: memory that is
/// asked of the system for each block costs as much as the work on it.
#[derive(Default)]
pub(super) struct Block {
    values: Vec<Given>,
    outcomes: Vec<Outcome>,
    done: Pieces,
}

#[derive(Clone, Copy)]
enum Outcome {
    Null,
    Refused,
    Failed(Failure),
    Value {
        form: Form,
        end: usize,
        was_sealed: bool,
    },
}

impl Block {
    /// The most values: enough for a thread to be worth it, few enough to stay in a
    /// processor's cache.
    const VALUES: usize = 512;
    /// With so many bytes it is full before that.
    const BYTES: usize = 256 * 1024;

    /// Takes the next values. Needs the GIL, as those that it had are let go of.
    pub(super) fn fill(
        &mut self,
        values: &mut impl Iterator<Item = PyResult<Given>>,
    ) -> PyResult<()> {
        self.values.clear();
        let mut bytes = 0;
        while self.values.len() < Self::VALUES && bytes < Self::BYTES {
            let Some(value) = values.next().transpose()? else {
                break;
            };
            if let Ok(Some(value)) = &value {
                bytes += value.bytes().len();
            }
            self.values.push(value);
        }
        Ok(())
    }

    /// Works on all of its values.
    pub(super) fn work(&mut self, work: Work, kept: &mut Kept, context: &Context) {
        let mut bytes = self.make_room(work, kept);
        match work {
            Work::Seal => match kept.sealer() {
                Ok(sealer) => self.each(&mut bytes, |form, clear, out| {
                    sealer.seal(form, context, clear, out)?;
                    Ok(true)
                }),
                Err(failure) => self.each(&mut bytes, |_, _, _| Err(failure)),
            },
            Work::Open => self.each(&mut bytes, |form, token, out| {
                kept.open(form, context, token)?;
                out.extend_from_slice(kept.clear());
                Ok(true)
            }),
            Work::Read => self.each(&mut bytes, |form, stored, out| {
                let was_sealed = kept.read(form, context, stored)?;
                out.extend_from_slice(kept.clear());
                Ok(was_sealed)
            }),
        }
        self.done = Pieces::of(bytes);
    }

    /// At once for all: growing would leave clear values behind. Clear values are no longer
    /// than what is stored.
    fn make_room(&mut self, work: Work, kept: &Kept) -> Vec<u8> {
        let length = |value: &Value| match work {
            Work::Seal => kept.token_len(value),
            Work::Open | Work::Read => value.bytes().len(),
        };
        let length = self.values.iter().flatten().flatten().map(length).sum();
        self.outcomes.clear();
        let mut bytes = self.done.take();
        if bytes.capacity() < length {
            atrest_core::wipe(&mut bytes);
            bytes = Vec::with_capacity(length);
        }
        bytes.clear();
        bytes
    }

    /// `work` appends what becomes of a value, and says whether it was sealed.
    fn each(
        &mut self,
        bytes: &mut Vec<u8>,
        mut work: impl FnMut(Form, &[u8], &mut Vec<u8>) -> Result<bool, Failure>,
    ) {
        for value in &self.values {
            self.outcomes.push(match value {
                Err(_) => Outcome::Refused,
                Ok(None) => Outcome::Null,
                Ok(Some(value)) => {
                    let form = value.form();
                    match work(form, value.bytes(), bytes) {
                        Err(failure) => Outcome::Failed(failure),
                        Ok(was_sealed) => Outcome::Value {
                            form,
                            end: bytes.len(),
                            was_sealed,
                        },
                    }
                }
            });
        }
    }

    /// What became of each.
    pub(super) fn done(&self) -> impl Iterator<Item = Done<'_>> {
        let mut begin = 0;
        let each = self.values.iter().zip(&self.outcomes);
        each.map(move |(given, outcome)| match *outcome {
            Outcome::Null => Done::Null,
            Outcome::Refused => given.as_ref().map_or_else(Done::Refused, |_| Done::Null),
            Outcome::Failed(failure) => Done::Failed(failure),
            Outcome::Value {
                form,
                end,
                was_sealed,
            } => {
                let piece = self.done.piece(begin..end, form);
                begin = end;
                Done::Value { piece, was_sealed }
            }
        })
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        atrest_core::wipe(&mut self.done.take());
    }
}
