//! The store over real S3 servers: a strict one, one that keeps versions, and one that
//! ignores conditions and ranges; and over a link on which requests go wrong.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::time::{Duration, Instant};

use atrest_testing::{Fault, HttpProxy, server};
use futures::TryStreamExt as _;
use object_store::aws::{AmazonS3, AmazonS3Builder, S3CopyIfNotExists};
use object_store::prefix::PrefixStore;
use object_store::{
    Attribute, Attributes, BackoffConfig, ClientOptions, MultipartUpload as _, ObjectStoreExt as _,
    PutMode, PutOptions, RetryConfig,
};

use super::*;

type S3 = SealedStore<PrefixStore<AmazonS3>>;

/// A place of its own in the bucket of this URL.
fn inner(url: &str) -> PrefixStore<AmazonS3> {
    let url = url::Url::parse(url).unwrap();
    let endpoint = format!("http://{}:{}", url.host_str().unwrap(), url.port().unwrap());
    let retry = RetryConfig {
        backoff: BackoffConfig {
            init_backoff: Duration::from_millis(10),
            max_backoff: Duration::from_millis(50),
            base: 2.,
        },
        max_retries: 4,
        retry_timeout: Duration::from_secs(20),
    };
    let s3 = AmazonS3Builder::new()
        .with_endpoint(endpoint)
        .with_bucket_name(url.path().trim_matches('/'))
        .with_access_key_id(url.username())
        .with_secret_access_key(url.password().unwrap())
        .with_region("us-east-1")
        .with_copy_if_not_exists(S3CopyIfNotExists::Multipart)
        .with_client_options(
            ClientOptions::new()
                .with_allow_http(true)
                .with_timeout(Duration::from_secs(3)),
        )
        .with_retry(retry)
        .build()
        .unwrap();
    PrefixStore::new(
        s3,
        format!("store-{:016x}", RandomState::new().build_hasher().finish()),
    )
}

fn store(url: &str) -> S3 {
    sealed(inner(url))
}

async fn there_and_back(store: &S3) {
    let at = path("gate/späße ~ #1.mp4");
    for length in [0, 1, CHUNK, 100_000, 2 * PART] {
        store.put(&at, bytes(length).into()).await.unwrap();
        assert!(read(store, &at).await.unwrap() == bytes(length));
        assert_eq!(store.head(&at).await.unwrap().size, length as u64);
    }
    let listed: Vec<_> = store.list(None).try_collect().await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(
        (&listed[0].location, listed[0].size),
        (&at, 2 * PART as u64)
    );

    let mut upload = store.put_multipart(&at).await.unwrap();
    let clear = bytes(3 * PART + 1);
    for part in clear.chunks(PART) {
        upload.put_part(part.to_vec().into()).await.unwrap();
    }
    upload.complete().await.unwrap();
    assert!(read(store, &at).await.unwrap() == clear);
}

#[tokio::test]
async fn a_strict_server_gives_back_what_was_put() {
    let store = store(&server::s3());
    there_and_back(&store).await;
    let at = path("gate/späße ~ #1.mp4");
    let clear = bytes(3 * PART + 1);
    let end = clear.len() as u64;
    for range in [0..1, 5..CHUNK as u64 * 3, end - 1..end, end - 5..end + 5] {
        let got = read_range(&store, &at, range.clone()).await.unwrap();
        assert!(
            got == clear[range.start as usize..range.end.min(end) as usize],
            "{range:?}"
        );
    }
    assert!(
        read_range(&store, &at, GetRange::Suffix(70_000))
            .await
            .unwrap()
            == clear[clear.len() - 70_000..]
    );
    let past = read_range(&store, &at, end..end + 1).await;
    assert!(past.is_err(), "{past:?}");

    for to in ["copy", "copied/again"] {
        store.copy(&at, &path(to)).await.unwrap();
        assert!(read(&store, &path(to)).await.unwrap() == clear);
    }
    let again = store.copy_if_not_exists(&at, &path("copy")).await;
    assert!(
        matches!(again, Err(Error::AlreadyExists { .. })),
        "{again:?}"
    );
    store.rename(&path("copy"), &path("moved")).await.unwrap();
    assert!(read(&store, &path("moved")).await.unwrap() == clear);
    assert!(is_not_found(store.head(&path("copy")).await));
    let names: Vec<_> = store
        .list(None)
        .map_ok(|it| it.location.to_string())
        .try_collect()
        .await
        .unwrap();
    assert_eq!(names.len(), 3, "{names:?}");

    let create = store
        .put_opts(&at, "new".into(), PutMode::Create.into())
        .await;
    assert!(
        matches!(create, Err(Error::AlreadyExists { .. })),
        "{create:?}"
    );
    let meta = store.head(&at).await.unwrap();
    let wrong = object_store::UpdateVersion {
        e_tag: Some("\"00000000000000000000000000000000\"".into()),
        version: None,
    };
    let update = store
        .put_opts(&at, "new".into(), PutMode::Update(wrong).into())
        .await;
    assert!(
        matches!(update, Err(Error::Precondition { .. })),
        "{update:?}"
    );
    assert_eq!(store.head(&at).await.unwrap().e_tag, meta.e_tag);
}

#[tokio::test]
async fn content_type_and_metadata_are_kept() {
    let store = store(&server::s3());
    let attributes = Attributes::from_iter([
        (Attribute::ContentType, "video/mp4"),
        (Attribute::CacheControl, "no-store"),
        (Attribute::Metadata("camera".into()), "gate"),
    ]);
    for length in [100, 2 * PART] {
        let put = PutOptions::from(attributes.clone());
        store
            .put_opts(&path("a"), bytes(length).into(), put)
            .await
            .unwrap();
        store.copy(&path("a"), &path("b")).await.unwrap();
        for name in ["a", "b"] {
            let got = store.get(&path(name)).await.unwrap();
            for (attribute, value) in &attributes {
                assert_eq!(
                    got.attributes.get(attribute),
                    Some(value),
                    "{name}, {length}"
                );
            }
        }
    }
}

#[tokio::test]
async fn an_old_version_opens_by_its_id() {
    let store = store(&server::s3_versioned());
    there_and_back(&store).await;
    let at = path("clip");
    let old = store.put(&at, bytes(100_000).into()).await.unwrap();
    store.put(&at, "new".into()).await.unwrap();
    for range in [
        None,
        Some(GetRange::Bounded(50_000..50_010)),
        Some(GetRange::Suffix(10)),
    ] {
        let options = GetOptions::new()
            .with_version(old.version.clone())
            .with_range(range.clone());
        let got = store.get_opts(&at, options).await.unwrap();
        let span = got.range.start as usize..got.range.end as usize;
        assert!(
            got.bytes().await.unwrap() == bytes(100_000)[span],
            "{range:?}"
        );
    }
    assert_eq!(read(&store, &at).await.unwrap(), b"new");
}

#[tokio::test]
async fn what_a_server_that_ignores_things_gives_is_right_or_an_error() {
    let store = store(&server::s3_lax());
    let at = path("clip");
    store.put(&at, bytes(200_000).into()).await.unwrap();
    assert!(read(&store, &at).await.unwrap() == bytes(200_000));
    for range in [
        GetRange::Offset(0),
        (0..5).into(),
        (50_000..50_010).into(),
        GetRange::Suffix(10),
    ] {
        if let Ok(got) = read_range(&store, &at, range.clone()).await {
            let span = range.as_range(200_000).unwrap();
            assert!(
                got == bytes(200_000)[span.start as usize..span.end as usize],
                "{range:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_swapped_object_on_a_server_is_refused() {
    let store = store(&server::s3());
    let [a, b] = ["a", "b"].map(path);
    store.put(&a, "one".into()).await.unwrap();
    store.put(&b, "two".into()).await.unwrap();
    store.inner().copy(&a, &b).await.unwrap();
    let said = refusal(read(&store, &b).await, &b);
    assert!(said.contains("sealed under another name"), "{said}");
}

#[tokio::test]
async fn a_server_that_is_busy_for_a_while_is_asked_again() {
    let proxy = HttpProxy::to(&server::s3());
    let store = store(proxy.url());
    let at = path("clip");
    for status in [500, 502, 503] {
        proxy.fail(2, "PUT ", Fault::Answer(status));
        store.put(&at, bytes(100_000).into()).await.unwrap();
        proxy.fail(2, "GET ", Fault::Answer(status));
        assert!(read(&store, &at).await.unwrap() == bytes(100_000));
        proxy.fail(2, "GET ", Fault::Answer(status));
        assert!(
            read_range(&store, &at, 50_000..50_010).await.unwrap()
                == bytes(100_000)[50_000..50_010]
        );
    }
    proxy.requests();
    let mut upload = store.put_multipart(&at).await.unwrap();
    proxy.fail(1, "partNumber=1", Fault::CutRequest(1 << 20));
    proxy.fail(1, "partNumber=2", Fault::Answer(503));
    proxy.fail(1, "partNumber=2", Fault::LoseAnswer);
    upload.put_part(bytes(PART).into()).await.unwrap();
    upload.put_part(bytes(PART).into()).await.unwrap();
    upload.complete().await.unwrap();
    assert!(read(&store, &at).await.unwrap() == [bytes(PART), bytes(PART)].concat());
    let parts = proxy
        .requests()
        .into_iter()
        .filter(|it| it.contains("partNumber"));
    assert_eq!(parts.count(), 2 + 3, "each part, and what went wrong again");
}

#[tokio::test]
async fn an_answer_that_is_cut_is_taken_up_where_it_was() {
    let proxy = HttpProxy::to(&server::s3());
    let store = store(proxy.url());
    let at = path("clip");
    let clear = bytes(5 << 20);
    store.put(&at, clear.clone().into()).await.unwrap();
    for bytes in [0, 100, 1_000, 1 << 20, 4 << 20] {
        proxy.fail(1, "GET ", Fault::CutAnswer(bytes));
        match read(&store, &at).await {
            Ok(got) => assert!(got == clear, "cut after {bytes}"),
            Err(error) => assert!(StoreError::of(&error).is_none(), "no damage: {error}"),
        }
    }
}

#[tokio::test]
async fn a_server_that_stays_away_is_an_error_and_leaves_nothing() {
    let proxy = HttpProxy::to(&server::s3());
    let store = store(proxy.url());
    let at = path("clip");
    let faults = [
        Fault::Answer(503),
        Fault::CutRequest(100_000),
        Fault::Stall(Duration::from_secs(4)),
    ];
    for fault in faults {
        let began = Instant::now();
        proxy.fail(100, "PUT ", fault);
        let put = store.put(&at, bytes(1 << 20).into()).await;
        assert!(put.is_err(), "{fault:?}");
        let mut upload = store.put_multipart(&at).await.unwrap();
        let part = upload.put_part(bytes(6 << 20).into()).await;
        assert!(part.is_err(), "{fault:?}");
        assert!(upload.complete().await.is_err(), "{fault:?}");
        proxy.fail_no_more();
        upload.abort().await.unwrap();
        assert!(is_not_found(store.head(&at).await), "{fault:?}");
        assert!(began.elapsed() < Duration::from_secs(60), "{fault:?}");
    }
    // What was there before stays.
    store.put(&at, "before".into()).await.unwrap();
    proxy.fail(100, "PUT ", Fault::CutRequest(50_000));
    assert!(store.put(&at, bytes(1 << 20).into()).await.is_err());
    proxy.fail_no_more();
    assert_eq!(read(&store, &at).await.unwrap(), b"before");
}

#[tokio::test]
async fn an_answer_that_is_lost_leaves_a_whole_object() {
    let proxy = HttpProxy::to(&server::s3());
    let store = store(proxy.url());
    let at = path("clip");
    proxy.fail(1, "PUT ", Fault::LoseAnswer);
    store.put(&at, bytes(1 << 20).into()).await.unwrap();
    assert!(read(&store, &at).await.unwrap() == bytes(1 << 20));

    let mut upload = store.put_multipart(&at).await.unwrap();
    upload.put_part(bytes(6 << 20).into()).await.unwrap();
    proxy.fail(1, "POST ", Fault::LoseAnswer);
    // The server did it; whether the client learns of it or not, it is whole.
    let _ = upload.complete().await;
    assert!(read(&store, &at).await.unwrap() == bytes(6 << 20));
}
