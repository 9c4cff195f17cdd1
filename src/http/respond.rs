//! Renders responses in the format that the client accepts.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tracing::Span;

use super::Service;
use super::accept::Format;
use super::pieces::{Pieces, Writer};
use super::problem::{Failure, Problem};
use crate::error::{Error, Result};
use crate::evidence::{Kind, Query};
use crate::explanation::{Answer, Question, Used};
use crate::render::evidence::{self as shown, Show};
use crate::render::{json, page, picture, tensors};

/// A complete rendered response.
#[derive(Clone)]
pub struct Rendered {
    headers: HeaderMap,
    body: Pieces,
    /// Whether repeating the request would give the same response.
    pub cacheable: bool,
}

impl Rendered {
    fn new(mut headers: HeaderMap, answer: AnswerInfo, body: Pieces) -> Self {
        headers.extend(answer.timing.map(|timing| (SERVER_TIMING, timing)));
        Self { headers, body, cacheable: answer.cacheable }
    }

    /// Approximate memory in bytes, for the cache.
    pub fn weight(&self) -> usize {
        const HEADERS: usize = 1_024;
        HEADERS + self.body.len()
    }
}

impl IntoResponse for Rendered {
    fn into_response(self) -> Response {
        (self.headers, self.body.into_body()).into_response()
    }
}

/// Properties of an answer that are needed after rendering.
struct AnswerInfo {
    timing: Option<HeaderValue>,
    cacheable: bool,
}

impl AnswerInfo {
    fn of(answer: &Answer) -> Self {
        Self { timing: server_timing(&answer.usage), cacheable: answer.is_lasting() }
    }
}

/// Answers a question in any format except NDJSON.
pub async fn respond(
    service: &Service,
    format: Format,
    question: Question,
) -> Result<Rendered, Failure> {
    write(service, format, question, move |answer, writer| match format {
        Format::Page => {
            let page = page::render(&answer, |error| problem(error.clone()).to_string());
            writer.bytes(page.as_bytes())
        }
        Format::Picture => writer.bytes(picture::render(&answer)?.as_bytes()),
        Format::Tensors => writer.bytes(&tensors::render(answer, problem)?),
        Format::Json | Format::Lines => writer.json(&json::explain(answer, problem)),
    })
    .await
}

/// Answers a question with the JSON of `render`.
pub async fn json<T: Serialize>(
    service: &Service,
    question: Question,
    render: impl FnOnce(Answer) -> T + Send + 'static,
) -> Result<Rendered, Failure> {
    write(service, Format::Json, question, move |answer, writer| writer.json(&render(answer))).await
}

/// Answers a question with a body that `render` writes, and the header fields that it returns.
pub async fn with_headers(
    service: &Service,
    question: Question,
    render: impl FnOnce(Answer, &mut Writer) -> Result<HeaderMap> + Send + 'static,
) -> Result<Rendered, Failure> {
    let answer = answer(service, question).await?;
    let info = AnswerInfo::of(&answer);
    put(service, info, move |writer| render(answer, writer)).await
}

async fn write(
    service: &Service,
    format: Format,
    question: Question,
    render: impl FnOnce(Answer, &mut Writer) -> Result<()> + Send + 'static,
) -> Result<Rendered, Failure> {
    let answer = answer(service, question).await?;
    let info = AnswerInfo::of(&answer);
    let render = move |writer: &mut Writer| {
        render(answer, writer)?;
        Ok(headers(format))
    };
    put(service, info, render).await
}

/// Renders a body as JSON on a thread that may block.
pub async fn body<T: Serialize>(
    service: &Service,
    make: impl FnOnce() -> T + Send + 'static,
) -> Result<Rendered, Failure> {
    let info = AnswerInfo { timing: None, cacheable: false };
    let render = move |writer: &mut Writer| {
        writer.json(&make())?;
        Ok(headers(Format::Json))
    };
    put(service, info, render).await
}

/// Renders evidence as JSON, or as a page with this title.
pub async fn evidence<K: Kind<Found: Show>>(
    service: &Service,
    format: Format,
    query: Query<K>,
    title: &'static str,
) -> Result<Rendered, Failure> {
    let answer = crate::evidence::answer(&service.explainer, query).await?;
    let failed = answer.results.iter().map(|(_, result)| result.as_ref().err().cloned());
    if let Some(failure) = failed.collect::<Option<Vec<Error>>>().and_then(all_failed) {
        return Err(failure);
    }
    let info = AnswerInfo { timing: server_timing(&answer.usage), cacheable: answer.is_lasting() };
    let render = move |writer: &mut Writer| {
        match format {
            Format::Page => {
                let problem = |error: &Error| problem(error.clone()).to_string();
                writer.bytes(shown::page(&answer, title, problem).as_bytes())?;
            }
            _ => writer.json(&shown::json(answer, problem))?,
        }
        Ok(headers(format))
    };
    put(service, info, render).await
}

/// Renders a response with what `render` writes, and the header fields that it returns.
async fn put(
    service: &Service,
    info: AnswerInfo,
    render: impl FnOnce(&mut Writer) -> Result<HeaderMap> + Send + 'static,
) -> Result<Rendered, Failure> {
    // Runs on a blocking thread, because attention can be millions of numbers. Entering the
    // request's span attributes log lines about internal errors.
    let span = Span::current();
    let mut writer = Writer::new(&service.unsent, service.limits.response_bytes);
    let write = move || {
        let headers = span.in_scope(|| render(&mut writer))?;
        writer.finish().map(|(body, counted)| (headers, body, counted))
    };
    // Holds the count until the response is returned; then `unsent::count_bodies` counts it.
    let written = tokio::task::spawn_blocking(write).await.map_err(Error::internal)?;
    let (headers, body, _counted) = written?;
    Ok(Rendered::new(headers, info, body))
}

pub const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// Queue and compute times, for the tools of browsers.
fn server_timing(used: &Used) -> Option<HeaderValue> {
    let ms = |time: std::time::Duration| time.as_secs_f64() * 1e3;
    let (queue, compute) = (ms(used.passes.queue), ms(used.passes.compute));
    HeaderValue::from_str(&format!("queue;dur={queue:.2}, compute;dur={compute:.2}")).ok()
}

/// Runs the question. If all inputs fail, returns their errors.
pub async fn answer(service: &Service, question: Question) -> Result<Answer, Failure> {
    let answer = service.explainer.explain(question).await?;
    let failed = |(_, result): &(_, Result<_>)| result.as_ref().err().cloned();
    let errors: Option<Vec<Error>> = answer.results.iter().map(failed).collect();
    match errors.and_then(all_failed) {
        Some(failure) => Err(failure),
        None => Ok(answer),
    }
}

/// Combines errors into a failure: the first one, with the others.
pub fn all_failed(errors: Vec<Error>) -> Option<Failure> {
    let mut errors = errors.into_iter();
    Some(Failure { error: errors.next()?, others: errors.collect() })
}

/// Converts the error of one input for a response.
pub fn problem(error: Error) -> Problem {
    Problem::new(error, None)
}

/// Header fields of all responses in this format.
pub fn headers(format: Format) -> HeaderMap {
    let own = [(header::CONTENT_TYPE, content_type(format)), (header::VARY, "accept")];
    let fields = own.iter().chain(browser_guards(format));
    fields.map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect()
}

fn content_type(format: Format) -> &'static str {
    match format {
        Format::Page => "text/html; charset=utf-8",
        other => other.media_type(),
    }
}

type Guard = (HeaderName, &'static str);

/// Header fields that restrict browsers, in case a part of a text gets through unescaped.
fn browser_guards(format: Format) -> &'static [Guard] {
    const NO_SCRIPT: Guard =
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'unsafe-inline'; sandbox");
    const NO_SNIFF: Guard = (header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    match format {
        Format::Page | Format::Picture => &[NO_SCRIPT, NO_SNIFF],
        Format::Json | Format::Tensors | Format::Lines => &[],
    }
}
