//! HTTP/2: what is under way on a connection, and whether anybody takes it. (HTTP/1.1
//! sends one answer at a time, so that its writes tell: `stall.rs`.)

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::BoxError;
use axum::body::Body;
use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::{Instant, sleep};

/// The most bytes of an answer that are handed on at once: who takes so many within the
/// limit goes on.
const PIECE: usize = 64 << 10;

/// The streams of one connection.
pub(crate) struct Activity {
    limit: Duration,
    state: Mutex<State>,
}

struct State {
    streams: Vec<Weak<Stream>>,
    /// When the last one began or ended.
    last: Instant,
}

/// One request with its answer.
pub(crate) struct Stream {
    activity: Arc<Activity>,
    answer: Mutex<Answer>,
}

#[derive(Default)]
struct Answer {
    body: Option<Body>,
    /// What the body gave and was not handed on.
    rest: Bytes,
    /// Since when it is for the client to take what was handed on.
    waits: Option<Instant>,
    left: bool,
}

impl Activity {
    pub(crate) fn new(limit: Duration) -> Arc<Self> {
        let state = State {
            streams: Vec::new(),
            last: Instant::now(),
        };
        Arc::new(Self {
            limit,
            state: Mutex::new(state),
        })
    }

    /// A request has come.
    pub(crate) fn begin(self: &Arc<Self>) -> Arc<Stream> {
        let stream = Arc::new(Stream {
            activity: Arc::clone(self),
            answer: Mutex::default(),
        });
        let mut state = lock(&self.state);
        state.last = Instant::now();
        if state.streams.len() == state.streams.capacity() {
            state.streams.retain(|stream| stream.strong_count() > 0);
        }
        state.streams.push(Arc::downgrade(&stream));
        stream
    }

    /// Until there was nothing under way for the limit. Gives up answers that nobody
    /// took anything of for as long: they do not keep the connection.
    pub(crate) async fn idle(&self) {
        loop {
            sleep(self.limit / 4).await;
            let streams = lock(&self.state).streams.clone();
            let open: Vec<_> = streams.iter().filter_map(Weak::upgrade).collect();
            let mut busy = false;
            for stream in &open {
                busy |= !stream.is_left(self.limit);
            }
            // Before the state is locked: the last holder of a stream locks it too.
            drop(open);
            if !busy && lock(&self.state).last.elapsed() >= self.limit {
                return;
            }
        }
    }
}

impl Stream {
    /// The answer, watched.
    pub(crate) fn answer(self: Arc<Self>, body: Body) -> Taking {
        *lock(&self.answer) = Answer {
            body: Some(body),
            waits: Some(Instant::now()),
            ..Answer::default()
        };
        Taking(self)
    }

    /// Whether its client takes nothing of it: then what it held is let go.
    fn is_left(&self, limit: Duration) -> bool {
        let mut answer = lock(&self.answer);
        if answer.waits.is_some_and(|since| since.elapsed() >= limit) {
            *answer = Answer {
                left: true,
                ..Answer::default()
            };
        }
        answer.left
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        lock(&self.activity.state).last = Instant::now();
    }
}

/// An answer's body, watched.
pub(crate) struct Taking(Arc<Stream>);

impl HttpBody for Taking {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let mut guard = lock(&self.0.answer);
        let answer = &mut *guard;
        let Some(body) = answer.body.as_mut() else {
            return Poll::Ready(Some(Err(Left.into())));
        };
        answer.waits = None;
        if answer.rest.is_empty() {
            let Poll::Ready(next) = Pin::new(body).poll_frame(context) else {
                return Poll::Pending;
            };
            let data = next.map(|next| next.map(Frame::into_data));
            answer.waits = Some(Instant::now());
            match data {
                Some(Ok(Ok(bytes))) if !bytes.is_empty() => answer.rest = bytes,
                Some(Ok(Ok(bytes))) => return Poll::Ready(Some(Ok(Frame::data(bytes)))),
                Some(Ok(Err(trailers))) => return Poll::Ready(Some(Ok(trailers))),
                Some(Err(error)) => return Poll::Ready(Some(Err(error.into()))),
                None => return Poll::Ready(None),
            }
        }
        answer.waits = Some(Instant::now());
        let piece = answer.rest.len().min(PIECE);
        let piece = answer.rest.split_to(piece);
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        let answer = lock(&self.0.answer);
        let ended = answer.body.as_ref().is_some_and(Body::is_end_stream);
        answer.rest.is_empty() && ended
    }

    fn size_hint(&self) -> SizeHint {
        let answer = lock(&self.0.answer);
        let body = answer.body.as_ref().map(Body::size_hint);
        let (body, rest) = (body.unwrap_or_default(), answer.rest.len() as u64);
        let mut hint = SizeHint::new();
        if let Some(upper) = body.upper() {
            hint.set_upper(upper + rest);
        }
        hint.set_lower(body.lower() + rest);
        hint
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Nobody took the answer in time.
#[derive(Debug, thiserror::Error)]
#[error("the answer was not taken in time")]
struct Left;
