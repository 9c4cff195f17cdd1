//! Conditional requests: strong entity tags of the content, and 304 for clients that already have
//! it (RFC 9110, section 13).

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

/// A body with an entity tag.
#[derive(Clone)]
pub struct Tagged {
    media_type: HeaderValue,
    body: Bytes,
    tag: HeaderValue,
}

impl Tagged {
    /// JSON with its tag.
    pub fn of(body: Vec<u8>) -> Self {
        Self::typed(HeaderValue::from_static("application/json"), body.into())
    }

    /// A body of this media type with its tag.
    pub fn typed(media_type: HeaderValue, body: Bytes) -> Self {
        let digest = Sha256::digest(&body);
        let mut tag = String::from("\"");
        for byte in &digest[..16] {
            // Writing to a string cannot fail.
            let _ = write!(tag, "{byte:02x}");
        }
        tag.push('"');
        let tag = HeaderValue::from_str(&tag).unwrap_or(HeaderValue::from_static("\"\""));
        Self { media_type, body, tag }
    }

    pub fn json(value: &impl Serialize) -> Result<Self> {
        serde_json::to_vec(value).map(Self::of).map_err(Error::internal)
    }
}

impl IntoResponse for Tagged {
    fn into_response(self) -> Response {
        let headers = [
            (header::CONTENT_TYPE, self.media_type),
            // Clients may store it but must revalidate.
            (header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache")),
            (header::ETAG, self.tag),
        ];
        (headers, self.body).into_response()
    }
}

/// Middleware that responds 304 if the client already has the response. It must be outside of
/// compression, because each encoding of a content has its own tag.
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

/// The tags of If-None-Match, for weak comparison.
fn tags(headers: &HeaderMap) -> Vec<String> {
    let values = headers.get_all(header::IF_NONE_MATCH).iter();
    let tags = values.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    tags.map(|tag| tag.trim().trim_start_matches("W/").to_owned()).collect()
}

/// The response's tag, with its content encoding appended.
fn encoded_tag(headers: &HeaderMap) -> Option<HeaderValue> {
    let tag = headers.get(header::ETAG)?;
    let Some(encoding) = headers.get(header::CONTENT_ENCODING) else { return Some(tag.clone()) };
    let (tag, encoding) = (tag.to_str().ok()?, encoding.to_str().ok()?);
    HeaderValue::from_str(&format!("{}-{encoding}\"", tag.trim_end_matches('"'))).ok()
}

/// The header's description in OpenAPI.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[allow(dead_code)] // parsed manually, as a list
pub struct IfNoneMatch {
    /// The `ETag` of a response that the client has; if it is still current, the status is 304.
    #[param(rename = "If-None-Match", value_type = String, required = false)]
    if_none_match: Option<String>,
}

/// The 304 response in OpenAPI.
pub struct NotModified;

impl IntoResponses for NotModified {
    fn responses() -> BTreeMap<String, RefOr<response::Response>> {
        let response =
            ResponseBuilder::new().description("The client has it: it matches If-None-Match");
        BTreeMap::from([("304".to_owned(), response.build().into())])
    }
}
