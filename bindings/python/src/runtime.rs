//! The threads on which databases are asked.

use std::mem;
use std::sync::{Arc, Mutex, PoisonError};

use pyo3::prelude::*;
use tokio::runtime::{Builder, Runtime};

use crate::errors::EngineError;
use crate::fork::Process;

/// Of one process: threads do not survive a `fork`.
static RUNTIME: Mutex<Option<(Process, Arc<Runtime>)>> = Mutex::new(None);

/// Waits for a short piece of work with the GIL released.
pub(crate) fn wait<T: Send>(py: Python<'_>, work: impl AsyncFnOnce() -> T + Send) -> PyResult<T> {
    let runtime = runtime()?;
    Ok(py.detach(|| runtime.block_on(work())))
}

/// Made when it is first needed, and anew in a child.
pub(crate) fn runtime() -> PyResult<Arc<Runtime>> {
    let mut kept = RUNTIME.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((process, runtime)) = &*kept
        && *process == Process::this()
    {
        return Ok(Arc::clone(runtime));
    }
    // The parent's has no threads here, so that dropping it would wait for ever.
    mem::forget(kept.take());
    let runtime = Builder::new_multi_thread().enable_all().build();
    let runtime = Arc::new(runtime.map_err(|error| cannot_start(&error))?);
    *kept = Some((Process::this(), Arc::clone(&runtime)));
    Ok(runtime)
}

pub(crate) fn cannot_start(error: &std::io::Error) -> PyErr {
    EngineError::new_err(format!(
        "cannot start worker threads: {error}; raise the limit on processes"
    ))
}
