//! The pages for browsers: the playground at /, the browsable API at /docs, and their files. All of
//! them are part of the binary.

mod files;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::Service;
use super::accept::{self, Format};
use super::conditional::{IfNoneMatch, NotModified};
use super::openapi::FileProblems;
use super::problem::Failure;
use crate::error::{Code, Error};

/// The playground needs no inline scripts or styles, so that nothing in a text can become one.
const PLAYGROUND_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
     img-src 'self' blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; \
     frame-ancestors 'none'; require-trusted-types-for 'script'";

/// RapiDoc has inline styles. It shows the description of the API, and no texts of clients.
const DOCS_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
     img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; \
     frame-ancestors 'none'";

/// That the process responds.
#[derive(Serialize, ToSchema)]
pub struct Alive {
    #[schema(example = "alive")]
    status: &'static str,
}

/// The playground.
///
/// A page that explains a text as it is typed. It requests everything from this service. For
/// clients of KServe's V1 protocol that prefer JSON, and for all that do not ask for a page if there
/// is no playground: that the process responds.
#[utoipa::path(
    get, path = "/", tag = "pages", params(IfNoneMatch),
    responses(
        (
            status = 200, description = "The page, or that the process responds",
            content((String = "text/html"), (Alive = "application/json")),
        ),
        NotModified, FileProblems,
    ),
)]
pub async fn playground(
    State(service): State<Service>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let offered = match service.playground {
        true => [Format::Page, Format::Json],
        false => [Format::Json, Format::Page],
    };
    let chosen = accept::choose(&headers, &offered).unwrap_or(offered[0]);
    let vary = [(header::VARY, "accept")];
    match (chosen, service.playground) {
        (Format::Json, _) => Ok((vary, Json(Alive { status: "alive" })).into_response()),
        (_, true) => Ok((vary, page("index.html", PLAYGROUND_POLICY)?).into_response()),
        (_, false) => {
            let detail = "this service has no playground: server.playground is false";
            Err(Error::new(Code::NotFound, detail).into())
        }
    }
}

/// The API as a page.
///
/// Shows this description, and sends requests from it.
#[utoipa::path(
    get, path = "/docs", tag = "pages", params(IfNoneMatch),
    responses(
        (status = 200, description = "The page", body = String, content_type = "text/html"),
        NotModified, FileProblems,
    ),
)]
pub async fn docs() -> Result<Response, Failure> {
    page("docs.html", DOCS_POLICY)
}

fn page(name: &str, policy: &'static str) -> Result<Response, Failure> {
    Ok(([(header::CONTENT_SECURITY_POLICY, policy)], find(name)?).into_response())
}

/// A file of the pages.
///
/// A script, a style sheet or a picture that the pages load.
#[utoipa::path(
    get, path = "/web/{folder}/{file}", tag = "pages",
    params(
        ("folder" = String, Path, example = "style"),
        ("file" = String, Path, example = "base.css"),
        IfNoneMatch,
    ),
    responses(
        (
            status = 200, description = "The file",
            content((String = "text/javascript"), (String = "text/css"), (String = "image/svg+xml")),
        ),
        NotModified, FileProblems,
    ),
)]
pub async fn file(Path((folder, file)): Path<(String, String)>) -> Result<Response, Failure> {
    Ok(find(&format!("{folder}/{file}"))?.into_response())
}

fn find(name: &str) -> Result<super::conditional::Tagged, Failure> {
    let unknown = || Error::new(Code::NotFound, "the pages have no such file").into();
    files::find(name).ok_or_else(unknown)
}
