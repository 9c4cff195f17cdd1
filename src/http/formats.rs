//! Answers written in the form that the caller accepts.

use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tracing::Span;

use super::accept::Form;
use super::problem::Problem;
use crate::error::{Error, Result};
use crate::explanation::Answer;
use crate::render::{json, page, picture, tensors};

/// The answer in this form.
pub async fn respond(form: Form, answer: Answer) -> Result<Response> {
    let bytes = written(move || explanation(form, answer)).await?;
    let mut response = bytes.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type(form)));
    headers.insert(header::VARY, HeaderValue::from_static("accept"));
    headers.extend(
        guards(form).iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))),
    );
    Ok(response)
}

/// The predictions of an answer, as JSON.
pub async fn predictions(answer: Answer) -> Result<Response> {
    let bytes = written(move || to_json(&json::predict(answer, problem))).await?;
    Ok(([(header::CONTENT_TYPE, content_type(Form::Json))], bytes).into_response())
}

/// Writes on a thread that may block: attention can be millions of numbers.
async fn written(write: impl FnOnce() -> Result<Vec<u8>> + Send + 'static) -> Result<Vec<u8>> {
    // The request's span goes along: an input's internal error is logged there.
    let span = Span::current();
    let write = move || span.in_scope(write);
    tokio::task::spawn_blocking(write).await.map_err(Error::internal)?
}

fn explanation(form: Form, answer: Answer) -> Result<Vec<u8>> {
    match form {
        Form::Json => to_json(&json::explain(answer, problem)),
        Form::Page => Ok(page::render(&answer, |error| problem(error.clone()).to_string()).into()),
        Form::Picture => picture::render(&answer).map(String::into_bytes),
        Form::Tensors => tensors::render(answer, problem),
    }
}

fn to_json(value: &impl Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(Error::internal)
}

fn problem(error: Error) -> Problem {
    Problem::new(error, None)
}

fn content_type(form: Form) -> &'static str {
    match form {
        Form::Page => "text/html; charset=utf-8",
        other => other.media_type(),
    }
}

type Guard = (HeaderName, &'static str);

/// What a browser must not do with it, should something of a text get through
/// after all.
fn guards(form: Form) -> &'static [Guard] {
    const NO_SCRIPT: Guard =
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'unsafe-inline'; sandbox");
    const NO_GUESS: Guard = (header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    match form {
        Form::Page | Form::Picture => &[NO_SCRIPT, NO_GUESS],
        Form::Json | Form::Tensors => &[],
    }
}
