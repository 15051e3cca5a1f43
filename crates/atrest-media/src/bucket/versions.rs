use atrest_core::KeyId;
use atrest_core::object::ObjectHeader;
use futures::stream::{StreamExt as _, TryStreamExt as _};
use object_store::aws::AmazonS3;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::signer::Method;
use object_store::{GetOptions, ObjectStore as _, ObjectStoreExt as _};
use quick_xml::DeError;
use serde::Deserialize;

use super::Bucket;
use super::raw::{Raw, RawError};
use crate::failpoints::{Point, reached};
use crate::inplace::{Versions, is_temporary};
use crate::store::SealedStore;

/// Bytes by which it is told whether a version is an object.
const HEADER: u64 = 16;

type Store = SealedStore<PrefixStore<AmazonS3>>;

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Page {
    is_truncated: bool,
    next_key_marker: String,
    next_version_id_marker: String,
    #[serde(rename = "$value")]
    entries: Vec<Entry>,
}

#[derive(Deserialize)]
enum Entry {
    Version(Version),
    DeleteMarker(Version),
    #[serde(other)]
    Other,
}

/// One version of what is or was under a key.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Version {
    pub(super) key: String,
    pub(super) version_id: String,
    #[serde(default)]
    is_latest: bool,
    #[serde(default)]
    size: u64,
    #[serde(skip)]
    deletes: bool,
}

/// Where the next page begins: key and version.
pub(super) type Marker = (String, String);

impl Raw {
    /// Versions of the keys that begin so, deletions too, from a marker on, and where there
    /// are more.
    pub(super) async fn versions(
        &self,
        prefix: &str,
        from: Option<&Marker>,
    ) -> Result<(Vec<Version>, Option<Marker>), RawError> {
        let mut query = vec![("versions", ""), ("prefix", prefix)];
        if let Some((key, version)) = from {
            query.extend([
                ("key-marker", key.as_str()),
                ("version-id-marker", version.as_str()),
            ]);
        }
        let bucket = Path::default();
        let body = self.send(Method::GET, &bucket, &query, None, String::new());
        read(&body.await?).map_err(RawError::unread)
    }
}

/// What a page holds, and where the next begins.
pub(super) fn read(body: &[u8]) -> Result<(Vec<Version>, Option<Marker>), DeError> {
    let page: Page = quick_xml::de::from_reader(body)?;
    let more = page.is_truncated && !page.next_key_marker.is_empty();
    let next = more.then_some((page.next_key_marker, page.next_version_id_marker));
    let versions = page.entries.into_iter().filter_map(|entry| match entry {
        Entry::Version(version) => Some(version),
        Entry::DeleteMarker(version) => Some(Version {
            deletes: true,
            ..version
        }),
        Entry::Other => None,
    });
    Ok((versions.collect(), next))
}

impl Bucket {
    /// Counts what versions there are of the objects meant beside the present ones.
    /// With the store to prove present objects by, clear ones are removed.
    pub(super) async fn old_versions(&self, workers: usize, purge: Option<&Store>) -> Versions {
        let mut counted = Versions::default();
        let prefix = match self.prefix.as_ref() {
            "" => String::new(),
            prefix => format!("{prefix}/"),
        };
        let mut next = None;
        loop {
            match self.raw.versions(&prefix, next.as_ref()).await {
                Ok((page, more)) => {
                    self.count(page, &prefix, workers, purge, &mut counted)
                        .await;
                    next = more;
                }
                // It keeps none.
                Err(error) if matches!(error.status, Some(405 | 501)) => return counted,
                Err(error) => {
                    counted.problem = Some(error.to_string());
                    return counted;
                }
            }
            if next.is_none() {
                return counted;
            }
        }
    }

    async fn count(
        &self,
        page: Vec<Version>,
        prefix: &str,
        workers: usize,
        purge: Option<&Store>,
        counted: &mut Versions,
    ) {
        let old = page.into_iter().filter(|version| {
            let name = version.key.strip_prefix(prefix).unwrap_or_default();
            let last = name.rsplit('/').next().unwrap_or_default();
            !version.is_latest
                && !version.deletes
                && version.size > 0
                && !is_temporary(last.as_bytes())
                && self.filter.takes(std::path::Path::new(name))
        });
        let looked = futures::stream::iter(old).map(async |version| {
            let sealed = self.sealed_by(&version).await;
            let purged = match (&sealed, purge) {
                (Ok(None), Some(store)) => self.purge(&version, prefix, store).await,
                _ => Ok(false),
            };
            (version.size, sealed, purged)
        });
        let mut looked = looked.buffer_unordered(workers.max(1));
        while let Some((size, sealed, purged)) = looked.next().await {
            match (sealed, purged) {
                (Ok(Some(key)), _) => {
                    counted.sealed.add(size);
                    *counted.sealed_by.entry(key).or_default() += 1;
                }
                (Ok(None), Ok(true)) => counted.purged.add(size),
                (Ok(None), Ok(false)) => counted.clear.add(size),
                (Ok(None), Err(problem)) => {
                    counted.clear.add(size);
                    counted.problem = Some(problem);
                }
                (Err(problem), _) => counted.problem = Some(problem),
            }
        }
    }

    /// Removes a clear version, if what is there now is sealed and opens to its end.
    async fn purge(&self, version: &Version, prefix: &str, store: &Store) -> Result<bool, String> {
        let failed = |error: String| format!("removing an old version failed: {error}");
        let name = version.key.strip_prefix(prefix).unwrap_or_default();
        let name = Path::parse(name).map_err(|error| failed(error.to_string()))?;
        if !opens(store, &name).await {
            return Ok(false);
        }
        reached(Point::VersionProven);
        let key = self.key(&name);
        let query = [("versionId", version.version_id.as_str())];
        let removed = self
            .raw
            .send(Method::DELETE, &key, &query, None, String::new());
        let removed = removed.await;
        reached(Point::VersionRemoved);
        removed.map_err(|error| failed(error.to_string()))?;
        Ok(true)
    }

    /// The key that a version names, if it begins as an object does.
    async fn sealed_by(&self, version: &Version) -> Result<Option<KeyId>, String> {
        if version.size < HEADER {
            return Ok(None);
        }
        let text = |error: object_store::Error| format!("reading an old version failed: {error}");
        let key = Path::parse(&version.key).map_err(|error| text(error.into()))?;
        let options = GetOptions::new()
            .with_range(Some(0..HEADER))
            .with_version(Some(version.version_id.clone()));
        let result = self.raw.s3.get_opts(&key, options).await.map_err(text)?;
        let start: Vec<_> = result.into_stream().try_collect().await.map_err(text)?;
        let header = ObjectHeader::read(&start.concat()).ok();
        Ok(header.map(|header| header.key))
    }
}

/// Whether every byte of what is there now opens.
async fn opens(store: &Store, name: &Path) -> bool {
    let Ok(content) = store.get(name).await else {
        return false;
    };
    let mut content = content.into_stream();
    loop {
        match content.try_next().await {
            Ok(Some(_)) => {}
            Ok(None) => return true,
            Err(_) => return false,
        }
    }
}
