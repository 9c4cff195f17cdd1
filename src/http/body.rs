//! JSON bodies: read within the limit, strictly, with a pointer to what is
//! wrong.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use axum::http::header;
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

/// A request's body as `T`, and the room that it takes: to be held for as long as what was
/// read is.
pub struct JsonBody<T>(pub T, pub Room);

/// Room that bodies hold, of that for all of them.
pub struct Room(#[allow(dead_code)] Option<OwnedSemaphorePermit>); // held, not read

/// Room for the bodies of all requests at a time.
#[derive(Clone)]
pub struct Bodies(Arc<Semaphore>);

/// Bytes that room is measured in.
const UNIT: usize = 1 << 10;

impl Bodies {
    pub fn new(mebibytes: usize) -> Self {
        Self(Arc::new(Semaphore::new((mebibytes << 20) / UNIT)))
    }

    /// Takes what a body of so many bytes needs beyond what it has.
    fn grow(&self, room: &mut Room, bytes: usize) -> Result<()> {
        let held = room.0.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let units = u32::try_from(bytes.div_ceil(UNIT) - held).unwrap_or(u32::MAX);
        let more = Arc::clone(&self.0).try_acquire_many_owned(units).map_err(|_| {
            let detail = "the bodies of other requests take all the room there is; come back later";
            Error { retry_after: Some(1), ..Error::new(Code::Overloaded, detail) }
        })?;
        match &mut room.0 {
            Some(held) => held.merge(more),
            none => *none = Some(more),
        }
        Ok(())
    }
}

impl<T: DeserializeOwned + Send + 'static> FromRequest<Service> for JsonBody<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, service: &Service) -> Result<Self, Failure> {
        check_type(&request)?;
        let patience = service.limits.request_time();
        let late = |_| Error::new(Code::RequestTimeout, "the body did not arrive in time");
        let body = read(request.into_body(), service.limits.body_bytes, &service.bodies);
        let (bytes, room) = tokio::time::timeout(patience, body).await.map_err(late)??;
        service.work.run(async move { Ok(Self(parse(&bytes)?, room)) }).await
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

async fn read(body: Body, limit: usize, bodies: &Bodies) -> Result<(Vec<u8>, Room)> {
    let mut body = Limited::new(body, limit);
    let (mut bytes, mut room) = (Vec::new(), Room(None));
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| unreadable(&*error, limit))?;
        if let Ok(data) = frame.into_data() {
            bodies.grow(&mut room, bytes.len() + data.len())?;
            bytes.extend_from_slice(&data);
        }
    }
    Ok((bytes, room))
}

fn unreadable(error: &(dyn std::error::Error + 'static), limit: usize) -> Error {
    match is_length_limit(error) {
        true => {
            let detail = format!("the body is over {limit} bytes; send less at once");
            Error::new(Code::PayloadTooLarge, detail)
        }
        // A broken upload, or bytes that do not decompress.
        false => Error::new(Code::InvalidJson, "the body could not be read to its end"),
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

/// Malformed JSON is a 400, JSON of the wrong form a 422 with its place.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let parsed = serde_path_to_error::deserialize(&mut json);
    let Object(value) = parsed.map_err(|error| {
        let pointer = pointer(error.path());
        let error = error.into_inner();
        match error.classify() {
            Category::Data => Error::field(pointer, plain::of_form(&error)),
            // To serde_json, a list longer than its type is malformed.
            _ if serde_json::from_slice::<Value>(bytes).is_ok() => {
                Error::field(pointer, "the list has more elements than it may have")
            }
            _ => malformed(&error, bytes),
        }
    })?;
    json.end().map_err(|error| malformed(&error, bytes))?;
    Ok(value)
}

fn malformed(error: &serde_json::Error, body: &[u8]) -> Error {
    Error::new(Code::InvalidJson, plain::of_syntax(error, body))
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
