//! Any range of anything is what an unwrapped store gives, and no more is read for it
//! than must be.

use std::ops::Range;

use object_store::{GetRange, ObjectStore as _, ObjectStoreExt as _};
use proptest::prelude::*;

use super::counting::Counting;
use super::*;

fn slots(chunks: Range<u64>) -> Range<u64> {
    let place = |chunk: u64| PROLOGUE as u64 + chunk * SLOT as u64;
    place(chunks.start)..place(chunks.end)
}

#[tokio::test]
async fn a_range_reads_the_first_bytes_and_the_chunks_that_it_overlaps() {
    let inner = Arc::new(Counting::default());
    let store = sealed(Arc::clone(&inner));
    let at = path("clip");
    let clear = bytes(10 * CHUNK + 100);
    store.put(&at, clear.clone().into()).await.unwrap();
    let size = inner.head(&at).await.unwrap().size;
    let last = slots(10..11).start..size;
    let c = CHUNK as u64;
    let first = 0..PROLOGUE as u64;

    let cases: [(GetRange, Vec<Range<u64>>); 10] = [
        // In the middle, within one chunk; over a border; whole chunks.
        (
            (3 * c + 5..3 * c + 6).into(),
            vec![first.clone(), slots(3..4)],
        ),
        (
            (4 * c - 1..4 * c + 1).into(),
            vec![first.clone(), slots(3..5)],
        ),
        ((4 * c..6 * c).into(), vec![first.clone(), slots(4..6)]),
        // From the first chunk on: at once.
        ((0..1).into(), vec![0..slots(0..1).end]),
        ((5..c + 1).into(), vec![0..slots(0..2).end]),
        // Up to the end, known to be there: the last chunk is the one overlapped.
        (
            (10 * c + 1..10 * c + 100).into(),
            vec![first.clone(), last.clone()],
        ),
        // The end matters: the last chunk comes first, and only once.
        (
            (9 * c..20 * c).into(),
            vec![first.clone(), last.clone(), slots(9..10)],
        ),
        (
            GetRange::Offset(8 * c + 1),
            vec![first.clone(), last.clone(), slots(8..10)],
        ),
        (GetRange::Suffix(10), vec![first.clone(), last.clone()]),
        (GetRange::Offset(0), vec![0..size]),
    ];
    inner.reads();
    for (range, reads) in cases {
        let length = clear.len() as u64;
        let wanted = range.as_range(length).unwrap();
        let wanted = usize::try_from(wanted.start).unwrap()..usize::try_from(wanted.end).unwrap();
        let got = read_range(&store, &at, range.clone()).await.unwrap();
        assert!(got == clear[wanted], "{range:?}");
        assert_eq!(inner.reads(), reads, "{range:?}");
    }
    // Several at once: the first bytes once, each chunk once.
    let parts = store
        .get_ranges(&at, &[c..c + 5, 5 * c..6 * c, 0..10, c + 1..2 * c])
        .await
        .unwrap();
    let c = CHUNK;
    assert!(
        parts
            == [
                &clear[c..c + 5],
                &clear[5 * c..6 * c],
                &clear[..10],
                &clear[c + 1..2 * c]
            ]
    );
    assert_eq!(inner.reads(), [first, slots(0..2), slots(5..6)]);
}

#[tokio::test]
async fn nothing_is_said_of_the_length_before_the_last_chunk_has_opened() {
    let (store, inner) = in_memory();
    let at = path("clip");
    store.put(&at, bytes(3 * CHUNK).into()).await.unwrap();
    let mut object = read(&inner, &at).await.unwrap();
    *object.last_mut().unwrap() ^= 1; // the last chunk is empty: a tag
    inner.put(&at, object.into()).await.unwrap();
    let c = CHUNK as u64;
    for range in [
        GetRange::Suffix(5),
        GetRange::Offset(c),
        (c..4 * c).into(),
        (4 * c..5 * c).into(),
    ] {
        let options = GetOptions::new().with_range(Some(range.clone()));
        let refused = refusal(store.get_opts(&at, options).await, &at);
        assert!(refused.contains("its chunk 3"), "{range:?}: {refused}");
    }
    // Of the whole, the last bytes do not come.
    let mut stream = store.get(&at).await.unwrap().into_stream();
    let mut came = 0;
    let error = loop {
        use futures::StreamExt as _;
        match stream.next().await.unwrap() {
            Ok(piece) => came += piece.len(),
            Err(error) => break error,
        }
    };
    assert!(came < 3 * CHUNK);
    assert!(StoreError::of(&error).is_some());
    // What does not depend on it is given.
    assert_eq!(
        read_range(&store, &at, c..3 * c).await.unwrap(),
        bytes(3 * CHUNK)[CHUNK..]
    );
}

fn lengths() -> impl Strategy<Value = usize> {
    prop_oneof![
        Just(0),
        1..40_usize,
        (0..5_usize, -2..3_isize).prop_map(|(n, by)| (n * CHUNK).saturating_add_signed(by)),
        0..200_000_usize,
    ]
}

fn any_range() -> impl Strategy<Value = GetRange> {
    let at = || {
        prop_oneof![
            0..100_u64,
            0..200_000_u64,
            (0..12_u64).prop_map(|n| n * CHUNK as u64)
        ]
    };
    prop_oneof![
        (at(), at()).prop_map(|(start, length)| GetRange::Bounded(start..start + length)),
        at().prop_map(GetRange::Offset),
        at().prop_map(GetRange::Suffix),
        Just(GetRange::Bounded(0..u64::MAX)),
        Just(GetRange::Bounded(u64::MAX - 1..u64::MAX)),
        Just(GetRange::Offset(u64::MAX)),
        Just(GetRange::Suffix(u64::MAX)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_range_is_what_an_unwrapped_store_gives(length in lengths(), ranges in prop::collection::vec(any_range(), 1..6)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (store, _) = in_memory();
            let plain = InMemory::new();
            let at = path("a/b");
            store.put(&at, bytes(length).into()).await.unwrap();
            plain.put(&at, bytes(length).into()).await.unwrap();
            for range in &ranges {
                let got = read_range(&store, &at, range.clone()).await;
                let expected = read_range(&plain, &at, range.clone()).await;
                assert_eq!(got.is_ok(), expected.is_ok(), "{range:?}: {got:?}");
                assert!(got.ok() == expected.ok(), "{range:?}");
            }
            let bounded: Vec<_> = ranges.iter().filter_map(|range| match range {
                GetRange::Bounded(range) if range.end < 1 << 40 => Some(range.clone()),
                _ => None,
            }).collect();
            let got = store.get_ranges(&at, &bounded).await;
            let fits = bounded.iter().all(|range| GetRange::Bounded(range.clone()).as_range(length as u64).is_ok());
            assert_eq!(got.is_ok(), fits);
            if let Ok(got) = got {
                let all = bytes(length);
                for (part, range) in got.iter().zip(&bounded) {
                    let range = GetRange::Bounded(range.clone()).as_range(length as u64).unwrap();
                    assert!(part == &all[range.start as usize..range.end as usize]);
                }
            }
        });
    }
}
