//! NDJSON responses, whose lines are sent as soon as they are ready.

use std::pin::pin;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_util::stream::{self, Stream, StreamExt, poll_fn};
use tokio::sync::mpsc;
use tokio::task::JoinError;
use tracing::Span;

use super::accept::Format;
use super::pieces::Writer;
use super::{Service, Work, respond};
use crate::error::Result;
use crate::explainer::{Event, Prepared};
use crate::model::Model;
use crate::render::json;

/// Streams the response. If the client disconnects, the body is dropped, which stops the work. If
/// the client does not read, the work waits.
pub fn lines(service: &Service, prepared: Prepared) -> Response {
    let model = Arc::clone(prepared.model());
    let (span, service) = (Span::current(), service.clone());
    let work = service.work.clone();
    let lines = prepared.stream().then(move |event| {
        let (model, span, service) = (Arc::clone(&model), span.clone(), service.clone());
        async move {
            // Attention can be millions of numbers, so use a blocking thread.
            let write = move || span.in_scope(|| line(event, &model, &service));
            tokio::task::spawn_blocking(write).await.unwrap_or_default()
        }
    });
    let pieces = lines.flat_map(stream::iter);
    let body = Body::from_stream(run_on(&work, pieces));
    let headers = [(header::CONTENT_TYPE, Format::Lines.media_type()), (header::VARY, "accept")];
    (headers, body).into_response()
}

/// Runs the stream `items` on the work threads. Dropping the result stops it, and it waits while
/// the result is not read. If it panics, the result ends with an error, so that clients do not
/// mistake it for complete.
fn run_on<S: Stream<Item: Send> + Send + 'static>(
    work: &Work,
    items: S,
) -> impl Stream<Item = Result<S::Item, JoinError>> + use<S> {
    let (sender, mut receiver) = mpsc::channel(1);
    let task = work.spawn(async move {
        let mut items = pin!(items);
        while let Some(item) = items.next().await {
            if sender.send(item).await.is_err() {
                return;
            }
        }
    });
    let failure = stream::once(task).filter_map(async |done| done.err().map(Err));
    poll_fn(move |context| receiver.poll_recv(context)).map(Ok).chain(failure)
}

/// The pieces of a line. If there is no room for them, a result is replaced by its error, and
/// progress is omitted.
fn line(event: Event, model: &Model, service: &Service) -> Vec<Bytes> {
    let input = match &event {
        Event::Result { index, id, .. } => Some((*index, id.clone())),
        Event::Progress(_) => None,
        Event::End(_) => return force(event, model, service),
    };
    match (pieces(event, model, service), input) {
        (Ok(pieces), _) => pieces,
        (Err(error), Some((index, id))) => {
            force(Event::Result { index, id, result: Box::new(Err(error)) }, model, service)
        }
        (Err(_), None) => Vec::new(),
    }
}

fn pieces(event: Event, model: &Model, service: &Service) -> Result<Vec<Bytes>> {
    let mut writer = Writer::new(&service.unsent, service.limits.response_bytes);
    writer.json(&json::line(event, model, respond::problem))?;
    writer.bytes(b"\n")?;
    writer.finish_counted()
}

/// A line that is sent even if the limit is exceeded.
fn force(event: Event, model: &Model, service: &Service) -> Vec<Bytes> {
    let line = serde_json::to_vec(&json::line(event, model, respond::problem));
    let mut line = line.unwrap_or_default();
    line.push(b'\n');
    vec![service.unsent.count(0).piece(line.into())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_ends_the_stream_with_an_error() {
        let items = stream::iter(0..3).inspect(|number| assert!(*number < 2, "injected"));
        let read: Vec<_> = run_on(&Work::here(), items).collect().await;
        assert!(matches!(&read[..], [Ok(0), Ok(1), Err(error)] if error.is_panic()), "{read:?}");
        let whole: Vec<_> = run_on(&Work::here(), stream::iter(0..3)).collect().await;
        assert!(matches!(whole[..], [Ok(0), Ok(1), Ok(2)]), "{whole:?}");
    }
}
