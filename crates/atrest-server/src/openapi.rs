//! The OpenAPI document, made from the handlers.

use axum::Json;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{Components, OpenApi};
use utoipa::{Modify, OpenApi as _};

use crate::clips;
use crate::probes;
use crate::problem::Problem;

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "atrest serve",
        description = "Files that are encrypted where they are stored, in clear for who may read them. A request of HTTP/1.1 without Host gets 400; where no tokens are asked for, one for another host than loopback gets 421.",
    ),
    paths(
        clips::list, clips::get, clips::head, clips::put, clips::delete,
        probes::healthz, probes::readyz, probes::metrics, openapi
    ),
    components(schemas(Problem, clips::Clips, clips::Clip)),
    modifiers(&Token)
)]
struct Document;

struct Token;

impl Modify for Token {
    fn modify(&self, document: &mut OpenApi) {
        let token = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
        document
            .components
            .get_or_insert_with(Components::new)
            .add_security_scheme("token", SecurityScheme::Http(token));
    }
}

/// The document that `/openapi.json` answers with.
#[must_use]
pub fn document() -> OpenApi {
    Document::openapi()
}

/// This document.
#[utoipa::path(
    get, path = "/openapi.json", tag = "probes",
    responses((status = 200, description = "The OpenAPI document"))
)]
pub(crate) async fn openapi() -> Json<OpenApi> {
    Json(document())
}
