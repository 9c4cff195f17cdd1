//! Responses that a client may have already: a strong entity tag of the content, and
//! 304 for those who name it (RFC 9110, section 13).

use std::collections::BTreeMap;
use std::fmt::Write;

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use sha2::{Digest, Sha256};
use utoipa::openapi::{RefOr, ResponseBuilder, response};
use utoipa::{IntoParams, IntoResponses};

use crate::error::{Error, Result};

/// JSON with the tag of its content.
#[derive(Clone)]
pub struct Tagged {
    body: Bytes,
    tag: HeaderValue,
}

impl Tagged {
    pub fn of(body: Vec<u8>) -> Self {
        let digest = Sha256::digest(&body);
        let mut tag = String::from("\"");
        for byte in &digest[..16] {
            // Writing to a string does not fail.
            let _ = write!(tag, "{byte:02x}");
        }
        tag.push('"');
        let tag = HeaderValue::from_str(&tag).unwrap_or(HeaderValue::from_static("\"\""));
        Self { body: body.into(), tag }
    }

    pub fn json(value: &impl Serialize) -> Result<Self> {
        serde_json::to_vec(value).map(Self::of).map_err(Error::internal)
    }
}

impl IntoResponse for Tagged {
    fn into_response(self) -> Response {
        let headers = [
            (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
            // May be kept by who asked, and is asked about each time.
            (header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache")),
            (header::ETAG, self.tag),
        ];
        (headers, self.body).into_response()
    }
}

/// Middleware that answers 304 where the client has the response already. It is around
/// compression: each encoding of a content has a tag of its own.
pub async fn revalidate(request: Request, next: Next) -> Response {
    let known = tags(request.headers());
    let mut response = next.run(request).await;
    let Some(tag) = encoded_tag(response.headers()) else { return response };
    let is_known = known.iter().any(|known| known == "*" || known.as_bytes() == tag.as_bytes());
    response.headers_mut().insert(header::ETAG, tag);
    if !is_known {
        return response;
    }
    for name in [header::CONTENT_TYPE, header::CONTENT_LENGTH, header::CONTENT_ENCODING] {
        response.headers_mut().remove(name);
    }
    *response.status_mut() = StatusCode::NOT_MODIFIED;
    response.map(|_| Body::empty())
}

/// The tags of If-None-Match, which are compared weakly.
fn tags(headers: &HeaderMap) -> Vec<String> {
    let values = headers.get_all(header::IF_NONE_MATCH).iter();
    let tags = values.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    tags.map(|tag| tag.trim().trim_start_matches("W/").to_owned()).collect()
}

/// The response's tag, with the name of its encoding.
fn encoded_tag(headers: &HeaderMap) -> Option<HeaderValue> {
    let tag = headers.get(header::ETAG)?;
    let Some(encoding) = headers.get(header::CONTENT_ENCODING) else { return Some(tag.clone()) };
    let (tag, encoding) = (tag.to_str().ok()?, encoding.to_str().ok()?);
    HeaderValue::from_str(&format!("{}-{encoding}\"", tag.trim_end_matches('"'))).ok()
}

/// The header, as it is described.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[allow(dead_code)] // read by hand, as a list
pub struct IfNoneMatch {
    /// The `ETag` of a response that the caller has; if it still holds, the answer is 304.
    #[param(rename = "If-None-Match", value_type = String, required = false)]
    if_none_match: Option<String>,
}

/// The response, as it is described.
pub struct NotModified;

impl IntoResponses for NotModified {
    fn responses() -> BTreeMap<String, RefOr<response::Response>> {
        let response =
            ResponseBuilder::new().description("The caller has it: If-None-Match names it");
        BTreeMap::from([("304".to_owned(), response.build().into())])
    }
}
