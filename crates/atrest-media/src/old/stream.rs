use bytes::Bytes;
use futures::stream::{Stream, TryStreamExt as _, try_unfold};

use super::OldOpener;
use crate::inplace::Failure;
use crate::stream::in_pieces;
use crate::wiped::Wiped;

/// Room beyond what came for what an opener held back: two blocks.
const HELD: usize = 32;

/// The clear bytes of a stream that is one whole file of an earlier system. **Until it has
/// ended without an error, what came is worth nothing.**
pub(crate) fn opened<S>(
    file: S,
    opener: OldOpener,
) -> impl Stream<Item = Result<Bytes, Failure>> + Send + use<S>
where
    S: Stream<Item = Result<Bytes, Failure>> + Send,
{
    let state = Some((Box::pin(in_pieces(file)), opener));
    let failed = |error| Failure::io("opening what an earlier system wrote")(error);
    try_unfold(state, move |state| async move {
        let Some((mut file, mut opener)) = state else {
            return Ok(None);
        };
        while let Some(piece) = file.try_next().await? {
            let mut clear = Wiped::with_capacity(piece.len() + HELD);
            opener.push(&piece, &mut clear).map_err(failed)?;
            if !clear.is_empty() {
                return Ok(Some((clear.into_bytes(), Some((file, opener)))));
            }
        }
        let mut clear = Wiped::with_capacity(opener.held() + HELD);
        opener.finish(&mut clear).map_err(failed)?;
        Ok(Some((clear.into_bytes(), None)))
    })
    .try_filter(|piece| std::future::ready(!piece.is_empty()))
}
