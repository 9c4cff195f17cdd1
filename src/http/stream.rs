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
pub fn lines(prepared: Prepared) -> Response {
    let model = Arc::clone(prepared.model());
    let span = Span::current();
    let lines = prepared.stream().then(move |event| {
        let (model, span) = (Arc::clone(&model), span.clone());
        async move {
            // Attention can be millions of numbers: not on a thread that serves.
            let write = move || span.in_scope(|| line(event, &model));
            let line = tokio::task::spawn_blocking(write).await.unwrap_or_default();
            Ok::<_, Infallible>(Bytes::from(line))
        }
    });
    let body = Body::from_stream(lines);
    let headers = [(header::CONTENT_TYPE, Form::Lines.media_type()), (header::VARY, "accept")];
    (headers, body).into_response()
}

fn line(event: Event, model: &Model) -> Vec<u8> {
    let line = json::line(event, model, formats::problem);
    let mut bytes = serde_json::to_vec(&line).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}
