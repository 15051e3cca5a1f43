//! Uploads in parts: sealed in order whatever the parts' lengths, whole or not there.

use futures::future::try_join_all;
use object_store::local::LocalFileSystem;
use object_store::{MultipartUpload as _, ObjectStoreExt as _, PutPayload};
use proptest::prelude::*;

use super::*;

async fn upload(store: &impl ObjectStore, at: &Path, parts: &[&[u8]]) {
    let mut upload = store.put_multipart(at).await.unwrap();
    let sent: Vec<_> = parts
        .iter()
        .map(|part| upload.put_part(part.to_vec().into()))
        .collect();
    try_join_all(sent).await.unwrap();
    upload.complete().await.unwrap();
}

#[tokio::test]
async fn parts_of_any_length_make_one_object() {
    let dir = tempfile::tempdir().unwrap();
    let disk = sealed(LocalFileSystem::new_with_prefix(dir.path()).unwrap());
    let (memory, _) = in_memory();
    let clear = bytes(3 * PART + 12_345);
    let at = path("clip");
    for cuts in [
        vec![],
        vec![0],
        vec![1, CHUNK, CHUNK + 1],
        vec![PART],
        vec![PART, 2 * PART, 3 * PART],
        vec![10, PART + 20, 3 * PART],
    ] {
        let mut parts = Vec::new();
        let mut from = 0;
        for cut in cuts.iter().copied().chain([clear.len()]) {
            parts.push(&clear[from..cut]);
            from = cut;
        }
        upload(&memory, &at, &parts).await;
        assert!(read(&memory, &at).await.unwrap() == clear, "{cuts:?}");
        upload(&disk, &at, &parts).await;
        assert!(read(&disk, &at).await.unwrap() == clear, "{cuts:?}");
    }
    upload(&memory, &at, &[]).await;
    assert_eq!(read(&memory, &at).await.unwrap(), b"");
}

#[tokio::test]
async fn there_is_nothing_under_the_name_until_it_is_complete() {
    let dir = tempfile::tempdir().unwrap();
    let store = sealed(LocalFileSystem::new_with_prefix(dir.path()).unwrap());
    let at = path("clip");
    let mut begun = store.put_multipart(&at).await.unwrap();
    begun.put_part(bytes(6 << 20).into()).await.unwrap();
    assert!(is_not_found(store.get(&at).await));
    begun.abort().await.unwrap();
    let completed = begun.complete().await.unwrap_err();
    assert!(
        completed
            .to_string()
            .contains("the upload of `clip` is not complete"),
        "{completed}"
    );
    drop(begun);
    assert!(is_not_found(store.get(&at).await));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_part_that_was_given_up_keeps_the_upload_from_completing() {
    let (store, _) = in_memory();
    let at = path("clip");
    store.put(&at, "before".into()).await.unwrap();
    let mut begun = store.put_multipart(&at).await.unwrap();
    drop(begun.put_part(bytes(6 << 20).into())); // never polled
    begun.put_part(bytes(6 << 20).into()).await.unwrap();
    assert!(
        begun
            .complete()
            .await
            .unwrap_err()
            .to_string()
            .contains("upload it anew")
    );
    assert_eq!(read(&store, &at).await.unwrap(), b"before");
}

#[tokio::test]
async fn parts_go_on_in_one_length_of_at_least_5_mib() {
    let inner = Arc::new(sizes::Sizes::default());
    let store = sealed(Arc::clone(&inner));
    for (part, count) in [(1_000, 12_000), (PART, 5), (PART + 7, 5), (3 * PART, 3)] {
        let clear = bytes(part);
        let mut begun = store.put_multipart(&path("a")).await.unwrap();
        for _ in 0..count {
            begun.put_part(clear.clone().into()).await.unwrap();
        }
        begun.complete().await.unwrap();
        let sizes = inner.take();
        let (last, full) = sizes.split_last().unwrap();
        assert!(
            full.iter().all(|size| *size == full[0] && *size >= PART),
            "{sizes:?}"
        );
        assert!(full.is_empty() || *last <= full[0], "{sizes:?}");
        assert!(sizes.len() <= count, "{} parts made {}", count, sizes.len());
        assert!(read(&store, &path("a")).await.unwrap() == clear.repeat(count));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn any_parts_of_any_pieces_make_one_object(lengths in prop::collection::vec(prop::collection::vec(0..40_000_usize, 0..4), 0..12)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (store, _) = in_memory();
            let mut begun = store.put_multipart(&path("a")).await.unwrap();
            let mut all = Vec::new();
            for (seed, pieces) in lengths.iter().enumerate() {
                let pieces = pieces.iter().map(|length| {
                    let piece = vec![u8::try_from(seed).unwrap(); *length];
                    all.extend_from_slice(&piece);
                    bytes::Bytes::from(piece)
                });
                let payload: PutPayload = pieces.collect();
                begun.put_part(payload).await.unwrap();
            }
            begun.complete().await.unwrap();
            assert!(read(&store, &path("a")).await.unwrap() == all);
        });
    }
}

/// A store that remembers how long the parts were.
mod sizes {
    use std::sync::{Arc, Mutex};

    use async_trait::async_trait;
    use futures::stream::BoxStream;
    use object_store::memory::InMemory;
    use object_store::path::Path;
    use object_store::{
        CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
        PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, UploadPart,
    };

    #[derive(Debug, Default)]
    pub(crate) struct Sizes {
        inner: InMemory,
        sizes: Arc<Mutex<Vec<usize>>>,
    }

    impl Sizes {
        pub(crate) fn take(&self) -> Vec<usize> {
            std::mem::take(&mut self.sizes.lock().unwrap())
        }
    }

    impl std::fmt::Display for Sizes {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            write!(f, "Sizes")
        }
    }

    #[derive(Debug)]
    struct Sized {
        inner: Box<dyn MultipartUpload>,
        sizes: Arc<Mutex<Vec<usize>>>,
    }

    #[async_trait]
    impl MultipartUpload for Sized {
        fn put_part(&mut self, data: PutPayload) -> UploadPart {
            self.sizes.lock().unwrap().push(data.content_length());
            self.inner.put_part(data)
        }
        async fn complete(&mut self) -> Result<PutResult> {
            self.inner.complete().await
        }
        async fn abort(&mut self) -> Result<()> {
            self.inner.abort().await
        }
    }

    #[async_trait]
    impl ObjectStore for Sizes {
        async fn put_opts(
            &self,
            at: &Path,
            data: PutPayload,
            how: PutOptions,
        ) -> Result<PutResult> {
            self.inner.put_opts(at, data, how).await
        }
        async fn put_multipart_opts(
            &self,
            at: &Path,
            how: PutMultipartOptions,
        ) -> Result<Box<dyn MultipartUpload>> {
            let (inner, sizes) = (
                self.inner.put_multipart_opts(at, how).await?,
                self.sizes.clone(),
            );
            Ok(Box::new(Sized { inner, sizes }))
        }
        async fn get_opts(&self, at: &Path, how: GetOptions) -> Result<GetResult> {
            self.inner.get_opts(at, how).await
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
}
