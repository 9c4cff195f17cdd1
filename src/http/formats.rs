//! Answers written in the form that the caller accepts.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tracing::Span;

use super::Service;
use super::accept::Form;
use super::pieces::{Pieces, Writer};
use super::problem::{Failure, Problem};
use crate::error::{Error, Result};
use crate::explanation::{Answer, Question, Used};
use crate::render::{json, page, picture, tensors};

/// An answer as it goes out, whole.
#[derive(Clone)]
pub struct Written {
    headers: HeaderMap,
    body: Pieces,
    /// Whether the same request would get it again.
    pub lasting: bool,
}

impl Written {
    fn new(form: Form, answer: Described, body: Pieces) -> Self {
        let mut headers = headers(form);
        headers.extend(answer.timing.map(|timing| (SERVER_TIMING, timing)));
        Self { headers, body, lasting: answer.lasting }
    }

    /// Bytes that it takes to keep.
    pub fn weight(&self) -> usize {
        const HEADERS: usize = 1_024;
        HEADERS + self.body.len()
    }
}

impl IntoResponse for Written {
    fn into_response(self) -> Response {
        (self.headers, self.body.into_body()).into_response()
    }
}

/// What is known of an answer before it is written.
struct Described {
    timing: Option<HeaderValue>,
    lasting: bool,
}

/// The answer to a question in this form, which is not that of lines.
pub async fn respond(
    service: &Service,
    form: Form,
    question: Question,
) -> Result<Written, Failure> {
    write(service, form, question, move |answer, writer| match form {
        Form::Page => {
            let page = page::render(&answer, |error| problem(error.clone()).to_string());
            writer.bytes(page.as_bytes())
        }
        Form::Picture => writer.bytes(picture::render(&answer)?.as_bytes()),
        Form::Tensors => writer.bytes(&tensors::render(answer, problem)?),
        Form::Json | Form::Lines => writer.json(&json::explain(answer, problem)),
    })
    .await
}

/// What `render` makes of the answer, as JSON.
pub async fn json<T: Serialize>(
    service: &Service,
    question: Question,
    render: impl FnOnce(Answer) -> T + Send + 'static,
) -> Result<Written, Failure> {
    write(service, Form::Json, question, move |answer, writer| writer.json(&render(answer))).await
}

async fn write(
    service: &Service,
    form: Form,
    question: Question,
    render: impl FnOnce(Answer, &mut Writer) -> Result<()> + Send + 'static,
) -> Result<Written, Failure> {
    let answer = answer(service, question).await?;
    let described =
        Described { timing: server_timing(&answer.usage), lasting: answer.is_lasting() };
    // On a thread that may block: attention can be millions of numbers. The
    // request's span goes along: an input's internal error is logged there.
    let span = Span::current();
    let mut writer = Writer::new(&service.unsent, service.limits.response_bytes);
    let write = move || {
        span.in_scope(|| render(answer, &mut writer))?;
        writer.finish()
    };
    // Counted here until this returns it, and then by `unsent::counted`.
    let (body, _counted) = tokio::task::spawn_blocking(write).await.map_err(Error::internal)??;
    Ok(Written::new(form, described, body))
}

pub const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// Where the time went, as browsers' tools show it.
fn server_timing(used: &Used) -> Option<HeaderValue> {
    let ms = |time: std::time::Duration| time.as_secs_f64() * 1e3;
    let (queue, compute) = (ms(used.passes.queue), ms(used.passes.compute));
    HeaderValue::from_str(&format!("queue;dur={queue:.2}, compute;dur={compute:.2}")).ok()
}

/// The answer, or the failures where no input has one.
async fn answer(service: &Service, question: Question) -> Result<Answer, Failure> {
    let answer = service.explainer.explain(question).await?;
    let failed = |(_, result): &(_, Result<_>)| result.as_ref().err().cloned();
    let every: Option<Vec<Error>> = answer.results.iter().map(failed).collect();
    match every.and_then(of_all) {
        Some(failure) => Err(failure),
        None => Ok(answer),
    }
}

/// The first error, with the others.
pub fn of_all(errors: Vec<Error>) -> Option<Failure> {
    let mut errors = errors.into_iter();
    Some(Failure { error: errors.next()?, others: errors.collect() })
}

/// An input's error as it stands in an answer.
pub fn problem(error: Error) -> Problem {
    Problem::new(error, None)
}

/// The header fields of everything in this form.
pub fn headers(form: Form) -> HeaderMap {
    let own = [(header::CONTENT_TYPE, content_type(form)), (header::VARY, "accept")];
    let fields = own.iter().chain(guards(form));
    fields.map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect()
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
