//! The keys of a page's subjects are worked on by all cores: the page waits for them, and
//! with it whoever else is to make keys.

use std::panic::resume_unwind;
use std::thread::{self, Builder, ScopedJoinHandle};

/// What is worth a thread.
const SHARE: usize = 256;

/// What `work` makes of each of `items`, in their order.
///
/// # Errors
/// The first one of `work`'s in that order.
pub(super) fn each<T: Sync, R: Send, E: Send>(
    items: &[T],
    work: impl Fn(&T) -> Result<R, E> + Sync,
) -> Result<Vec<R>, E> {
    let of = |share: &[T]| share.iter().map(&work).collect::<Result<Vec<R>, E>>();
    if items.len() <= SHARE {
        return of(items);
    }
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let mut shares = items.chunks(items.len().div_ceil(cores).max(SHARE));
    let first = shares.next().unwrap_or_default();
    thread::scope(|scope| {
        let begin = |share| {
            let thread = Builder::new().spawn_scoped(scope, move || of(share));
            (share, thread.ok())
        };
        let rest: Vec<_> = shares.map(begin).collect();
        let mut all = of(first)?;
        for (share, thread) in rest {
            all.extend(match thread.map(ScopedJoinHandle::join) {
                Some(Ok(done)) => done?,
                Some(Err(panic)) => resume_unwind(panic),
                None => of(share)?, // no thread was to be had
            });
        }
        Ok(all)
    })
}

#[cfg(test)]
mod tests {
    use super::{SHARE, each};

    #[test]
    fn everything_is_done_in_its_order_and_the_first_error_is_told() {
        for count in [0, 1, SHARE, SHARE + 1, 10 * SHARE + 3] {
            let items: Vec<usize> = (0..count).collect();
            let squares = each(&items, |n| Ok::<_, usize>(n * n)).unwrap();
            assert!(
                squares
                    .iter()
                    .enumerate()
                    .all(|(n, square)| n * n == *square)
            );
            assert_eq!(squares.len(), count);
            let odd = |n: &usize| if *n > count / 2 { Err(*n) } else { Ok(()) };
            let first = (count / 2 + 1 < count).then_some(count / 2 + 1);
            assert_eq!(each(&items, odd).err(), first);
        }
    }
}
