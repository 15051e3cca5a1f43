//! Objects: every way to seal and open one gives the same, another implementation
//! agrees, and nothing that was damaged, moved or cut opens.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use atrest_core::object::{
    CHUNK_LEN, ObjectError, ObjectHeader, ObjectOpener, ObjectSealer, PROLOGUE_LEN, SLOT_LEN,
    clear_len, open_object, seal_object, sealed_len,
};
use atrest_core::{Key, Keyring, Purpose};
use proptest::prelude::*;

const ID: &[u8] = b"gate/2026-11-22.mp4";

fn ring(keys: &[u8]) -> Keyring {
    let mut keys = keys.iter().map(|n| Key::from_bytes([*n; 32]));
    Keyring::new(keys.next().unwrap(), keys.collect()).unwrap()
}

/// Bytes that differ from chunk to chunk.
fn content(length: usize) -> Vec<u8> {
    (0..length).map(|i| (i / 7 + i / CHUNK_LEN) as u8).collect()
}

/// Lengths around the borders of chunks.
fn lengths() -> Vec<usize> {
    let mut all = vec![0, 1, 100];
    for chunks in [1, 2, 5] {
        let border = chunks * CHUNK_LEN;
        all.extend([border - 1, border, border + 1]);
    }
    all
}

#[test]
fn every_length_and_back() {
    for length in lengths() {
        let clear = content(length);
        let object = seal_object(&ring(&[1]), ID, &clear).unwrap();
        assert_eq!(Some(object.len() as u64), sealed_len(length as u64));
        assert_eq!(clear_len(object.len() as u64), Ok(length as u64));
        // Another primary by now; the old key only opens.
        assert_eq!(open_object(&ring(&[2, 1]), ID, &object).unwrap(), clear);
    }
}

#[test]
fn only_lengths_that_objects_have() {
    let mut next = 0;
    for sealed in 0..=(PROLOGUE_LEN + 3 * SLOT_LEN) as u64 {
        if sealed_len(next) == Some(sealed) {
            assert_eq!(clear_len(sealed), Ok(next));
            next += 1;
        } else {
            assert_eq!(
                clear_len(sealed),
                Err(ObjectError::Length { length: sealed })
            );
        }
    }
    assert_eq!(next, 3 * CHUNK_LEN as u64, "every clear length has its own");
    let most = (1 << 52) - 1;
    assert_eq!(clear_len(sealed_len(most).unwrap()), Ok(most));
    assert_eq!(sealed_len(most + 1), None);
    assert!(clear_len(u64::MAX).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// In parts of whole chunks, in whatever order they are sealed, in place or
    /// not: the same object. Opened in parts, in place or not: the same content.
    #[test]
    fn in_parts_and_in_place(parts in proptest::collection::vec((1usize..4, any::<bool>()), 0..4), last in 0..CHUNK_LEN) {
        let keyring = ring(&[1]);
        let whole: usize = parts.iter().map(|(n, _)| n * CHUNK_LEN).sum();
        let clear = content(whole + last);
        let mut sealer = ObjectSealer::new(&keyring, ID).unwrap();
        let mut rest = &clear[..];
        let mut rights = Vec::new();
        for (length, in_place) in parts.iter().map(|(n, b)| (n * CHUNK_LEN, *b)).chain([(last, false)]) {
            let (now, after) = rest.split_at(length);
            rights.push((sealer.chunks(length).unwrap(), now, in_place));
            rest = after;
        }
        prop_assert_eq!(sealer.chunks(1).unwrap_err(), ObjectError::TooLong);
        let mut sealed: Vec<Vec<u8>> = rights.into_iter().rev().map(|(right, clear, in_place)| {
            let mut out = vec![0; right.sealed_len()];
            if in_place {
                for (slot, chunk) in out.chunks_mut(SLOT_LEN).zip(clear.chunks(CHUNK_LEN)) {
                    slot[..chunk.len()].copy_from_slice(chunk);
                }
                right.seal_in_place(&mut out).unwrap();
            } else {
                right.seal(clear, &mut out).unwrap();
            }
            out
        }).collect();
        sealed.push(sealer.prologue().to_vec());
        let object: Vec<u8> = sealed.into_iter().rev().flatten().collect();
        prop_assert_eq!(&open_object(&keyring, ID, &object).unwrap(), &clear);

        let (prologue, chunks) = object.split_first_chunk().unwrap();
        let opener = ObjectOpener::new(&keyring, ID, prologue).unwrap();
        for (k, slot) in chunks.chunks(SLOT_LEN).enumerate().rev() {
            let want = &clear[k * CHUNK_LEN..clear.len().min((k + 1) * CHUNK_LEN)];
            let mut slot = slot.to_vec();
            opener.open_in_place(k as u64, &mut slot).unwrap();
            prop_assert_eq!(&slot[..want.len()], want);
        }
    }

    /// The crate `cobblestone` opens ours behind the header, and ours opens its.
    #[test]
    fn agrees_with_another_implementation(length in 0..3 * CHUNK_LEN, id in proptest::collection::vec(any::<u8>(), 0..40)) {
        let keyring = ring(&[7]);
        let key = Key::from_bytes([7; 32]);
        let header = ObjectHeader { key: key.id() }.to_bytes();
        let context = [&header[..], &id].concat();
        let theirs = cobblestone::Key256::try_from(&key.derive::<32>(Purpose::ObjectCobblestone256)[..]).unwrap();
        let clear = content(length);

        let ours = seal_object(&keyring, &id, &clear).unwrap();
        prop_assert_eq!(cobblestone::decrypt(&theirs, &context, &ours[16..]).unwrap(), &clear[..]);
        let message = cobblestone::encrypt(&theirs, &context, &clear).unwrap();
        let object = [&header[..], &message].concat();
        prop_assert_eq!(open_object(&keyring, &id, &object).unwrap(), clear);
    }
}

/// Four chunks, the last one short.
fn object() -> (Keyring, Vec<u8>) {
    let keyring = ring(&[1]);
    let object = seal_object(&keyring, ID, &content(3 * CHUNK_LEN + 50)).unwrap();
    (keyring, object)
}

#[test]
fn a_flipped_bit_is_refused() {
    let (keyring, object) = object();
    let slots = (0..4).flat_map(|k| {
        let start = PROLOGUE_LEN + k * SLOT_LEN;
        [start, start + 49, start + 50, start + 65]
    });
    for at in (0..PROLOGUE_LEN).chain(slots) {
        for bit in 0..8 {
            let mut damaged = object.clone();
            damaged[at] ^= 1 << bit;
            let error = open_object(&keyring, ID, &damaged).unwrap_err();
            let as_expected = match (at, &error) {
                (0..6, e) => *e == ObjectError::NotAnObject,
                (6..8 | 12..16, e) => matches!(e, ObjectError::NewerKind(_)),
                (8..12, e) => matches!(e, ObjectError::UnknownKey(_)),
                (16..PROLOGUE_LEN, e) => matches!(e, ObjectError::Unbound { .. }),
                (_, ObjectError::Damaged { chunk }) => {
                    *chunk == ((at - PROLOGUE_LEN) / SLOT_LEN) as u64
                }
                _ => false,
            };
            assert!(as_expected, "byte {at}: {error:?}");
        }
    }
}

#[test]
fn what_is_cut_or_added_is_refused() {
    let (keyring, object) = object();
    let borders = (0..=4).map(|k| PROLOGUE_LEN + k * SLOT_LEN);
    let cuts = borders.flat_map(|b| b.saturating_sub(20)..b + 20);
    for cut in (0..100).chain(cuts).filter(|cut| *cut < object.len()) {
        let error = open_object(&keyring, ID, &object[..cut]).unwrap_err();
        let expected = match (cut, &error) {
            (0..16, e) => *e == ObjectError::NotAnObject,
            (_, e) => matches!(e, ObjectError::Length { .. } | ObjectError::Damaged { .. }),
        };
        assert!(expected, "cut to {cut}: {error:?}");
    }
    for more in [1, 16, 17, SLOT_LEN] {
        let longer = [&object[..], &vec![0; more]].concat();
        assert!(open_object(&keyring, ID, &longer).is_err(), "{more} more");
    }
    let (_, last) = object.split_at(PROLOGUE_LEN + 3 * SLOT_LEN);
    let twice = [&object[..], last].concat();
    assert!(
        open_object(&keyring, ID, &twice).is_err(),
        "the last chunk twice"
    );
}

#[test]
fn chunks_do_not_open_elsewhere() {
    let (keyring, object) = object();
    let (_, other) = self::object();
    let slot = |k: usize| PROLOGUE_LEN + k * SLOT_LEN..PROLOGUE_LEN + (k + 1) * SLOT_LEN;
    for (to, from, source) in [(0, 1, &object), (2, 1, &object), (1, 1, &other)] {
        let mut moved = object.clone();
        moved[slot(to)].copy_from_slice(&source[slot(from)]);
        let error = open_object(&keyring, ID, &moved).unwrap_err();
        assert_eq!(error, ObjectError::Damaged { chunk: to as u64 });
    }
    // A whole prologue of another object: the chunks are not that object's.
    let mut swapped = object.clone();
    swapped[..PROLOGUE_LEN].copy_from_slice(&other[..PROLOGUE_LEN]);
    let error = open_object(&keyring, ID, &swapped).unwrap_err();
    assert_eq!(error, ObjectError::Damaged { chunk: 0 });
}

#[test]
fn another_name_or_key_is_refused() {
    let (keyring, object) = object();
    for id in [
        &b""[..],
        b"gate/2026-11-22.mp",
        b"gate/2026-11-22.mp4 ",
        b"Gate/2026-11-22.mp4",
    ] {
        let error = open_object(&keyring, id, &object).unwrap_err();
        let key = keyring.primary().id();
        assert_eq!(error, ObjectError::Unbound { key });
    }
    let error = open_object(&ring(&[2]), ID, &object).unwrap_err();
    assert_eq!(error, ObjectError::UnknownKey(keyring.primary().id()));
    // The header names another key of the ring: not the one, and no other is tried.
    let mut renamed = object;
    renamed[8..12].copy_from_slice(&Key::from_bytes([2; 32]).id().0);
    let error = open_object(&ring(&[1, 2]), ID, &renamed).unwrap_err();
    assert!(matches!(error, ObjectError::Unbound { .. }), "{error:?}");
}

#[test]
fn nothing_is_left_of_what_does_not_open() {
    let (keyring, mut object) = object();
    object[PROLOGUE_LEN + SLOT_LEN] ^= 1;
    let (prologue, chunks) = object.split_first_chunk().unwrap();
    let opener = ObjectOpener::new(&keyring, ID, prologue).unwrap();
    let mut clear = vec![9; 3 * CHUNK_LEN + 50];
    let error = opener.open(0, chunks, &mut clear).unwrap_err();
    assert_eq!(error, ObjectError::Damaged { chunk: 1 });
    assert!(clear.iter().all(|b| *b == 0));
    let mut slots = chunks.to_vec();
    opener.open_in_place(0, &mut slots).unwrap_err();
    assert!(slots.iter().all(|b| *b == 0));
}

#[test]
fn two_objects_of_one_content_have_nothing_in_common() {
    let (_, a) = object();
    let (_, b) = object();
    assert_eq!(a[..16], b[..16], "the header");
    let same = a[16..].iter().zip(&b[16..]).filter(|(a, b)| a == b).count();
    assert!(same < a.len() / 128, "{same} equal bytes");
}
