//! Waits for a verb on the calling thread, which shows its progress and hears Ctrl-C.

use std::collections::VecDeque;
use std::mem;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use atrest_engine::observe::{Event, Observer, Phase, Stop};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use serde_json::{Value, json};

use crate::errors::EngineError;
use crate::runtime::{cannot_start, runtime};

/// How often the calling thread looks: progress is shown no more often.
const EVERY: Duration = Duration::from_millis(100);

/// A verb that is watched and can be stopped. Cloning shares it.
#[derive(Clone, Default)]
pub(super) struct Watched {
    pub(super) stop: Stop,
    news: Arc<News>,
}

#[derive(Default)]
struct News {
    events: Mutex<VecDeque<Told>>,
    warnings: Mutex<Vec<String>>,
}

/// An event for Python, or rows that may still be added to.
enum Told {
    Rows { read: u64, changed: u64 },
    Other(Value),
}

impl Watched {
    /// Who is told by the engine.
    pub(super) fn observer(&self) -> Arc<dyn Observer> {
        Arc::clone(&self.news) as Arc<dyn Observer>
    }

    /// For the application's log.
    pub(super) fn warn(&self, text: String) {
        lock(&self.news.warnings).push(text);
    }

    pub(super) fn warnings(&self) -> Vec<String> {
        mem::take(&mut lock(&self.news.warnings))
    }

    fn show(&self, progress: &Bound<'_, PyAny>) -> PyResult<()> {
        let events = mem::take(&mut *lock(&self.news.events));
        for told in events {
            let event = match told {
                Told::Rows { read, changed } => {
                    json!({"event": "rows", "read": read, "changed": changed})
                }
                Told::Other(event) => event,
            };
            let json = progress.py().import("json")?;
            let event = json.call_method1("loads", (event.to_string(),))?;
            progress.call1((event.cast_into::<PyDict>()?,))?;
        }
        Ok(())
    }
}

impl Observer for News {
    fn event(&self, event: &Event<'_>) {
        let mut events = lock(&self.events);
        let told = match *event {
            Event::Rows { read, changed } => {
                if let Some(Told::Rows {
                    read: before,
                    changed: changed_before,
                }) = events.back_mut()
                {
                    *before += read;
                    *changed_before += changed;
                    return;
                }
                Told::Rows { read, changed }
            }
            Event::Pass {
                column,
                phase,
                rows,
                resumed,
            } => Told::Other(json!({
                "event": "pass",
                "column": column,
                "phase": phase_name(phase),
                "rows": rows,
                "resumed": resumed,
            })),
            Event::PassEnd => Told::Other(json!({"event": "pass_end"})),
            Event::Note { column, text } => {
                Told::Other(json!({"event": "note", "column": column, "text": text}))
            }
        };
        events.push_back(told);
    }
}

fn phase_name(phase: Phase) -> &'static str {
    match phase {
        Phase::Scan => "scan",
        Phase::Change => "change",
        Phase::Sweep(_) => "sweep",
        Phase::Restore => "restore",
    }
}

/// Runs `verb` to its end, with the GIL released. A signal's exception (KeyboardInterrupt)
/// or one of `progress` stops it after the page at hand and is raised then.
pub(super) fn until<F>(
    py: Python<'_>,
    watched: &Watched,
    progress: Option<&Bound<'_, PyAny>>,
    verb: F,
) -> PyResult<Value>
where
    F: AsyncFnOnce() -> PyResult<Value> + Send + 'static,
{
    let runtime = runtime()?;
    let (send, done) = sync_channel(1);
    let done = Mutex::new(done);
    let worker = thread::Builder::new().name("atrest".to_owned());
    let worker = worker.spawn(move || {
        // Nobody waits any more only if the interpreter has ended.
        let _ = send.send(runtime.block_on(verb()));
    });
    worker.map_err(|error| cannot_start(&error))?;
    let mut raised = None;
    let result = loop {
        let waited = py.detach(|| lock(&done).recv_timeout(EVERY));
        let told = match (progress, &raised) {
            (Some(progress), None) => watched.show(progress),
            _ => Ok(()),
        };
        if let Err(error) = told.and_then(|()| py.check_signals()) {
            watched.stop.request();
            raised.get_or_insert(error);
        }
        match waited {
            Ok(result) => break result,
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                break Err(EngineError::new_err(
                    "the run ended unexpectedly; every row is whole: run it again, and report this",
                ));
            }
        }
    };
    match raised {
        Some(error) => Err(error),
        None => result,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
