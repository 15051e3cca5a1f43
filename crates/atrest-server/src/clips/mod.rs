//! `/clips`: objects in clear, for who may.

mod change;
mod commit;
mod get;
mod incoming;
mod list;
mod sending;
mod upload;
mod walk;

use axum::http::{HeaderMap, Uri};

use crate::name::ClipName;
use crate::problem::Problem;
use crate::state::Shared;
use crate::token::Role;

pub(crate) use change::{__path_delete, __path_put, delete, put};
pub(crate) use get::{__path_get, __path_head, get, head};
pub(crate) use list::{__path_list, Clip, Clips, list};

impl Shared {
    /// The object that a request is about, if its bearer has `role`.
    fn clip(&self, role: Role, headers: &HeaderMap, uri: &Uri) -> Result<ClipName, Problem> {
        self.allow(headers, role)?;
        // The target as it was sent: the router's own reading is decoded already.
        let name = uri.path().strip_prefix("/clips/").unwrap_or_default();
        ClipName::from_target(name).map_err(|bad| Problem::bad_request(bad.to_string()))
    }
}
