//! What is not the object that was sealed is refused, and none of it is written.

use std::io::{Cursor, Read as _};

use atrest_core::object::ObjectError;
use atrest_core::{Key, Keyring};
use atrest_media::{MediaError, ObjectReader};
use proptest::prelude::*;

use crate::{CHUNK, ID, PIECE, PROLOGUE, SLOT, bytes, keyring, open, seal};

/// Does not open, by streams on one thread and on several, nor read to the end; and
/// whatever came out before is a beginning of `clear`.
#[track_caller]
fn refused(object: &[u8], clear: &[u8]) -> ObjectError {
    let mut errors = Vec::new();
    for threads in [1, 3] {
        let mut out = Vec::new();
        let result = atrest_media::open(object, &mut out, &keyring(), ID, threads, &|_| {});
        assert!(clear.starts_with(&out), "bytes that were never sealed");
        match result.unwrap_err() {
            MediaError::Object(error) => errors.push(error),
            error => panic!("{error}"),
        }
    }
    assert_eq!(errors[0], errors[1]);
    let mut out = Vec::new();
    let read = ObjectReader::new(Cursor::new(object), &keyring(), ID)
        .map_err(std::io::Error::from)
        .and_then(|mut reader| reader.read_to_end(&mut out));
    assert_eq!(read.unwrap_err().kind(), std::io::ErrorKind::InvalidData);
    assert!(clear.starts_with(&out), "bytes that were never sealed");
    errors.remove(0)
}

#[test]
fn cut_at_and_around_every_border() {
    for size in [0, 1, 3 * CHUNK, 3 * CHUNK + 20] {
        let clear = bytes(size);
        let object = seal(&clear, 1);
        let mut cuts = vec![0, 1, 15, 16, 40, PROLOGUE - 1, PROLOGUE];
        for slot in (PROLOGUE..object.len()).step_by(SLOT) {
            for cut in [slot + 1, slot + 15, slot + 16, slot + 17, slot + SLOT - 1] {
                cuts.extend([cut, slot]);
            }
        }
        cuts.push(object.len() - 1);
        for cut in cuts.into_iter().filter(|cut| *cut < object.len()) {
            let error = refused(&object[..cut], &clear);
            let want = cut < 16
                || cut < PROLOGUE && matches!(error, ObjectError::Length { .. })
                || matches!(
                    error,
                    ObjectError::Length { .. } | ObjectError::Damaged { .. }
                );
            assert!(want, "{size} bytes cut to {cut}: {error}");
        }
    }
}

#[test]
fn cut_between_pieces() {
    let clear = bytes(3 * PIECE + 5);
    let object = seal(&clear, 2);
    for chunks in [64, 128, 130, 192] {
        let length = PROLOGUE + chunks * SLOT;
        let error = refused(&object[..length], &clear);
        assert_eq!(
            error,
            ObjectError::Length {
                length: length as u64
            }
        );
    }
}

#[test]
fn added_to() {
    for size in [5, CHUNK, 3 * CHUNK + 20, PIECE, PIECE + 5] {
        let clear = bytes(size);
        let object = seal(&clear, 1);
        let other = seal(&bytes(9), 1);
        for added in [&[0][..], &[0; 16], &[0; SLOT], &object[PROLOGUE..], &other] {
            refused(&[&object, added].concat(), &clear);
        }
    }
}

#[test]
fn chunks_moved_doubled_left_out_and_of_another_object() {
    let clear = bytes(70 * CHUNK + 5);
    let (object, other) = (seal(&clear, 1), seal(&clear, 1));
    let slot = |of: &[u8], k: usize| of[PROLOGUE + k * SLOT..PROLOGUE + (k + 1) * SLOT].to_vec();
    let with = |k: usize, bytes: &[u8]| {
        let mut changed = object.clone();
        changed[PROLOGUE + k * SLOT..][..SLOT].copy_from_slice(bytes);
        changed
    };
    let mut swapped = with(1, &slot(&object, 2));
    swapped[PROLOGUE + 2 * SLOT..][..SLOT].copy_from_slice(&slot(&object, 1));
    assert_eq!(refused(&swapped, &clear), ObjectError::Damaged { chunk: 1 });
    for chunk in [0, 1, 63, 64, 69] {
        let error = refused(&with(chunk, &slot(&other, chunk)), &clear);
        assert_eq!(
            error,
            ObjectError::Damaged {
                chunk: chunk as u64
            }
        );
    }
    let at = PROLOGUE + 3 * SLOT;
    let doubled = [&object[..at + SLOT], &object[at..]].concat();
    assert_eq!(refused(&doubled, &clear), ObjectError::Damaged { chunk: 4 });
    let left_out = [&object[..at], &object[at + SLOT..]].concat();
    assert_eq!(
        refused(&left_out, &clear),
        ObjectError::Damaged { chunk: 3 }
    );
    // Another object's prologue before these chunks.
    let grafted = [&other[..PROLOGUE], &object[PROLOGUE..]].concat();
    assert_eq!(refused(&grafted, &clear), ObjectError::Damaged { chunk: 0 });
}

#[test]
fn another_id_another_key_and_no_object() {
    let object = seal(b"a face", 1);
    let id = |id: &[u8]| {
        let opened = atrest_media::open(&object[..], Vec::new(), &keyring(), id, 1, &|_| {});
        matches!(opened, Err(MediaError::Object(ObjectError::Unbound { .. })))
    };
    assert!(id(b"") && id(b"gate/clip.mp") && id(b"gate/clip.mp4 "));
    let others = Keyring::new(Key::from_bytes([8; 32]), vec![]).unwrap();
    let opened = atrest_media::open(&object[..], Vec::new(), &others, ID, 1, &|_| {});
    assert!(matches!(
        opened,
        Err(MediaError::Object(ObjectError::UnknownKey(_)))
    ));
    assert!(matches!(
        open(b"\x89PNG\r\n\x1a\n and so on, for long enough to be one", 1),
        Err(MediaError::Object(ObjectError::NotAnObject))
    ));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_flipped_bit(size in 0..3 * CHUNK, at in any::<prop::sample::Index>(), bit in 0..8_u8) {
        let clear = bytes(size);
        let mut object = seal(&clear, 1);
        let at = at.index(object.len());
        object[at] ^= 1_u8 << bit;
        refused(&object, &clear);
    }

    #[test]
    fn any_cut(size in 0..5 * CHUNK, at in any::<prop::sample::Index>()) {
        let clear = bytes(size);
        let object = seal(&clear, 1);
        refused(&object[..at.index(object.len())], &clear);
    }
}
