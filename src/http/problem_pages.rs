//! GET /problems and /problems/{code}: where a problem's `type` leads.

use axum::extract::Path;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::accept::{self, Form};
use super::formats;
use super::openapi::PageProblems;
use super::problem::{Failure, known};
use super::problem_guide::guide;
use crate::error::{Code, Error, Result};
use crate::render::problems::{self, Entry};

/// The first is for who follows a link without saying what is wanted.
const FORMS: [Form; 2] = [Form::Page, Form::Json];

/// Every problem that the service has.
#[derive(Serialize, ToSchema)]
pub struct ProblemList {
    problems: Vec<ProblemInfo>,
}

/// One kind of problem.
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
    /// When it happens.
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
    let (status, name, title) = known(code);
    let [meaning, when, remedy] = guide(code);
    Entry { code: name, title, status: status.as_u16(), meaning, when, remedy }
}

/// Every problem.
///
/// What it means, when it happens and what to do; `type` of a problem leads to its own page.
#[utoipa::path(
    get, path = "/problems", tag = "problems",
    responses(
        (
            status = 200, description = "The problems, in the form that Accept likes best",
            content((String = "text/html"), (ProblemList = "application/json")),
        ),
        PageProblems,
    ),
)]
pub async fn index(headers: HeaderMap) -> Result<Response, Failure> {
    let entries: Vec<Entry> = Code::ALL.iter().copied().map(entry).collect();
    let form = accept::choose(&headers, &FORMS)?;
    respond(
        form,
        || problems::index(&entries),
        || ProblemList { problems: entries.iter().copied().map(ProblemInfo::from).collect() },
    )
}

/// One problem: what it means, when it happens, what to do.
///
/// The `type` of every problem is such a path.
#[utoipa::path(
    get, path = "/problems/{code}", tag = "problems",
    params(("code" = String, Path, description = "The `code` of a problem", example = "input_too_long")),
    responses(
        (
            status = 200, description = "The problem, in the form that Accept likes best",
            content((String = "text/html"), (ProblemInfo = "application/json")),
        ),
        PageProblems,
    ),
)]
pub async fn page(Path(code): Path<String>, headers: HeaderMap) -> Result<Response, Failure> {
    let form = accept::choose(&headers, &FORMS)?;
    let found = Code::ALL.iter().copied().map(entry).find(|entry| entry.code == code);
    let unknown =
        || Error::new(Code::NotFound, "no problem has this code; GET /problems lists all");
    let entry = found.ok_or_else(unknown)?;
    respond(form, || problems::page(&entry), || ProblemInfo::from(entry))
}

fn respond<T: Serialize>(
    form: Form,
    page: impl FnOnce() -> String,
    json: impl FnOnce() -> T,
) -> Result<Response, Failure> {
    let body = match form {
        Form::Page => page().into_bytes(),
        _ => serde_json::to_vec(&json()).map_err(Error::internal)?,
    };
    Ok((formats::headers(form), body).into_response())
}
