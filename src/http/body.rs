//! JSON request bodies: size limits, strict parsing, and pointers to errors.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::error::Category;
use serde_path_to_error::Segment;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Service;
use super::plain;
use super::problem::Failure;
use super::shapes::Object;
use crate::error::{Code, Error, Result, pointer_part};

/// A request's body parsed as `T`, and its memory permit, which should be held as long as the
/// parsed value.
pub struct JsonBody<T>(pub T, pub MemoryPermit);

/// A request's body of any media type, and its memory permit.
pub struct RawBody(pub Vec<u8>, pub MemoryPermit);

/// Memory reserved for a body.
pub struct MemoryPermit(#[allow(dead_code)] Option<OwnedSemaphorePermit>); // held, not read

/// Memory for the bodies of all requests in flight.
#[derive(Clone)]
pub struct BodyMemory(Arc<Semaphore>);

/// Bytes per semaphore permit.
const UNIT: usize = 1 << 10;

impl BodyMemory {
    pub fn new(mebibytes: usize) -> Self {
        Self(Arc::new(Semaphore::new((mebibytes << 20) / UNIT)))
    }

    /// Extends the permit to `bytes` in total.
    fn grow(&self, permit: &mut MemoryPermit, bytes: usize) -> Result<()> {
        let held = permit.0.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let units = u32::try_from(bytes.div_ceil(UNIT) - held).unwrap_or(u32::MAX);
        let more = Arc::clone(&self.0).try_acquire_many_owned(units).map_err(|_| {
            let detail = "the bodies of other requests use all memory for bodies; try again later";
            Error { retry_after: Some(1), ..Error::new(Code::Overloaded, detail) }
        })?;
        match &mut permit.0 {
            Some(held) => held.merge(more),
            none => *none = Some(more),
        }
        Ok(())
    }
}

impl<T: DeserializeOwned + Send + 'static> FromRequest<Service> for JsonBody<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, service: &Service) -> Result<Self, Failure> {
        check_type(request.headers())?;
        let RawBody(bytes, permit) = RawBody::from_request(request, service).await?;
        service.work.run(async move { Ok(Self(parse(&bytes)?, permit)) }).await
    }
}

impl FromRequest<Service> for RawBody {
    type Rejection = Failure;

    async fn from_request(request: Request, service: &Service) -> Result<Self, Failure> {
        let time_limit = service.limits.request_time();
        let late = |_| Error::new(Code::RequestTimeout, "the body did not arrive in time");
        let body = read(request.into_body(), service.limits.body_bytes, &service.body_memory);
        let (bytes, permit) = tokio::time::timeout(time_limit, body).await.map_err(late)??;
        Ok(Self(bytes, permit))
    }
}

/// The body's media type in lower case, without parameters; empty if there is none.
pub fn media_type(headers: &HeaderMap) -> String {
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let kind = given.unwrap_or_default().split(';').next().unwrap_or_default();
    kind.trim().to_ascii_lowercase()
}

/// Checks that the body is JSON.
pub fn check_type(headers: &HeaderMap) -> Result<()> {
    if media_type(headers) == "application/json" {
        return Ok(());
    }
    let detail = "the body must be JSON; send Content-Type: application/json";
    Err(Error::new(Code::UnsupportedMediaType, detail))
}

async fn read(body: Body, limit: usize, memory: &BodyMemory) -> Result<(Vec<u8>, MemoryPermit)> {
    let mut body = Limited::new(body, limit);
    let (mut bytes, mut permit) = (Vec::new(), MemoryPermit(None));
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| read_error(&*error, limit))?;
        if let Ok(data) = frame.into_data() {
            memory.grow(&mut permit, bytes.len() + data.len())?;
            bytes.extend_from_slice(&data);
        }
    }
    Ok((bytes, permit))
}

fn read_error(error: &(dyn std::error::Error + 'static), limit: usize) -> Error {
    match is_length_limit(error) {
        true => {
            let detail = format!("the body is over {limit} bytes; send less at once");
            Error::new(Code::PayloadTooLarge, detail)
        }
        // The upload was interrupted, or the bytes cannot be decompressed.
        false => Error::new(Code::InvalidJson, "the body could not be read completely"),
    }
}

fn is_length_limit(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.is::<LengthLimitError>() {
            return true;
        }
        cause = error.source();
    }
    false
}

/// Parses JSON. Syntax errors are 400; valid JSON of the wrong form is 422 with a pointer.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let parsed = serde_path_to_error::deserialize(&mut json);
    let Object(value) = parsed.map_err(|error| {
        let (pointer, field) = (pointer(error.path()), field(error.path()));
        let error = error.into_inner();
        match error.classify() {
            Category::Data => Error::field(pointer, plain::data_error(&error, &field)),
            // serde_json reports lists that are too long for their type as syntax errors.
            _ if serde_json::from_slice::<Value>(bytes).is_ok() => {
                Error::field(pointer, format!("{field} has more elements than allowed"))
            }
            _ => malformed(&error, bytes),
        }
    })?;
    json.end().map_err(|error| malformed(&error, bytes))?;
    Ok(value)
}

/// Converts JSON that was parsed before, with the errors of [`parse`].
pub fn from_value<T: DeserializeOwned>(value: Value) -> Result<T> {
    let Object(converted) = serde_path_to_error::deserialize(value).map_err(|error| {
        let (pointer, field) = (pointer(error.path()), field(error.path()));
        Error::field(pointer, plain::data_error(&error.into_inner(), &field))
    })?;
    Ok(converted)
}

fn malformed(error: &serde_json::Error, body: &[u8]) -> Error {
    Error::new(Code::InvalidJson, plain::syntax_error(error, body))
}

/// Converts a path to a JSON pointer (RFC 6901).
fn pointer(path: &serde_path_to_error::Path) -> String {
    let part = |segment: &Segment| match segment {
        Segment::Seq { index } => format!("/{index}"),
        Segment::Map { key } => pointer_part(key),
        Segment::Enum { .. } | Segment::Unknown => String::new(),
    };
    path.iter().map(part).collect()
}

/// Formats a path for people: `inputs[0].text`.
fn field(path: &serde_path_to_error::Path) -> String {
    let part = |segment: &Segment| match segment {
        Segment::Seq { index } => format!("[{index}]"),
        Segment::Map { key } => format!(".{key}"),
        Segment::Enum { .. } | Segment::Unknown => String::new(),
    };
    path.iter().map(part).collect::<String>().trim_start_matches('.').to_owned()
}
