//! Middleware around all routes: request ids, logging and metrics, compression, problem responses,
//! and handling of panics.

use std::any::Any;

use axum::Router;
use axum::http::Response;
use axum::middleware;
use axum::response::IntoResponse;
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{DefaultPredicate, NotForContentType, Predicate};
use tower_http::decompression::RequestDecompressionLayer;
use tower_http::request_id::{PropagateRequestIdLayer, SetRequestIdLayer};

use super::accept::Format;
use super::options::{self, Allowed};
use super::problem::{Failure, problems};
use super::request_id::{REQUEST_ID, RandomId, drop_invalid_request_id};
use super::{Service, accounting, auth, conditional, headers, hosts, kserve, unsent};
use crate::error::Error;

/// Wraps the routes in middleware, outermost first.
pub fn wrap(router: Router, service: Service, allowed: Allowed) -> Router {
    let cors = options::cors(&service.cors_origins);
    let unsent = service.unsent.clone();
    router.layer(
        ServiceBuilder::new()
            .map_request(drop_invalid_request_id)
            .layer(SetRequestIdLayer::new(REQUEST_ID, RandomId))
            .layer(PropagateRequestIdLayer::new(REQUEST_ID))
            .layer(middleware::from_fn(kserve::grpc::wire::statuses))
            .layer(middleware::from_fn(accounting::account))
            .map_response(headers::add_security_headers)
            .layer(middleware::from_fn_with_state(allowed, options::allow))
            .option_layer(cors)
            .layer(middleware::from_fn(options::end))
            .layer(middleware::from_fn_with_state(service.clone(), auth::send_close))
            .layer(middleware::from_fn(conditional::revalidate))
            .layer(middleware::from_fn_with_state(unsent.clone(), unsent::count_compressed))
            .layer(CompressionLayer::new().compress_when(compressible()))
            .layer(middleware::from_fn(problems))
            .layer(middleware::from_fn_with_state(unsent, unsent::count_bodies))
            .layer(middleware::from_fn_with_state(service.clone(), headers::limit_head))
            .layer(middleware::from_fn_with_state(service, hosts::check_host))
            .layer(CatchPanicLayer::custom(panicked))
            .layer(RequestDecompressionLayer::new()),
    )
}

/// Compresses all responses except NDJSON, whose lines would be delayed.
fn compressible() -> impl Predicate {
    DefaultPredicate::new().and(NotForContentType::new(Format::Lines.media_type()))
}

fn panicked(panic: Box<dyn Any + Send>) -> Response<axum::body::Body> {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
    Failure::from(Error::internal(format!("a handler panicked: {text}"))).into_response()
}
