//! The trace that a request is part of (W3C Trace Context).

use axum::http::HeaderMap;
use tracing::Span;

#[cfg(feature = "otlp")]
use crate::telemetry;

/// Makes the span part of the trace that the headers identify, if any.
pub fn join(span: &Span, headers: &HeaderMap) {
    if let Some(trace) = trace_id(headers) {
        span.record("trace", trace);
    }
    #[cfg(feature = "otlp")]
    telemetry::join(span, &trace_headers(headers));
}

#[cfg(feature = "otlp")]
fn trace_headers(headers: &HeaderMap) -> std::collections::HashMap<String, String> {
    let value = |name: &str| Some((name.to_owned(), headers.get(name)?.to_str().ok()?.to_owned()));
    telemetry::HEADERS.iter().filter_map(|name| value(name)).collect()
}

/// The trace id in `traceparent`.
fn trace_id(headers: &HeaderMap) -> Option<&str> {
    let parent = headers.get("traceparent")?.to_str().ok()?;
    let parts: Vec<&str> = parent.split('-').collect();
    let hex = |part: &str, length| {
        part.len() == length && part.bytes().all(|b| b"0123456789abcdef".contains(&b))
    };
    match parts[..] {
        ["00", trace, span, flags] => {
            (hex(trace, 32) && hex(span, 16) && hex(flags, 2)).then_some(trace)
        }
        _ => None,
    }
}
