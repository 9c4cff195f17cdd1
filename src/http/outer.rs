//! What surrounds every route: request ids, logs and counts, compression,
//! errors in one form, and a net under panics.

use std::any::Any;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, Response, header};
use axum::middleware;
use axum::response::IntoResponse;
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{DefaultPredicate, NotForContentType, Predicate};
use tower_http::decompression::RequestDecompressionLayer;
use tower_http::request_id::{
    MakeRequestId, PropagateRequestIdLayer, RequestId, SetRequestIdLayer,
};

use super::accept::Form;
use super::options::{self, Allowed};
use super::problem::{Failure, problems};
use super::{Service, accounting, conditional, gate, headers, hosts, unsent};
use crate::error::Error;

pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Puts the layers around the routes, the outermost first.
pub fn wrap(router: Router, service: Service, allowed: Allowed) -> Router {
    let cors = options::cors(&service.cors_origins);
    let unsent = service.unsent.clone();
    router.layer(
        ServiceBuilder::new()
            .map_request(drop_odd_request_id)
            .layer(SetRequestIdLayer::new(REQUEST_ID, RandomId))
            .layer(PropagateRequestIdLayer::new(REQUEST_ID))
            .layer(middleware::from_fn(accounting::account))
            .map_response(guarded)
            .layer(middleware::from_fn_with_state(allowed, options::allow))
            .option_layer(cors)
            .layer(middleware::from_fn(options::end))
            .layer(middleware::from_fn_with_state(service.clone(), gate::last_words))
            .layer(middleware::from_fn(conditional::revalidate))
            .layer(middleware::from_fn_with_state(unsent.clone(), unsent::counted_compressed))
            .layer(CompressionLayer::new().compress_when(whole()))
            .layer(middleware::from_fn(problems))
            .layer(middleware::from_fn_with_state(unsent, unsent::counted))
            .layer(middleware::from_fn_with_state(service.clone(), headers::bounded))
            .layer(middleware::from_fn_with_state(service, hosts::known))
            .layer(CatchPanicLayer::custom(panicked))
            .layer(RequestDecompressionLayer::new()),
    )
}

/// Compresses what is written at once: lines would wait for each other.
fn whole() -> impl Predicate {
    DefaultPredicate::new().and(NotForContentType::new(Form::Lines.media_type()))
}

/// What a browser is told of every answer: it is what it says it is, it holds what a
/// caller sent, and nobody else's page may read it.
pub fn guarded(mut response: axum::response::Response) -> axum::response::Response {
    const GUARDS: [(HeaderName, &str); 4] = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    for (name, value) in GUARDS {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

/// A caller's request id is echoed and logged: only short plain ones are taken.
fn drop_odd_request_id(mut request: Request) -> Request {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:/+=".contains(byte);
    let odd = |value: &HeaderValue| {
        value.is_empty() || value.len() > 128 || !value.as_bytes().iter().all(plain)
    };
    if request.headers().get(&REQUEST_ID).is_some_and(odd) {
        request.headers_mut().remove(&REQUEST_ID);
    }
    request
}

#[derive(Clone, Copy)]
struct RandomId;

impl MakeRequestId for RandomId {
    fn make_request_id<B>(&mut self, _: &axum::http::Request<B>) -> Option<RequestId> {
        HeaderValue::from_str(&random_id()).ok().map(RequestId::new)
    }
}

/// 128 random bits, in hexadecimal.
pub fn random_id() -> String {
    format!("{:032x}", rand::random::<u128>())
}

fn panicked(panic: Box<dyn Any + Send>) -> Response<axum::body::Body> {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
    Failure::from(Error::internal(format!("a handler panicked: {text}"))).into_response()
}
