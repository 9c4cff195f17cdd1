//! An answer as lines, each as soon as it is ready.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use tracing::Span;

use super::accept::Form;
use super::formats;
use crate::explainer::{Event, Prepared};
use crate::model::Model;
use crate::render::json;

/// Answers line by line. A caller that leaves drops the body, and with it the
/// work.
pub fn lines(prepared: Prepared, limit: usize) -> Response {
    let model = Arc::clone(prepared.model());
    let span = Span::current();
    let lines = prepared.stream().then(move |event| {
        let (model, span) = (Arc::clone(&model), span.clone());
        async move {
            // Attention can be millions of numbers: not on a thread that serves.
            let write = move || span.in_scope(|| line(event, &model, limit));
            let line = tokio::task::spawn_blocking(write).await.unwrap_or_default();
            Ok::<_, Infallible>(Bytes::from(line))
        }
    });
    let body = Body::from_stream(lines);
    let headers = [(header::CONTENT_TYPE, Form::Lines.media_type()), (header::VARY, "accept")];
    (headers, body).into_response()
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
