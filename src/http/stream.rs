//! An answer as lines, each as soon as it is ready.

use std::pin::pin;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_util::stream::{self, Stream, StreamExt, poll_fn};
use tokio::sync::mpsc;
use tokio::task::JoinError;
use tracing::Span;

use super::accept::Form;
use super::pieces::Writer;
use super::{Service, Work, formats};
use crate::error::Result;
use crate::explainer::{Event, Prepared};
use crate::model::Model;
use crate::render::json;

/// Answers line by line. A caller that leaves drops the body, and with it the
/// work; for one that does not read, the work waits.
pub fn lines(service: &Service, prepared: Prepared) -> Response {
    let model = Arc::clone(prepared.model());
    let (span, service) = (Span::current(), service.clone());
    let work = service.work.clone();
    let lines = prepared.stream().then(move |event| {
        let (model, span, service) = (Arc::clone(&model), span.clone(), service.clone());
        async move {
            // Attention can be millions of numbers: not on a thread that serves.
            let write = move || span.in_scope(|| line(event, &model, &service));
            tokio::task::spawn_blocking(write).await.unwrap_or_default()
        }
    });
    let pieces = lines.flat_map(stream::iter);
    let body = Body::from_stream(worked_on(&work, pieces));
    let headers = [(header::CONTENT_TYPE, Form::Lines.media_type()), (header::VARY, "accept")];
    (headers, body).into_response()
}

/// The items of `items`, which are worked on elsewhere; dropping them ends that, and where
/// nobody takes them, it waits. Where it panics they end with an error: a caller must not
/// take for whole what is not.
fn worked_on<S: Stream<Item: Send> + Send + 'static>(
    work: &Work,
    items: S,
) -> impl Stream<Item = Result<S::Item, JoinError>> + use<S> {
    let (sender, mut receiver) = mpsc::channel(1);
    let working = work.spawn(async move {
        let mut items = pin!(items);
        while let Some(item) = items.next().await {
            if sender.send(item).await.is_err() {
                return;
            }
        }
    });
    let failure = stream::once(working).filter_map(async |done| done.err().map(Err));
    poll_fn(move |context| receiver.poll_recv(context)).map(Ok).chain(failure)
}

/// The pieces of a line. A result that there is no room for has its error instead, and
/// progress is left out.
fn line(event: Event, model: &Model, service: &Service) -> Vec<Bytes> {
    let place = match &event {
        Event::Result { index, id, .. } => Some((*index, id.clone())),
        Event::Progress(_) => None,
        Event::End(_) => return short(event, model, service),
    };
    match (pieces(event, model, service), place) {
        (Ok(pieces), _) => pieces,
        (Err(error), Some((index, id))) => {
            short(Event::Result { index, id, result: Box::new(Err(error)) }, model, service)
        }
        (Err(_), None) => Vec::new(),
    }
}

fn pieces(event: Event, model: &Model, service: &Service) -> Result<Vec<Bytes>> {
    let mut writer = Writer::new(&service.unsent, service.limits.response_bytes);
    writer.json(&json::line(event, model, formats::problem))?;
    writer.bytes(b"\n")?;
    writer.finish_counted()
}

/// A line that must be said, room or no room.
fn short(event: Event, model: &Model, service: &Service) -> Vec<Bytes> {
    let line = serde_json::to_vec(&json::line(event, model, formats::problem));
    let mut line = line.unwrap_or_default();
    line.push(b'\n');
    vec![service.unsent.count(0).piece(line.into())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_breaks_off_ends_with_an_error() {
        let items = stream::iter(0..3).inspect(|number| assert!(*number < 2, "as it is meant"));
        let got: Vec<_> = worked_on(&Work::here(), items).collect().await;
        assert!(matches!(&got[..], [Ok(0), Ok(1), Err(error)] if error.is_panic()), "{got:?}");
        let whole: Vec<_> = worked_on(&Work::here(), stream::iter(0..3)).collect().await;
        assert!(matches!(whole[..], [Ok(0), Ok(1), Ok(2)]), "{whole:?}");
    }
}
