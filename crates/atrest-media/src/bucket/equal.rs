use bytes::Bytes;
use futures::stream::{Stream, TryStreamExt as _};

use crate::inplace::Failure;

/// Which of two streams failed.
pub(super) enum Side {
    One(Failure),
    Other(Failure),
}

/// Whether two streams give the same bytes. Both are read to their ends, which proves them,
/// and finds damage behind a difference.
pub(super) async fn equal(
    mut one: impl Stream<Item = Result<Bytes, Failure>> + Unpin,
    mut other: impl Stream<Item = Result<Bytes, Failure>> + Unpin,
) -> Result<bool, Side> {
    let (mut a, mut b) = (Bytes::new(), Bytes::new());
    let mut same = true;
    loop {
        let more = fill(&mut a, &mut one).await.map_err(Side::One)?;
        let as_much = fill(&mut b, &mut other).await.map_err(Side::Other)?;
        if !more && !as_much {
            return Ok(same);
        }
        if more && as_much {
            let both = a.len().min(b.len());
            same &= a.split_to(both) == b.split_to(both);
        } else {
            same = false;
            a.clear();
            b.clear();
        }
    }
}

/// Whether there is something in it, after more was read if there was not.
async fn fill(
    bytes: &mut Bytes,
    stream: &mut (impl Stream<Item = Result<Bytes, Failure>> + Unpin),
) -> Result<bool, Failure> {
    while bytes.is_empty() {
        match stream.try_next().await? {
            Some(piece) => *bytes = piece,
            None => return Ok(false),
        }
    }
    Ok(true)
}
