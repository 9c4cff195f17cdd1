//! Answers written in the form that the caller accepts.

use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tracing::Span;

use super::accept::Form;
use super::problem::{Failure, Problem};
use super::{Service, stream};
use crate::error::{Error, Result};
use crate::explainer::Prepared;
use crate::explanation::{Answer, Question, Used};
use crate::render::{json, page, picture, tensors};

/// The answer to a question in this form.
pub async fn respond(
    service: &Service,
    form: Form,
    question: Question,
) -> Result<Response, Failure> {
    let render: fn(Answer) -> Result<Vec<u8>> = match form {
        Form::Lines => return lines(service.explainer.prepare(question).await?),
        Form::Json => |answer| to_json(&json::explain(answer, problem)),
        Form::Page => {
            |answer| Ok(page::render(&answer, |error| problem(error.clone()).to_string()).into())
        }
        Form::Picture => |answer| picture::render(&answer).map(String::into_bytes),
        Form::Tensors => |answer| tensors::render(answer, problem),
    };
    let answer = answer(service, question).await?;
    let timing = server_timing(&answer.usage);
    let mut response = written(move || render(answer)).await?.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type(form)));
    headers.extend(timing.map(|timing| (SERVER_TIMING, timing)));
    headers.insert(header::VARY, HeaderValue::from_static("accept"));
    headers.extend(
        guards(form).iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))),
    );
    Ok(response)
}

/// Lines, unless it is known before the first one that no input has an answer.
fn lines(prepared: Prepared) -> Result<Response, Failure> {
    match prepared.unreadable().and_then(of_all) {
        Some(failure) => Err(failure),
        None => Ok(stream::lines(prepared)),
    }
}

const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// Where the time went, as browsers' tools show it.
fn server_timing(used: &Used) -> Option<HeaderValue> {
    let ms = |time: std::time::Duration| time.as_secs_f64() * 1e3;
    let (queue, compute) = (ms(used.passes.queue), ms(used.passes.compute));
    HeaderValue::from_str(&format!("queue;dur={queue:.2}, compute;dur={compute:.2}")).ok()
}

/// What `render` gives, as JSON.
pub async fn json<T: Serialize>(render: impl FnOnce() -> T + Send + 'static) -> Result<Response> {
    let bytes = written(move || to_json(&render())).await?;
    Ok(([(header::CONTENT_TYPE, content_type(Form::Json))], bytes).into_response())
}

/// The answer, or the failures where no input has one.
pub async fn answer(service: &Service, question: Question) -> Result<Answer, Failure> {
    let answer = service.explainer.explain(question).await?;
    let failed = |(_, result): &(_, Result<_>)| result.as_ref().err().cloned();
    let every: Option<Vec<Error>> = answer.results.iter().map(failed).collect();
    match every.and_then(of_all) {
        Some(failure) => Err(failure),
        None => Ok(answer),
    }
}

/// The first error, with the others.
fn of_all(errors: Vec<Error>) -> Option<Failure> {
    let mut errors = errors.into_iter();
    Some(Failure { error: errors.next()?, others: errors.collect() })
}

/// Writes on a thread that may block: attention can be millions of numbers.
async fn written(write: impl FnOnce() -> Result<Vec<u8>> + Send + 'static) -> Result<Vec<u8>> {
    // The request's span goes along: an input's internal error is logged there.
    let span = Span::current();
    let write = move || span.in_scope(write);
    tokio::task::spawn_blocking(write).await.map_err(Error::internal)?
}

fn to_json(value: &impl Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(Error::internal)
}

/// An input's error as it stands in an answer.
pub fn problem(error: Error) -> Problem {
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
        Form::Json | Form::Tensors | Form::Lines => &[],
    }
}
