//! The id of a request, in `X-Request-Id`.

use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue};
use tower_http::request_id::{MakeRequestId, RequestId};

pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Client request ids are returned and logged, so only short, plain ones are accepted.
pub fn drop_invalid_request_id(mut request: Request) -> Request {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:/+=".contains(byte);
    let invalid = |value: &HeaderValue| {
        value.is_empty() || value.len() > 128 || !value.as_bytes().iter().all(plain)
    };
    if request.headers().get(&REQUEST_ID).is_some_and(invalid) {
        request.headers_mut().remove(&REQUEST_ID);
    }
    request
}

/// Creates ids for requests without one.
#[derive(Clone, Copy)]
pub struct RandomId;

impl MakeRequestId for RandomId {
    fn make_request_id<B>(&mut self, _: &axum::http::Request<B>) -> Option<RequestId> {
        HeaderValue::from_str(&random_id()).ok().map(RequestId::new)
    }
}

/// 128 random bits in hexadecimal.
pub fn random_id() -> String {
    format!("{:032x}", rand::random::<u128>())
}
