//! The streams without blocking make and read the very objects of the others.

use std::io;

use atrest_core::object::{open_object, seal_object};
use atrest_media::{open_stream, seal_stream};
use bytes::Bytes;
use futures::{Stream, TryStreamExt as _};
use proptest::prelude::*;

use super::*;

const ID: &[u8] = b"gate/clip.mp4";

/// The bytes, in pieces of these lengths by turns.
fn cut(bytes: Vec<u8>, lengths: Vec<usize>) -> impl Stream<Item = io::Result<Bytes>> + Send {
    let mut rest = Bytes::from(bytes);
    let mut lengths = lengths.into_iter().cycle();
    futures::stream::iter(std::iter::from_fn(move || {
        (!rest.is_empty()).then(|| Ok(rest.split_to(lengths.next().unwrap().min(rest.len()))))
    }))
}

async fn all(stream: impl Stream<Item = io::Result<Bytes>>) -> io::Result<Vec<u8>> {
    Ok(stream.try_collect::<Vec<_>>().await?.concat())
}

async fn opened(object: Vec<u8>, lengths: Vec<usize>) -> io::Result<Vec<u8>> {
    all(open_stream(cut(object, lengths), &keyring(), ID).await?).await
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_stream_becomes_an_object_and_comes_back(
        length in prop_oneof![0..100_usize, 0..400_000_usize, (0..6_usize).prop_map(|n| n * CHUNK)],
        cuts in prop::collection::vec(prop_oneof![1..100_usize, 1..100_000_usize], 1..8),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let clear = bytes(length);
            let object = all(seal_stream(cut(clear.clone(), cuts.clone()), &keyring(), ID).unwrap()).await.unwrap();
            assert!(open_object(&keyring(), ID, &object).unwrap() == clear);
            let object = seal_object(&keyring(), ID, &clear).unwrap();
            assert!(opened(object, cuts).await.unwrap() == clear);
        });
    }
}

#[tokio::test]
async fn long_ones_come_in_pieces_of_at_most_a_mib() {
    let clear = bytes(10 << 20);
    let sealed = seal_stream(cut(clear.clone(), vec![10 << 20]), &keyring(), ID).unwrap();
    let pieces: Vec<Bytes> = sealed.try_collect().await.unwrap();
    assert!(
        pieces.iter().all(|piece| piece.len() <= 64 * SLOT),
        "a MiB and its tags"
    );
    let object = pieces.concat();
    let clear_again = open_stream(cut(object, vec![usize::MAX]), &keyring(), ID)
        .await
        .unwrap();
    let pieces: Vec<Bytes> = clear_again.try_collect().await.unwrap();
    assert!(pieces.iter().all(|piece| piece.len() <= 65 * CHUNK));
    assert!(pieces.concat() == clear);
}

#[tokio::test]
async fn cut_off_anywhere_is_refused_and_the_last_bytes_do_not_come() {
    let object = seal_object(&keyring(), ID, &bytes(3 * CHUNK)).unwrap();
    for end in (0..object.len())
        .step_by(311)
        .chain((0..4).map(|n| PROLOGUE + n * SLOT))
    {
        let error = opened(object[..end].to_vec(), vec![5_000])
            .await
            .unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{end}: {error}");
    }
}

#[tokio::test]
async fn errors_of_the_stream_come_through_and_end_it() {
    let broken = || {
        let bytes = cut(bytes(100_000), vec![30_000]);
        futures::StreamExt::chain(bytes, futures::stream::iter([Err(io::Error::other("cut"))]))
    };
    let sealed = seal_stream(broken(), &keyring(), ID).unwrap();
    let results: Vec<io::Result<Bytes>> = futures::StreamExt::collect(sealed).await;
    assert_eq!(
        results.last().unwrap().as_ref().unwrap_err().to_string(),
        "cut"
    );
    assert_eq!(results.iter().filter(|it| it.is_err()).count(), 1);
    let object: Vec<Bytes> = results.into_iter().map_while(Result::ok).collect();
    assert!(open_object(&keyring(), ID, &object.concat()).is_err());
}
