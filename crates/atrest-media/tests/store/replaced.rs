//! An object that is replaced between the requests of one read.

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use futures::stream::BoxStream;
use object_store::{
    CopyOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, PutMultipartOptions,
    PutOptions, PutPayload, PutResult,
};

use super::*;

/// Replaces `clip` after each of the first so many reads of its beginning.
#[derive(Debug)]
struct Restless {
    inner: Arc<InMemory>,
    left: AtomicU32,
}

impl fmt::Display for Restless {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Restless")
    }
}

#[async_trait]
impl ObjectStore for Restless {
    async fn put_opts(&self, at: &Path, data: PutPayload, how: PutOptions) -> Result<PutResult> {
        self.inner.put_opts(at, data, how).await
    }
    async fn put_multipart_opts(
        &self,
        at: &Path,
        how: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(at, how).await
    }
    async fn get_opts(&self, at: &Path, how: GetOptions) -> Result<GetResult> {
        let beginning = how.range == Some((0..72).into());
        let result = self.inner.get_opts(at, how).await?;
        let left = self.left.load(Ordering::SeqCst);
        if beginning && left > 0 {
            self.left.store(left - 1, Ordering::SeqCst);
            let writer = sealed(Arc::clone(&self.inner));
            writer.put(at, content(left - 1).into()).await?;
        }
        Ok(result)
    }
    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }
    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }
    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }
    async fn copy_opts(&self, from: &Path, to: &Path, how: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, how).await
    }
}

fn content(generation: u32) -> Vec<u8> {
    vec![u8::try_from(generation).unwrap(); 50_000 + generation as usize]
}

async fn read_while_replaced(times: u32) -> Result<Vec<u8>> {
    let inner = Arc::new(InMemory::new());
    let writer = sealed(Arc::clone(&inner));
    writer
        .put(&path("clip"), content(times).into())
        .await
        .unwrap();
    let left = AtomicU32::new(times);
    let store = sealed(Restless { inner, left });
    let ranges = store.get_ranges(&path("clip"), &[20_000..20_010]).await;
    store.left_at(times);
    let range = read_range(&store, &path("clip"), 20_000..20_010).await;
    assert_eq!(ranges.is_ok(), range.is_ok());
    range
}

impl SealedStoreExt for SealedStore<Restless> {
    fn left_at(&self, times: u32) {
        self.inner().left.store(times, Ordering::SeqCst);
    }
}

trait SealedStoreExt {
    fn left_at(&self, times: u32);
}

#[tokio::test]
async fn it_is_read_anew_and_never_mixed() {
    for times in [0, 1, 2] {
        assert_eq!(read_while_replaced(times).await.unwrap(), [0; 10]);
    }
}

#[tokio::test]
async fn one_that_never_rests_is_given_up() {
    let error = read_while_replaced(9).await.unwrap_err();
    assert!(matches!(error, Error::Precondition { .. }), "{error:?}");
}
