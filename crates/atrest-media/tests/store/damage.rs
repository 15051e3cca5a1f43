//! Everything that is not the object that was sealed is refused, by its name.

use object_store::ObjectStoreExt as _;

use super::*;

const LENGTH: usize = 3 * CHUNK + 1_000;

/// An object of four chunks, as the inner store holds it.
async fn object(at: &str) -> Vec<u8> {
    let (store, inner) = in_memory();
    store.put(&path(at), bytes(LENGTH).into()).await.unwrap();
    read(&inner, &path(at)).await.unwrap()
}

/// Reads these bytes as the object `clip`, whole; gives what the refusal says.
async fn refused(object: &[u8]) -> String {
    let (store, inner) = in_memory();
    let at = path("clip");
    inner.put(&at, object.to_vec().into()).await.unwrap();
    let whole = refusal(read(&store, &at).await, &at);
    // From every chunk to the end, too.
    for from in [1, CHUNK, 2 * CHUNK + 1, 3 * CHUNK] {
        let rest = read_range(&store, &at, from as u64..).await;
        let part = read_range(&store, &at, GetRange::Suffix((LENGTH - from) as u64)).await;
        let last = read_range(&store, &at, (LENGTH - 1) as u64..(LENGTH + 1) as u64).await;
        for clear in [rest, part, last].into_iter().flatten() {
            // Only what is untouched by it.
            assert!(bytes(LENGTH).ends_with(&clear), "{whole}");
        }
    }
    whole
}

fn slot(object: &[u8], chunk: usize) -> Vec<u8> {
    let from = PROLOGUE + chunk * SLOT;
    object[from..(from + SLOT).min(object.len())].to_vec()
}

fn assemble(object: &[u8], slots: &[Vec<u8>]) -> Vec<u8> {
    [object[..PROLOGUE].to_vec(), slots.concat()].concat()
}

#[tokio::test]
async fn any_flipped_bit_is_refused() {
    let object = object("clip").await;
    let everywhere = (0..PROLOGUE).chain((PROLOGUE..object.len()).step_by(997));
    let borders = (0..4).flat_map(|n| [PROLOGUE + n * SLOT, PROLOGUE + n * SLOT + CHUNK]);
    for place in everywhere
        .chain(borders)
        .filter(|place| *place < object.len())
    {
        let mut changed = object.clone();
        changed[place] ^= 1 << (place % 8);
        let (store, inner) = in_memory();
        inner.put(&path("clip"), changed.into()).await.unwrap();
        refusal(read(&store, &path("clip")).await, &path("clip"));
        if place >= PROLOGUE {
            // The range of that chunk, and no other.
            let chunk = (place - PROLOGUE) / SLOT;
            for n in 0..4 {
                let range = (n * CHUNK) as u64..((n + 1) * CHUNK).min(LENGTH) as u64;
                let got = read_range(&store, &path("clip"), range).await;
                assert_eq!(got.is_err(), n == chunk, "bit at {place}, chunk {n}");
            }
        }
    }
}

#[tokio::test]
async fn cut_at_every_border_and_beside_it_is_refused() {
    let object = object("clip").await;
    for border in [0, 1, 15, 16, 71, PROLOGUE, PROLOGUE + 16]
        .into_iter()
        .chain((0..4).map(|n| PROLOGUE + n * SLOT))
        .chain((0..4).map(|n| PROLOGUE + n * SLOT + 16))
        .chain((0..4).map(|n| PROLOGUE + n * SLOT + 1_000))
        .chain([object.len() - 1])
    {
        let said = refused(&object[..border]).await;
        let expected = ["no object is", "no encrypted object", "does not open"];
        assert!(
            expected.iter().any(|it| said.contains(it)),
            "{border}: {said}"
        );
    }
}

#[tokio::test]
async fn swapped_doubled_missing_and_foreign_chunks_are_refused() {
    let object = object("clip").await;
    let [a, b, c, d] = [0, 1, 2, 3].map(|n| slot(&object, n));
    let twin = self::object("clip").await; // the same content, sealed again
    let of = |slots: &[&Vec<u8>]| {
        let slots: Vec<Vec<u8>> = slots.iter().map(|slot| (*slot).clone()).collect();
        assemble(&object, &slots)
    };
    assert_eq!(of(&[&a, &b, &c, &d]), object);
    for (what, changed) in [
        ("swapped", of(&[&b, &a, &c, &d])),
        ("swapped at the end", of(&[&a, &b, &d, &c])),
        ("doubled", of(&[&a, &b, &b, &c, &d])),
        ("doubled last", of(&[&a, &b, &c, &d, &d])),
        ("missing", of(&[&a, &c, &d])),
        ("missing first", of(&[&b, &c, &d])),
        ("another's", of(&[&a, &slot(&twin, 1), &c, &d])),
        ("another's last", of(&[&a, &b, &c, &slot(&twin, 3)])),
        (
            "another's all",
            of(&[
                &slot(&twin, 0),
                &slot(&twin, 1),
                &slot(&twin, 2),
                &slot(&twin, 3),
            ]),
        ),
        ("zeros appended", [object.clone(), vec![0; 100]].concat()),
        (
            "an object appended",
            [object.clone(), twin.clone()].concat(),
        ),
    ] {
        let said = refused(&changed).await;
        assert!(
            said.contains("does not open") || said.contains("no object is"),
            "{what}: {said}"
        );
    }
}

#[tokio::test]
async fn an_object_renamed_onto_anothers_name_is_refused() {
    let (store, inner) = in_memory();
    let (a, b) = (path("gate/a.mp4"), path("gate/b.mp4"));
    store.put(&a, bytes(LENGTH).into()).await.unwrap();
    store.put(&b, bytes(LENGTH).into()).await.unwrap();
    inner.copy(&a, &b).await.unwrap();
    assert_eq!(read(&store, &a).await.unwrap(), bytes(LENGTH));
    for range in [
        GetRange::Offset(0),
        (20_000..20_001).into(),
        GetRange::Suffix(1),
    ] {
        let said = refusal(read_range(&store, &b, range).await, &b);
        assert!(said.contains("it was sealed under another name"), "{said}");
    }
}

#[tokio::test]
async fn an_older_object_under_the_same_name_opens() {
    // What binding does not promise: it is the name's own object, of another day.
    let (store, inner) = in_memory();
    let at = path("clip");
    store.put(&at, "monday".into()).await.unwrap();
    let monday = read(&inner, &at).await.unwrap();
    store.put(&at, "tuesday".into()).await.unwrap();
    inner.put(&at, monday.into()).await.unwrap();
    assert_eq!(read(&store, &at).await.unwrap(), b"monday");
}
