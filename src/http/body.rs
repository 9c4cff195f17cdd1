//! JSON bodies: read within the limit, strictly, with a pointer to what is
//! wrong.

use axum::body::{Body, to_bytes};
use axum::extract::{FromRequest, Request};
use axum::http::header;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::error::Category;
use serde_path_to_error::Segment;

use super::Service;
use super::problem::Failure;
use super::shapes::Object;
use crate::error::{Code, Error, Result, pointer_part};

/// A request's body as `T`.
pub struct JsonBody<T>(pub T);

impl<T: DeserializeOwned + Send + 'static> FromRequest<Service> for JsonBody<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, service: &Service) -> Result<Self, Failure> {
        check_type(&request)?;
        let patience = service.limits.request_time();
        let late = |_| Error::new(Code::RequestTimeout, "the body did not arrive in time");
        let body = read(request.into_body(), service.limits.body_bytes);
        let bytes = tokio::time::timeout(patience, body).await.map_err(late)??;
        service.work.run(async move { Ok(Self(parse(&bytes)?)) }).await
    }
}

fn check_type(request: &Request) -> Result<()> {
    let given = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let kind = given.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if kind.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    let detail = "the body must be JSON; send Content-Type: application/json";
    Err(Error::new(Code::UnsupportedMediaType, detail))
}

async fn read(body: Body, limit: usize) -> Result<axum::body::Bytes> {
    to_bytes(body, limit).await.map_err(|error| {
        match is_length_limit(&error) {
            true => {
                let detail = format!("the body is over {limit} bytes; send less at once");
                Error::new(Code::PayloadTooLarge, detail)
            }
            // A broken upload, or bytes that do not decompress.
            false => Error::new(Code::InvalidJson, "the body could not be read to its end"),
        }
    })
}

fn is_length_limit(error: &axum::Error) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if error.is::<http_body_util::LengthLimitError>() {
            return true;
        }
        cause = error.source();
    }
    false
}

/// Malformed JSON is a 400, JSON of the wrong form a 422 with its place.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let parsed = serde_path_to_error::deserialize(&mut json);
    let Object(value) = parsed.map_err(|error| {
        let pointer = pointer(error.path());
        let error = error.into_inner();
        match error.classify() {
            Category::Data => Error::field(pointer, error.to_string()),
            // To serde_json, a list longer than its type is malformed.
            _ if serde_json::from_slice::<Value>(bytes).is_ok() => {
                Error::field(pointer, "the list has more elements than it may have")
            }
            _ => Error::new(Code::InvalidJson, format!("malformed JSON: {error}")),
        }
    })?;
    let trailing = |error| Error::new(Code::InvalidJson, format!("malformed JSON: {error}"));
    json.end().map_err(trailing)?;
    Ok(value)
}

/// A path as a JSON pointer (RFC 6901).
fn pointer(path: &serde_path_to_error::Path) -> String {
    let part = |segment: &Segment| match segment {
        Segment::Seq { index } => format!("/{index}"),
        Segment::Map { key } => pointer_part(key),
        Segment::Enum { .. } | Segment::Unknown => String::new(),
    };
    path.iter().map(part).collect()
}
