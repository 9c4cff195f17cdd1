//! An answer as lines, each as soon as it is ready.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_util::stream::{Stream, StreamExt, poll_fn};
use tokio::sync::mpsc;
use tracing::Span;

use super::accept::Form;
use super::{Service, Work, formats};
use crate::explainer::{Event, Prepared};
use crate::model::Model;
use crate::render::json;

/// Answers line by line. A caller that leaves drops the body, and with it the
/// work.
pub fn lines(service: &Service, prepared: Prepared) -> Response {
    let model = Arc::clone(prepared.model());
    let (span, limit) = (Span::current(), service.limits.response_bytes);
    let lines = prepared.stream().then(move |event| {
        let (model, span) = (Arc::clone(&model), span.clone());
        async move {
            // Attention can be millions of numbers: not on a thread that serves.
            let write = move || span.in_scope(|| line(event, &model, limit));
            Bytes::from(tokio::task::spawn_blocking(write).await.unwrap_or_default())
        }
    });
    let body = Body::from_stream(worked_on(&service.work, lines).map(Ok::<_, Infallible>));
    let headers = [(header::CONTENT_TYPE, Form::Lines.media_type()), (header::VARY, "accept")];
    (headers, body).into_response()
}

/// The pieces of `stream`, which is worked on elsewhere; dropping them ends it. Where
/// nobody takes them, the work waits.
fn worked_on<S: Stream<Item: Send> + Send + 'static>(
    work: &Work,
    stream: S,
) -> impl Stream<Item = S::Item> + use<S> {
    let (sender, mut pieces) = mpsc::channel(1);
    let working = work.spawn(async move {
        let mut stream = pin!(stream);
        while let Some(piece) = stream.next().await {
            if sender.send(piece).await.is_err() {
                return;
            }
        }
    });
    poll_fn(move |context| {
        let _until_here = &working;
        pieces.poll_recv(context)
    })
}

fn line(event: Event, model: &Model, limit: usize) -> Vec<u8> {
    let written =
        |event| serde_json::to_vec(&json::line(event, model, formats::problem)).unwrap_or_default();
    let place = match &event {
        Event::Result { index, id, .. } => Some((*index, id.clone())),
        Event::Progress(_) | Event::End(_) => None,
    };
    let mut bytes = written(event);
    if let (Err(error), Some((index, id))) = (formats::check_size(bytes.len(), limit), place) {
        bytes = written(Event::Result { index, id, result: Box::new(Err(error)) });
    }
    bytes.push(b'\n');
    bytes
}
