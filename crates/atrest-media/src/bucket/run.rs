use std::sync::{Mutex, PoisonError};

use atrest_core::Keyring;
use futures::stream::{BoxStream, StreamExt as _, TryStreamExt as _};
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore as _, ObjectStoreExt as _};

use super::object::Job;
use super::probe::Conditions;
use super::{Bucket, BucketError, OldFiles, Operation, Options, Report, Why};
use crate::Keys;
use crate::failpoints::{Point, reached};
use crate::inplace::{Failure, Foreign, HEADER, Watch, is_temporary};
use crate::keyrings::{BATCH, FileKeys};

/// Objects that are looked at at least before the first is sealed.
const PROBED: usize = 100;

/// [`Bucket::run`].
pub(super) async fn run(
    bucket: &Bucket,
    operation: Operation,
    old: Option<&OldFiles>,
    keys: &Keys,
    options: &Options<'_>,
) -> Result<Report, BucketError> {
    let conditions = match operation.changes() {
        true => bucket.conditions().await?,
        false => Conditions::default(),
    };
    let watch = Watch::new(options);
    let job = Job {
        old,
        ..Job::new(bucket, operation, keys, &watch, conditions)
    };
    let report = Mutex::new(Report::default());
    if keys.by_name() {
        if operation.changes() {
            prove(&job).await?;
        }
        by_name(&job, options.workers, &report).await?;
    } else {
        let shared = keys.one(b"", false).await?;
        if operation == Operation::Encrypt {
            probe(&job, shared.keyring(), options.workers).await?;
        }
        let listed = job.store.inner().list(None);
        let listed = listed.try_take_while(|_| std::future::ready(Ok(!watch.stopped())));
        let done = listed.try_for_each_concurrent(options.workers.max(1), async |listed| {
            one(&job, &listed, &shared, &report).await;
            Ok(())
        });
        done.await.map_err(|error| listing(bucket, &error))?;
    }
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

/// Asks for the keys of every name, so that a record of keys that is not to be trusted
/// is found before anything is changed.
async fn prove(job: &Job<'_>) -> Result<(), BucketError> {
    let mut listed = job.store.inner().list(None).fuse().boxed();
    while !job.watch.stopped() {
        let batch = batch(job, &mut listed).await?;
        if batch.is_empty() {
            break;
        }
        with_keys(job, batch, false).await?;
    }
    Ok(())
}

/// Looks at the first objects, before anything is sealed: the twin of what is done in a
/// folder.
async fn probe(job: &Job<'_>, keyring: &Keyring, workers: usize) -> Result<(), BucketError> {
    let listed = job.store.inner().list(None);
    let meant = listed.try_filter(|listed| {
        // There is no range of nothing, and no key in it.
        std::future::ready(listed.size >= HEADER as u64 && job.is_meant(listed))
    });
    let starts = meant.map_ok(|listed| async move {
        let start = job.store.inner();
        let start = start.get_range(&listed.location, 0..HEADER as u64).await;
        // What cannot be read, the run tells of.
        Ok(start.unwrap_or_default())
    });
    let mut starts = std::pin::pin!(starts.try_buffer_unordered(workers.max(1)));
    let (mut foreign, mut looked) = (Foreign::default(), 0);
    let failed = |error| listing(job.bucket, &error);
    while let Some(start) = starts.try_next().await.map_err(failed)? {
        if foreign.is_own(&start, keyring) || job.watch.stopped() {
            return Ok(());
        }
        looked += 1;
        // With a stranger among them, all are looked at.
        if looked >= PROBED && foreign.found().is_none() {
            break;
        }
    }
    match foreign.found() {
        None => Ok(()),
        Some((key, count)) => {
            let bucket = job.bucket.name.clone();
            Err(BucketError::WrongKeys { bucket, key, count })
        }
    }
}

/// All objects, where keys depend on names: so many at a time that their keys are one
/// request.
async fn by_name(job: &Job<'_>, workers: usize, report: &Mutex<Report>) -> Result<(), BucketError> {
    let mut listed = job.store.inner().list(None).fuse().boxed();
    while !job.watch.stopped() {
        let batch = batch(job, &mut listed).await?;
        if batch.is_empty() {
            break;
        }
        let found = with_keys(job, batch, false).await?;
        let without = each(job, found, workers, report).await;
        // Objects of subjects that had no key to seal them under.
        if !without.is_empty() && !job.watch.stopped() {
            let found = with_keys(job, without, true).await?;
            for listed in each(job, found, workers, report).await {
                let name = listed.location.as_ref().as_bytes();
                lock(report).count(name, Err(Failure::NeedsKey));
            }
        }
    }
    Ok(())
}

/// What was listed, and its keys.
type Keyed = (ObjectMeta, FileKeys);

/// The next of what is listed; none at the end.
async fn batch(
    job: &Job<'_>,
    listed: &mut BoxStream<'static, object_store::Result<ObjectMeta>>,
) -> Result<Vec<ObjectMeta>, BucketError> {
    let mut batch = Vec::new();
    while batch.is_empty() {
        let next = listed.by_ref().take(BATCH).try_collect::<Vec<_>>().await;
        let next = next.map_err(|error| listing(job.bucket, &error))?;
        if next.is_empty() {
            break;
        }
        batch = next;
        batch.retain(|listed| job.is_meant(listed) || is_left_over(listed));
    }
    Ok(batch)
}

fn is_left_over(listed: &ObjectMeta) -> bool {
    let last = listed.location.filename().unwrap_or_default();
    is_temporary(last.as_bytes())
}

/// The keys of all of them, in one request.
async fn with_keys(
    job: &Job<'_>,
    listed: Vec<ObjectMeta>,
    make: bool,
) -> Result<Vec<Keyed>, BucketError> {
    let name = |listed: &ObjectMeta| listed.location.as_ref().as_bytes().to_vec();
    let names: Vec<Vec<u8>> = listed.iter().map(name).collect();
    let names: Vec<&[u8]> = names.iter().map(Vec::as_slice).collect();
    let keys = job.keys.many(&names, make).await?;
    Ok(listed.into_iter().zip(keys).collect())
}

/// Gives those that are due and whose subject has no key.
async fn each(
    job: &Job<'_>,
    found: Vec<Keyed>,
    workers: usize,
    report: &Mutex<Report>,
) -> Vec<ObjectMeta> {
    let without = Mutex::new(Vec::new());
    let found = futures::stream::iter(found);
    let done = found.for_each_concurrent(workers.max(1), async |(listed, keys)| {
        if one(job, &listed, &keys, report).await {
            lock(&without).push(listed);
        }
    });
    done.await;
    without.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// [`Bucket::inspect`].
pub(super) async fn inspect(
    bucket: &Bucket,
    name: &Path,
    keys: &Keys,
) -> Result<Report, BucketError> {
    let options = Options::default();
    let watch = Watch::new(&options);
    let conditions = Conditions::default();
    let job = Job::new(bucket, Operation::Verify, keys, &watch, conditions);
    let of_object = keys.one(name.as_ref().as_bytes(), false).await?;
    let done = match job.store.inner().head(name).await {
        Ok(about) => job.try_object(name, about.size, &of_object).await,
        Err(error) => Err(super::error::failed("looking at it")(error)),
    };
    let mut report = Report {
        only_key: done.as_ref().ok().and_then(|done| done.key),
        ..Report::default()
    };
    report.count(name.as_ref().as_bytes(), done);
    Ok(report)
}

/// [`Bucket::check`].
pub(super) async fn check(bucket: &Bucket) -> Result<(), BucketError> {
    let first = bucket.raw.s3.list(Some(&bucket.prefix)).try_next().await;
    first.map(drop).map_err(|error| listing(bucket, &error))
}

pub(super) fn listing(bucket: &Bucket, error: &object_store::Error) -> BucketError {
    BucketError::Server {
        doing: "listing",
        bucket: bucket.name.clone(),
        problem: error.to_string(),
    }
}

/// Whether it is due, and its subject has no key.
async fn one(job: &Job<'_>, listed: &ObjectMeta, keys: &FileKeys, report: &Mutex<Report>) -> bool {
    let name = listed.location.as_ref();
    if is_left_over(listed) {
        let removed = left_over(job, listed).await;
        let mut report = lock(report);
        match removed {
            Ok(()) => report.removed += 1,
            Err(failure) => report.count(name.as_bytes(), Err(failure)),
        }
    } else if job.is_meant(listed) {
        let done = if job.watch.stopped() {
            Err(Failure::Stopped)
        } else {
            job.object(listed, keys).await
        };
        if matches!(done, Err(Failure::NeedsKey)) {
            return true;
        }
        let nobodys = done.is_ok() && job.keys.by_name() && matches!(keys, FileKeys::Shared(_));
        let mut report = lock(report);
        report.nobodys += u64::from(nobodys);
        report.count(name.as_bytes(), done);
        drop(report);
        job.watch.file_done();
    }
    false
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
