//! Sealed by streams, opened in memory, and the other way round.

use std::cell::RefCell;
use std::io::{Read, Write as _};

use atrest_core::object::{open_object, seal_object, sealed_len};
use atrest_media::ObjectWriter;
use proptest::prelude::*;

use crate::{CHUNK, ID, PIECE, bytes, keyring, open, seal};

/// On and beside every border there is.
const SIZES: [usize; 14] = [
    0,
    1,
    CHUNK - 1,
    CHUNK,
    CHUNK + 1,
    2 * CHUNK,
    PIECE - CHUNK,
    PIECE - 1,
    PIECE,
    PIECE + 1,
    PIECE + CHUNK,
    2 * PIECE,
    5 * PIECE,
    7 * PIECE + 12_345,
];

#[test]
fn every_size_on_any_number_of_threads() {
    for size in SIZES {
        let clear = bytes(size);
        let other = seal_object(&keyring(), ID, &clear).unwrap();
        for threads in [0, 1, 2, 5, 100] {
            let object = seal(&clear, threads);
            assert_eq!(object.len() as u64, sealed_len(size as u64).unwrap());
            assert!(
                open_object(&keyring(), ID, &object).unwrap() == clear,
                "{size} bytes, sealed on {threads}"
            );
            assert!(
                open(&other, threads).unwrap() == clear,
                "{size} bytes, opened on {threads}"
            );
        }
    }
}

#[test]
fn what_is_reported() {
    let clear = bytes(2 * PIECE + 5);
    let (mut object, told) = (Vec::new(), RefCell::new(Vec::new()));
    let note = |done| told.borrow_mut().push(done);
    let sealed = atrest_media::seal(&clear[..], &mut object, &keyring(), ID, 2, &note).unwrap();
    let piece = PIECE as u64;
    assert_eq!(
        told.borrow_mut().split_off(0),
        [piece, 2 * piece, 2 * piece + 5]
    );
    assert_eq!(
        (sealed.clear, sealed.sealed),
        (clear.len() as u64, object.len() as u64)
    );
    let opened =
        atrest_media::open(&object[..], std::io::sink(), &keyring(), ID, 2, &note).unwrap();
    assert_eq!(*told.borrow(), [piece, 2 * piece, 2 * piece + 5]);
    assert_eq!((opened.clear, opened.sealed), (sealed.clear, sealed.sealed));
    assert_eq!(
        (opened.key, sealed.key),
        (keyring().primary().id(), opened.key)
    );
}

/// Gives a few bytes at a time, and is interrupted in between.
struct Dripping<'a>(&'a [u8], bool);

impl Read for Dripping<'_> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        self.1 = !self.1;
        if self.1 {
            return Err(std::io::ErrorKind::Interrupted.into());
        }
        let most = out.len().min(7_001);
        self.0.read(&mut out[..most])
    }
}

#[test]
fn a_reader_of_small_reads_makes_the_same_object() {
    let clear = bytes(2 * PIECE);
    let mut object = Vec::new();
    atrest_media::seal(
        Dripping(&clear, false),
        &mut object,
        &keyring(),
        ID,
        2,
        &|_| {},
    )
    .unwrap();
    assert!(open_object(&keyring(), ID, &object).unwrap() == clear);
    let mut again = Vec::new();
    atrest_media::open(
        Dripping(&object, false),
        &mut again,
        &keyring(),
        ID,
        2,
        &|_| {},
    )
    .unwrap();
    assert!(again == clear);
}

#[test]
fn a_writer_at_every_size() {
    for size in SIZES {
        let clear = bytes(size);
        let mut writer = ObjectWriter::new(Vec::new(), &keyring(), ID).unwrap();
        writer.write_all(&clear).unwrap();
        let object = writer.finish().unwrap();
        assert!(
            open_object(&keyring(), ID, &object).unwrap() == clear,
            "{size} bytes"
        );
    }
}

#[test]
fn a_writer_without_finish_leaves_no_object() {
    for size in [0, 1, CHUNK, PIECE, PIECE + 1] {
        let mut object = Vec::new();
        let mut writer = ObjectWriter::new(&mut object, &keyring(), ID).unwrap();
        writer.write_all(&bytes(size)).unwrap();
        writer.flush().unwrap();
        drop(writer);
        assert!(open(&object, 2).is_err(), "{size} bytes");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn any_size(size in 0..3 * PIECE, threads in 1..4_usize) {
        let clear = bytes(size);
        prop_assert!(open(&seal(&clear, threads), threads).unwrap() == clear);
    }

    #[test]
    fn any_split_of_writes(
        parts in prop::collection::vec((0..2 * CHUNK + 3, any::<bool>()), 0..40)
    ) {
        let clear = bytes(parts.iter().map(|(n, _)| n).sum());
        let mut writer = ObjectWriter::new(Vec::new(), &keyring(), ID).unwrap();
        let mut rest = &clear[..];
        for (length, flush) in parts {
            let (now, later) = rest.split_at(length);
            writer.write_all(now).unwrap();
            if flush {
                writer.flush().unwrap();
            }
            rest = later;
        }
        let object = writer.finish().unwrap();
        prop_assert_eq!(object.len() as u64, sealed_len(clear.len() as u64).unwrap());
        prop_assert!(open_object(&keyring(), ID, &object).unwrap() == clear);
    }
}
