//! Libraries that block: called on a thread that nobody waits for once the time limit
//! is over.

use tokio::sync::oneshot;

use super::Failure;
use crate::RemoteProblem;

/// What `work` gives, awaited. A thread that a library never gives back stays behind
/// when the time limit of the request ends.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    let (sender, receiver) = oneshot::channel();
    std::thread::Builder::new()
        .spawn(move || {
            // Nobody waits any more: what came too late is dropped, and wiped.
            drop(sender.send(work()));
        })
        .map_err(|error| {
            Failure::new(
                RemoteProblem::Failed,
                error.to_string(),
                "check the limits of threads and open files of this process",
            )
        })?;
    receiver.await.unwrap_or_else(|_| {
        Err(Failure::new(
            RemoteProblem::Failed,
            "the client library panicked",
            "report this as an error of atrest",
        ))
    })
}
