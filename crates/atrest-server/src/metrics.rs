//! What is counted and timed, for Prometheus.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use atrest_media::Observe;
use metrics::{counter, gauge, histogram, with_local_recorder};
use metrics_exporter_prometheus::{
    BuildError, PrometheusBuilder, PrometheusHandle, PrometheusRecorder,
};

use crate::failure::Failure;

/// Seconds that the histograms count up to, from 100 µs to a minute.
const BUCKETS: [f64; 12] = [
    0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 20.0, 60.0,
];

/// The metrics of one server; nothing is global. `docs/serve.md` lists them.
#[derive(Clone)]
pub struct Metrics {
    recorder: Arc<PrometheusRecorder>,
    handle: PrometheusHandle,
}

impl Metrics {
    /// With nothing counted yet.
    ///
    /// # Errors
    /// None that is known: the buckets are not empty.
    pub fn new() -> Result<Self, BuildError> {
        let recorder = PrometheusBuilder::new()
            .set_buckets(&BUCKETS)?
            .build_recorder();
        let handle = recorder.handle();
        let metrics = Self {
            recorder: Arc::new(recorder),
            handle,
        };
        metrics.describe();
        Ok(metrics)
    }

    /// Names a key that is at hand, or no longer; its role is `primary` or `previous`.
    pub fn key(&self, key: &impl ToString, role: &'static str, at_hand: bool) {
        let value = if at_hand { 1.0 } else { 0.0 };
        self.with(|| {
            gauge!("atrest_key_info", "key" => key.to_string(), "role" => role).set(value);
        });
    }

    /// When a key was made, in seconds since 1970: its age is `time()` less that.
    pub fn key_created(&self, key: &impl ToString, created: f64) {
        self.with(|| {
            gauge!("atrest_key_created_timestamp_seconds", "key" => key.to_string()).set(created);
        });
    }

    /// A server of keys was asked, and answered or did not.
    pub fn key_source(&self, source: &impl ToString, answered: bool) {
        let source = source.to_string();
        self.with(|| {
            let value = if answered { 1.0 } else { 0.0 };
            gauge!("atrest_key_source_up", "source" => source.clone()).set(value);
            let result = if answered { "answered" } else { "failed" };
            counter!("atrest_key_source_requests_total", "source" => source, "result" => result)
                .increment(1);
        });
    }

    /// The keys were to be read again, and could or could not be used.
    pub fn keys_read(&self, used: bool) {
        self.with(|| counter!("atrest_key_reads_total", "result" => result(used)).increment(1));
    }

    /// The text that Prometheus reads.
    pub(crate) fn render(&self) -> String {
        self.handle.render()
    }

    pub(crate) fn failed(&self, failure: Failure) {
        self.with(|| counter!("atrest_failures_total", "kind" => failure.name()).increment(1));
    }

    pub(crate) fn answered(
        &self,
        route: &'static str,
        method: &'static str,
        status: u16,
        took: Duration,
    ) {
        self.with(|| {
            let labels = [("route", route), ("method", method)];
            histogram!("atrest_http_request_seconds", &labels).record(took);
            let status = status.to_string();
            counter!("atrest_http_requests_total", "route" => route, "method" => method, "status" => status)
                .increment(1);
        });
    }

    pub(crate) fn sent(&self, bytes: u64) {
        self.with(|| counter!("atrest_http_sent_bytes_total").increment(bytes));
    }

    pub(crate) fn received(&self, bytes: u64) {
        self.with(|| counter!("atrest_http_received_bytes_total").increment(bytes));
    }

    pub(crate) fn connections(&self, by: f64) {
        self.with(|| gauge!("atrest_http_connections").increment(by));
    }

    fn with<T>(&self, record: impl FnOnce() -> T) -> T {
        with_local_recorder(&*self.recorder, record)
    }

    /// Help texts; and counters that start at zero, so that a rate is known from the
    /// first scrape on.
    fn describe(&self) {
        self.with(|| {
            for (name, help) in COUNTERS {
                metrics::describe_counter!(*name, *help);
            }
            for (name, help) in HISTOGRAMS {
                metrics::describe_histogram!(*name, *help);
            }
            for (name, help) in GAUGES {
                metrics::describe_gauge!(*name, *help);
            }
            for kind in [
                Failure::Refused,
                Failure::Keys,
                Failure::Full,
                Failure::Store,
                Failure::Interrupted,
            ] {
                counter!("atrest_failures_total", "kind" => kind.name()).absolute(0);
            }
            for used in [true, false] {
                counter!("atrest_key_reads_total", "result" => result(used)).absolute(0);
            }
            counter!("atrest_sealed_bytes_total").absolute(0);
            counter!("atrest_opened_bytes_total").absolute(0);
        });
    }
}

/// For [`SealedStore::observed`](atrest_media::store::SealedStore::observed). What is
/// refused is counted where it is answered.
impl Observe for Metrics {
    fn sealed(&self, bytes: u64, took: Duration) {
        self.with(|| {
            counter!("atrest_sealed_bytes_total").increment(bytes);
            histogram!("atrest_seal_seconds").record(took);
        });
    }

    fn opened(&self, bytes: u64, took: Duration) {
        self.with(|| {
            counter!("atrest_opened_bytes_total").increment(bytes);
            histogram!("atrest_open_seconds").record(took);
        });
    }
}

const COUNTERS: &[(&str, &str)] = &[
    (
        "atrest_failures_total",
        "Requests that failed for no fault of their own, by kind.",
    ),
    (
        "atrest_http_received_bytes_total",
        "Clear bytes of objects that clients sent.",
    ),
    (
        "atrest_http_requests_total",
        "Requests by route, method and status.",
    ),
    (
        "atrest_http_sent_bytes_total",
        "Clear bytes of objects that were sent.",
    ),
    (
        "atrest_key_reads_total",
        "Times that the keys were read again, by result.",
    ),
    (
        "atrest_key_source_requests_total",
        "Requests to servers of keys, by source and result.",
    ),
    ("atrest_opened_bytes_total", "Clear bytes that were opened."),
    ("atrest_sealed_bytes_total", "Clear bytes that were sealed."),
];
const HISTOGRAMS: &[(&str, &str)] = &[
    (
        "atrest_http_request_seconds",
        "From a request's head to its answer's head.",
    ),
    (
        "atrest_open_seconds",
        "Time that the cipher took to open what was read together.",
    ),
    (
        "atrest_seal_seconds",
        "Time that the cipher took to seal what was written together.",
    ),
];
const GAUGES: &[(&str, &str)] = &[
    ("atrest_http_connections", "Connections that are open."),
    (
        "atrest_key_created_timestamp_seconds",
        "When a key of the keyring was made.",
    ),
    (
        "atrest_key_info",
        "Keys by id and role: 1 at hand, 0 no longer.",
    ),
    (
        "atrest_key_source_up",
        "Whether a server of keys answered when it was asked last.",
    ),
];

const fn result(used: bool) -> &'static str {
    if used { "used" } else { "refused" }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}
