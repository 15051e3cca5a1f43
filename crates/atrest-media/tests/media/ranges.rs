//! Any part of an object: the right bytes, and no more read than that takes.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io::{Cursor, Read, Seek, SeekFrom};
use std::rc::Rc;

use atrest_media::ObjectReader;
use proptest::prelude::*;

use crate::{CHUNK, ID, PROLOGUE, SLOT, bytes, keyring, seal};

/// Which slots were read from; the prologue is none.
#[derive(Clone, Default)]
struct Touched(Rc<RefCell<BTreeSet<usize>>>);

struct Counting {
    inner: Cursor<Vec<u8>>,
    touched: Touched,
}

impl Read for Counting {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let from = usize::try_from(self.inner.position()).unwrap();
        let read = self.inner.read(out)?;
        for at in from.max(PROLOGUE)..from + read {
            self.touched.0.borrow_mut().insert((at - PROLOGUE) / SLOT);
        }
        Ok(read)
    }
}

impl Seek for Counting {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        self.inner.seek(to)
    }
}

fn counting(object: Vec<u8>) -> (ObjectReader<Counting>, Touched) {
    let touched = Touched::default();
    let inner = Counting {
        inner: Cursor::new(object),
        touched: touched.clone(),
    };
    let reader = ObjectReader::new(inner, &keyring(), ID).unwrap();
    (reader, touched)
}

#[test]
fn a_range_touches_the_chunks_that_it_overlaps() {
    let clear = bytes(40 * CHUNK + 100);
    let object = seal(&clear, 1);
    for (from, to, chunks) in [
        (0, 1, 0..1),
        (CHUNK - 1, CHUNK + 1, 0..2),
        (CHUNK, 2 * CHUNK, 1..2),
        (5 * CHUNK + 7, 30 * CHUNK, 5..30),
        (40 * CHUNK, 40 * CHUNK + 100, 40..41),
    ] {
        let (mut reader, touched) = counting(object.clone());
        assert!(touched.0.borrow().is_empty(), "new reads the prologue only");
        reader.seek(SeekFrom::Start(from as u64)).unwrap();
        let mut part = vec![0; to - from];
        reader.read_exact(&mut part).unwrap();
        assert!(part == clear[from..to]);
        let want: BTreeSet<usize> = chunks.collect();
        assert_eq!(*touched.0.borrow(), want, "{from}..{to}");
    }
}

#[test]
fn the_length_touches_the_last_chunk_only() {
    for size in [0, 1, CHUNK, 40 * CHUNK, 40 * CHUNK + 1] {
        let (mut reader, touched) = counting(seal(&bytes(size), 1));
        assert_eq!(reader.len().unwrap(), size as u64);
        assert_eq!(reader.is_empty().unwrap(), size == 0);
        assert_eq!(*touched.0.borrow(), BTreeSet::from([size / CHUNK]));
    }
}

/// The end of a stream is a claim about the length, and is proven first.
#[test]
fn the_end_opens_an_empty_last_chunk() {
    let mut object = seal(&bytes(2 * CHUNK), 1);
    let last = object.len() - 1;
    object[last] ^= 1;
    let mut reader = ObjectReader::new(Cursor::new(object), &keyring(), ID).unwrap();
    let mut all = vec![0; 2 * CHUNK];
    reader.read_exact(&mut all).unwrap();
    assert!(all == bytes(2 * CHUNK));
    for _ in 0..2 {
        let error = reader.read(&mut [0]).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidData);
    }
    reader.seek(SeekFrom::Start(u64::MAX)).unwrap();
    assert!(reader.read(&mut [0]).is_err());
    assert!(reader.seek(SeekFrom::End(0)).is_err());
    assert!(reader.len().is_err());
}

#[test]
fn seeks_to_nowhere() {
    let mut reader = ObjectReader::new(Cursor::new(seal(b"abc", 1)), &keyring(), ID).unwrap();
    for to in [SeekFrom::Current(-1), SeekFrom::End(-4)] {
        let error = reader.seek(to).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
    }
    assert_eq!(reader.seek(SeekFrom::End(10)).unwrap(), 13);
    assert_eq!(reader.read(&mut [0]).unwrap(), 0);
    assert_eq!(reader.stream_position().unwrap(), 13);
    reader.rewind().unwrap();
    assert_eq!(std::io::read_to_string(reader).unwrap(), "abc");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn any_reads_are_the_plain_bytes(
        size in 0..40 * CHUNK,
        reads in prop::collection::vec((0..42 * CHUNK, 0..20 * CHUNK), 1..12),
    ) {
        let clear = bytes(size);
        let mut reader = ObjectReader::new(Cursor::new(seal(&clear, 1)), &keyring(), ID).unwrap();
        let mut plain = Cursor::new(&clear);
        for (from, length) in reads {
            reader.seek(SeekFrom::Start(from as u64)).unwrap();
            plain.seek(SeekFrom::Start(from as u64)).unwrap();
            let (mut got, mut want) = (Vec::new(), Vec::new());
            reader.by_ref().take(length as u64).read_to_end(&mut got).unwrap();
            plain.by_ref().take(length as u64).read_to_end(&mut want).unwrap();
            prop_assert!(got == want, "{} bytes from {}", length, from);
        }
    }
}
