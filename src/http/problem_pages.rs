//! GET /problems and /problems/{code}: the pages that a problem's `type` refers to.

use axum::extract::Path;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::accept::{self, Format};
use super::openapi::PageProblems;
use super::problem::{Failure, code_info};
use super::problem_guide::guide;
use super::respond;
use crate::error::{Code, Error, Result};
use crate::render::problems::{self, Entry};

/// HTML is first, for those who follow a link without an Accept header.
const FORMATS: [Format; 2] = [Format::Page, Format::Json];

/// All problems that the service can return.
#[derive(Serialize, ToSchema)]
pub struct ProblemList {
    problems: Vec<ProblemInfo>,
}

/// One type of problem.
#[derive(Serialize, ToSchema)]
pub struct ProblemInfo {
    #[serde(rename = "type")]
    #[schema(example = "/problems/input_too_long")]
    kind: String,
    #[schema(example = "Input too long")]
    title: &'static str,
    #[schema(example = 422)]
    status: u16,
    #[schema(example = "input_too_long")]
    code: &'static str,
    /// What it means.
    meaning: &'static str,
    /// When it occurs.
    when: &'static str,
    /// What to do.
    remedy: &'static str,
}

impl From<Entry> for ProblemInfo {
    fn from(entry: Entry) -> Self {
        let Entry { code, title, status, meaning, when, remedy } = entry;
        Self { kind: format!("/problems/{code}"), title, status, code, meaning, when, remedy }
    }
}

fn entry(code: Code) -> Entry {
    let (status, name, title) = code_info(code);
    let [meaning, when, remedy] = guide(code);
    Entry { code: name, title, status: status.as_u16(), meaning, when, remedy }
}

/// All problems.
///
/// What each means, when it occurs and what to do. `type` of a problem is the path of its own page.
#[utoipa::path(
    get, path = "/problems", tag = "problems",
    responses(
        (
            status = 200, description = "The problems, in the format that Accept prefers",
            content((String = "text/html"), (ProblemList = "application/json")),
        ),
        PageProblems,
    ),
)]
pub async fn index(headers: HeaderMap) -> Result<Response, Failure> {
    let entries: Vec<Entry> = Code::ALL.iter().copied().map(entry).collect();
    let format = accept::choose(&headers, &FORMATS)?;
    respond(
        format,
        || problems::index(&entries),
        || ProblemList { problems: entries.iter().copied().map(ProblemInfo::from).collect() },
    )
}

/// One problem: what it means, when it occurs and what to do.
///
/// The `type` of each problem is such a path.
#[utoipa::path(
    get, path = "/problems/{code}", tag = "problems",
    params(("code" = String, Path, description = "The `code` of a problem", example = "input_too_long")),
    responses(
        (
            status = 200, description = "The problem, in the format that Accept prefers",
            content((String = "text/html"), (ProblemInfo = "application/json")),
        ),
        PageProblems,
    ),
)]
pub async fn page(Path(code): Path<String>, headers: HeaderMap) -> Result<Response, Failure> {
    let format = accept::choose(&headers, &FORMATS)?;
    let found = Code::ALL.iter().copied().map(entry).find(|entry| entry.code == code);
    let unknown =
        || Error::new(Code::NotFound, "no problem has this code; GET /problems lists all");
    let entry = found.ok_or_else(unknown)?;
    respond(format, || problems::page(&entry), || ProblemInfo::from(entry))
}

fn respond<T: Serialize>(
    format: Format,
    page: impl FnOnce() -> String,
    json: impl FnOnce() -> T,
) -> Result<Response, Failure> {
    let body = match format {
        Format::Page => page().into_bytes(),
        _ => serde_json::to_vec(&json()).map_err(Error::internal)?,
    };
    Ok((respond::headers(format), body).into_response())
}
