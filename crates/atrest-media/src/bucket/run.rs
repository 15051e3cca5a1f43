use std::sync::{Arc, Mutex, PoisonError};

use atrest_core::Keyring;
use futures::stream::TryStreamExt as _;
use object_store::prefix::PrefixStore;
use object_store::{ObjectMeta, ObjectStore as _};

use super::object::Job;
use super::probe::Conditions;
use super::{Bucket, BucketError, Operation, Options, Report, Why};
use crate::inplace::{Failure, Watch, is_temporary};
use crate::store::SealedStore;

/// [`Bucket::run`].
pub(super) async fn run(
    bucket: &Bucket,
    operation: Operation,
    keyring: &Arc<Keyring>,
    options: &Options<'_>,
) -> Result<Report, BucketError> {
    let mut conditions = Conditions::default();
    if operation.changes() {
        conditions = bucket.probe().await?;
        if !conditions.put && !bucket.quiet {
            let bucket = bucket.name.clone();
            return Err(BucketError::Unconditional { bucket });
        }
    }
    let watch = Watch {
        stop: options.stop,
        tell: options.progress,
        files: 0.into(),
        bytes: 0.into(),
    };
    let below = PrefixStore::new(bucket.raw.s3.clone(), bucket.prefix.clone());
    let job = Job {
        bucket,
        store: SealedStore::new(below, Arc::clone(keyring), bucket.bind),
        operation,
        keyring,
        watch: &watch,
        conditions,
    };
    let report = Mutex::new(Report::default());
    let listed = job.store.inner().list(None);
    let listed = listed.try_take_while(|_| std::future::ready(Ok(!watch.stopped())));
    let done = listed.try_for_each_concurrent(options.workers.max(1), async |listed| {
        one(&job, &listed, &report).await;
        Ok(())
    });
    done.await.map_err(|error| BucketError::Server {
        doing: "listing",
        bucket: bucket.name.clone(),
        problem: error.to_string(),
    })?;
    let mut report = report.into_inner().unwrap_or_else(PoisonError::into_inner);
    report.stopped |= watch.stopped();
    if !report.stopped {
        report.versions = bucket.old_versions(options.workers).await;
    }
    report.sort();
    Ok(report)
}

async fn one(job: &Job<'_>, listed: &ObjectMeta, report: &Mutex<Report>) {
    let name = listed.location.as_ref();
    let last = listed.location.filename().unwrap_or_default();
    if is_temporary(last.as_bytes()) {
        let removed = left_over(job, listed).await;
        let mut report = lock(report);
        match removed {
            Ok(()) => report.removed += 1,
            Err(failure) => report.count(name.as_bytes(), Err(failure)),
        }
    } else if job.bucket.filter.takes(std::path::Path::new(name)) {
        let done = if job.watch.stopped() {
            Err(Failure::Stopped)
        } else {
            job.object(listed).await
        };
        lock(report).count(name.as_bytes(), done);
        job.watch.file_done();
    }
}

/// What a killed run tried conditions on.
async fn left_over(job: &Job<'_>, listed: &ObjectMeta) -> Result<(), Failure> {
    if !job.operation.changes() {
        return Err(Failure::Skipped(Why::LeftOver));
    }
    let removed = job.bucket.remove(&job.bucket.key(&listed.location)).await;
    removed.map_err(super::error::failed("removing what a killed run left"))
}

/// A task that panicked takes the run with it.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
