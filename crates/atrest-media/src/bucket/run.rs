use std::sync::{Arc, Mutex, PoisonError};

use atrest_core::Keyring;
use futures::stream::TryStreamExt as _;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore as _, ObjectStoreExt as _};

use super::object::Job;
use super::probe::Conditions;
use super::{Bucket, BucketError, Operation, Options, Report, Why};
use crate::failpoints::{Point, reached};
use crate::inplace::{Failure, Watch, is_temporary};

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
    let watch = Watch::new(options);
    let job = Job::new(bucket, operation, keyring, &watch, conditions);
    let report = Mutex::new(Report::default());
    let listed = job.store.inner().list(None);
    let listed = listed.try_take_while(|_| std::future::ready(Ok(!watch.stopped())));
    let done = listed.try_for_each_concurrent(options.workers.max(1), async |listed| {
        one(&job, &listed, &report).await;
        Ok(())
    });
    done.await.map_err(|error| listing(bucket, &error))?;
    let mut report = report.into_inner().unwrap_or_else(PoisonError::into_inner);
    report.stopped |= watch.stopped();
    if !report.stopped {
        let purge = bucket.purge && operation == Operation::Encrypt;
        let purge = purge.then_some(&job.store);
        report.versions = bucket.old_versions(options.workers, purge).await;
    }
    report.sort();
    Ok(report)
}

/// [`Bucket::inspect`].
pub(super) async fn inspect(
    bucket: &Bucket,
    name: &Path,
    keyring: &Arc<Keyring>,
) -> Result<Report, BucketError> {
    let options = Options::default();
    let watch = Watch::new(&options);
    let conditions = Conditions::default();
    let job = Job::new(bucket, Operation::Verify, keyring, &watch, conditions);
    let done = match job.store.inner().head(name).await {
        Ok(about) => job.try_object(name, about.size).await,
        Err(error) => Err(super::error::failed("looking at it")(error)),
    };
    let mut report = Report::default();
    report.count(name.as_ref().as_bytes(), done);
    Ok(report)
}

/// [`Bucket::check`].
pub(super) async fn check(bucket: &Bucket) -> Result<(), BucketError> {
    let first = bucket.raw.s3.list(Some(&bucket.prefix)).try_next().await;
    first.map(drop).map_err(|error| listing(bucket, &error))
}

fn listing(bucket: &Bucket, error: &object_store::Error) -> BucketError {
    BucketError::Server {
        doing: "listing",
        bucket: bucket.name.clone(),
        problem: error.to_string(),
    }
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
    reached(Point::LeftOverRemoved);
    removed.map_err(super::error::failed("removing what a killed run left"))
}

/// A task that panicked takes the run with it.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
