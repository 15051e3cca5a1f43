//! `GET /clips`.

use std::collections::BinaryHeap;
use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use futures::TryStreamExt as _;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore as _};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::walk::walk;
use crate::condition::quoted;
use crate::name::is_hidden;
use crate::problem::Problem;
use crate::state::{App, Shared};
use crate::token::Role;

const USUAL: usize = 100;
const MOST: usize = 1000;

/// Which page.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Page {
    /// Names that begin like this.
    #[serde(default)]
    prefix: String,
    /// Names after this one: the `next` of the page before.
    #[serde(default)]
    after: String,
    /// How many, 1 to 1000; 100 if it is not given.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
}

/// A page of the list of objects, in the order of their names' bytes.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Clips {
    clips: Vec<Clip>,
    /// There may be more: ask again with `after` set to this.
    next: Option<String>,
}

/// One object.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Clip {
    /// Its name.
    #[schema(example = "gate/2026-11-22.mp4")]
    name: String,
    /// The length of its clear content.
    bytes: u64,
    /// When it last changed, as RFC 3339 has it.
    modified: String,
    /// Its entity tag, where the store gives one.
    etag: Option<String>,
}

/// Lists objects, a page at a time.
#[utoipa::path(
    get, path = "/clips", tag = "clips", params(Page),
    responses(
        (status = 200, description = "A page", body = Clips),
        (status = 400, description = "Parameters that cannot be", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "No token, or one that is not known", body = Problem, content_type = "application/problem+json"),
        (status = 502, description = "The store failed", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = []))
)]
pub(crate) async fn list(
    State(app): App,
    headers: HeaderMap,
    page: Result<Query<Page>, QueryRejection>,
) -> Result<Json<Clips>, Problem> {
    app.allow(&headers, Role::Read)?;
    let Query(page) = page.map_err(|error| {
        let detail = format!(
            "{}; parameters are prefix, after and limit",
            error.body_text()
        );
        Problem::bad_request(detail)
    })?;
    let limit = page.limit.unwrap_or(USUAL);
    if !(1..=MOST).contains(&limit) {
        return Err(Problem::bad_request(format!(
            "limit is a number from 1 to {MOST}"
        )));
    }
    let mut found = app.first_after(page, limit + 1).await?;
    let more = found.len() > limit;
    found.truncate(limit);
    let next = found
        .last()
        .filter(|_| more)
        .map(|meta| meta.location.to_string());
    let clips = found.into_iter().map(Clip::of).collect();
    Ok(Json(Clips { clips, next }))
}

impl Shared {
    /// The first `count` objects after the page before. Stores list in any order, so
    /// that all names are looked at for each page; memory is for `count` of them.
    async fn first_after(&self, page: Page, count: usize) -> Result<Vec<ObjectMeta>, Problem> {
        let folder = folder(&page.prefix)?;
        let prefix = page.prefix.clone();
        let failed = |error| self.failed(&error, &prefix);
        let mut first = First {
            found: BinaryHeap::with_capacity(count + 1),
            count,
            page,
        };
        if self.on_disk {
            let walked = walk(Arc::clone(&self.store), folder, first, First::look);
            return Ok(walked.await.map_err(failed)?.in_order());
        }
        let mut list = match Path::parse(&first.page.after) {
            Ok(after) if !after.as_ref().is_empty() && after.as_ref() == first.page.after => {
                self.store.list_with_offset(folder.as_ref(), &after)
            }
            _ => self.store.list(folder.as_ref()),
        };
        while let Some(meta) = list.try_next().await.map_err(failed)? {
            first.look(meta);
        }
        Ok(first.in_order())
    }
}

/// The first of what was looked at so far.
struct First {
    found: BinaryHeap<ByName>,
    count: usize,
    page: Page,
}

impl First {
    fn look(&mut self, meta: ObjectMeta) {
        let name = meta.location.as_ref();
        let before = name <= self.page.after.as_str();
        if before || !name.starts_with(&self.page.prefix) || is_hidden(name) {
            return;
        }
        self.found.push(ByName(meta));
        if self.found.len() > self.count {
            self.found.pop();
        }
    }

    fn in_order(self) -> Vec<ObjectMeta> {
        let found = self.found.into_sorted_vec().into_iter();
        found.map(|ByName(meta)| meta).collect()
    }
}

/// The folder that all names with this prefix are in.
fn folder(prefix: &str) -> Result<Option<Path>, Problem> {
    let Some((folder, _)) = prefix.rsplit_once('/') else {
        return Ok(None);
    };
    match Path::parse(folder) {
        Ok(path) if path.as_ref() == folder && !folder.is_empty() => Ok(Some(path)),
        _ => Err(Problem::bad_request(
            "prefix begins no name; write it as names begin",
        )),
    }
}

impl Clip {
    fn of(meta: ObjectMeta) -> Self {
        Self {
            bytes: meta.size,
            modified: meta.last_modified.to_rfc3339(),
            etag: meta.e_tag.as_deref().map(quoted),
            name: meta.location.into(),
        }
    }
}

/// Ordered by name.
struct ByName(ObjectMeta);

impl Ord for ByName {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.location.cmp(&other.0.location)
    }
}

impl PartialOrd for ByName {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for ByName {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for ByName {}
