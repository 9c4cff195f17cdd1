//! Renders all error responses as `application/problem+json` (RFC 9457).

use std::fmt;

use axum::extract::{Extension, Request};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tower_http::request_id::RequestId;
use tracing::error;
use utoipa::ToSchema;

use crate::error::{Code, Error};

/// An error as clients see it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Problem {
    #[serde(rename = "type")]
    #[schema(example = "/problems/input_too_long")]
    pub kind: String,
    #[schema(example = "Input too long")]
    pub title: &'static str,
    #[schema(example = 422)]
    pub status: u16,
    #[schema(example = "input_too_long")]
    pub code: &'static str,
    /// What is wrong and what to change.
    pub detail: String,
    /// JSON pointer into the request's body.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "/inputs/3/text")]
    pub pointer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// The problems of the other inputs, if all inputs of a list failed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(no_recursion)]
    pub errors: Vec<Problem>,
}

/// Status, name and title of each code.
pub fn code_info(code: Code) -> (StatusCode, &'static str, &'static str) {
    use StatusCode as S;
    match code {
        Code::BadRequest => (S::BAD_REQUEST, "bad_request", "Bad request"),
        Code::InvalidJson => (S::BAD_REQUEST, "invalid_json", "Malformed JSON"),
        Code::InvalidField => (S::UNPROCESSABLE_ENTITY, "invalid_field", "Invalid field"),
        Code::InputEmpty => (S::UNPROCESSABLE_ENTITY, "input_empty", "Input empty"),
        Code::InputTooLong => (S::UNPROCESSABLE_ENTITY, "input_too_long", "Input too long"),
        Code::TargetNotFound => (S::UNPROCESSABLE_ENTITY, "target_not_found", "Target not found"),
        Code::MethodNotSupported => {
            (S::UNPROCESSABLE_ENTITY, "method_not_supported", "Method not supported")
        }
        Code::ModelNotFound => (S::NOT_FOUND, "model_not_found", "Model not found"),
        Code::CorpusNotFound => (S::NOT_FOUND, "corpus_not_found", "Corpus not found"),
        Code::ConceptNotFound => (S::NOT_FOUND, "concept_not_found", "Concept not found"),
        Code::ModelInvalid => (S::UNPROCESSABLE_ENTITY, "model_invalid", "Model invalid"),
        Code::ModelTooLarge => (S::UNPROCESSABLE_ENTITY, "model_too_large", "Model too large"),
        Code::ModelLoading => (S::CONFLICT, "model_loading", "Model loading"),
        Code::TooManyModels => (S::CONFLICT, "too_many_models", "Too many models"),
        Code::Unauthorized => (S::UNAUTHORIZED, "unauthorized", "Unauthorized"),
        Code::NotFound => (S::NOT_FOUND, "not_found", "Not found"),
        Code::MethodNotAllowed => {
            (S::METHOD_NOT_ALLOWED, "method_not_allowed", "Method not allowed")
        }
        Code::NotAcceptable => (S::NOT_ACCEPTABLE, "not_acceptable", "Not acceptable"),
        Code::UnsupportedMediaType => {
            (S::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", "Unsupported media type")
        }
        Code::PayloadTooLarge => (S::PAYLOAD_TOO_LARGE, "payload_too_large", "Body too large"),
        Code::HeadersTooLarge => {
            (S::REQUEST_HEADER_FIELDS_TOO_LARGE, "headers_too_large", "Headers too large")
        }
        Code::MisdirectedRequest => {
            (S::MISDIRECTED_REQUEST, "misdirected_request", "Misdirected request")
        }
        Code::UriTooLong => (S::URI_TOO_LONG, "uri_too_long", "Path too long"),
        Code::RequestTooExpensive => {
            (S::UNPROCESSABLE_ENTITY, "request_too_expensive", "Request too expensive")
        }
        Code::ResponseTooLarge => {
            (S::UNPROCESSABLE_ENTITY, "response_too_large", "Response too large")
        }
        Code::Overloaded => (S::TOO_MANY_REQUESTS, "overloaded", "Overloaded"),
        Code::ResponsesUnsent => {
            (S::SERVICE_UNAVAILABLE, "responses_unsent", "Responses are waiting to be read")
        }
        Code::RateLimited => (S::TOO_MANY_REQUESTS, "rate_limited", "Rate limited"),
        Code::DeadlineExceeded => (S::GATEWAY_TIMEOUT, "deadline_exceeded", "Deadline exceeded"),
        Code::PredictorFailed => (S::BAD_GATEWAY, "predictor_failed", "Predictor failed"),
        Code::RequestTimeout => (S::REQUEST_TIMEOUT, "request_timeout", "Request timeout"),
        Code::NotReady => (S::SERVICE_UNAVAILABLE, "not_ready", "Not ready"),
        Code::Draining => (S::SERVICE_UNAVAILABLE, "draining", "Draining"),
        Code::Internal => (S::INTERNAL_SERVER_ERROR, "internal", "Internal error"),
    }
}

impl Problem {
    /// Converts an error. The cause of an internal error is logged instead of returned.
    pub fn new(failure: Error, request_id: Option<&str>) -> Self {
        let (status, code, title) = code_info(failure.code);
        let detail = match failure.code {
            Code::Internal => {
                error!(request_id, cause = failure.detail, "internal error");
                "The service failed; its log says why.".to_owned()
            }
            _ => failure.detail,
        };
        Self {
            kind: format!("/problems/{code}"),
            title,
            status: status.as_u16(),
            code,
            detail,
            pointer: failure.pointer,
            request_id: request_id.map(str::to_owned),
            errors: Vec::new(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.pointer {
            Some(pointer) => write!(f, "{}: {} (at {pointer})", self.title, self.detail),
            None => write!(f, "{}: {}", self.title, self.detail),
        }
    }
}

/// The error of a handler; [`problems`] renders it.
#[derive(Debug, Clone)]
pub struct Failure {
    pub error: Error,
    /// The errors of the other inputs, if all inputs of a list failed.
    pub others: Vec<Error>,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { error, others: Vec::new() }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = code_info(self.error.code).0.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// Middleware that renders the bodies of all errors, including the framework's.
pub async fn problems(
    Extension(request_id): Extension<RequestId>,
    request: Request,
    next: Next,
) -> Response {
    with_problem_body(next.run(request).await, &request_id)
}

/// Returns the response, with a problem as its body if its status is an error.
pub fn with_problem_body(response: Response, request_id: &RequestId) -> Response {
    let status = response.status();
    if !status.is_client_error() && !status.is_server_error() {
        return response;
    }
    let failure = response.extensions().get::<Failure>().cloned();
    let Failure { error, others } = failure.unwrap_or_else(|| error_for_status(status).into());
    let retry_after = error.retry_after;
    let mut problem = Problem::new(error, request_id.header_value().to_str().ok());
    problem.errors = others.into_iter().map(|error| Problem::new(error, None)).collect();
    write(&problem, retry_after, response)
}

fn write(problem: &Problem, retry_after: Option<u64>, original: Response) -> Response {
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let body = serde_json::to_vec(problem).unwrap_or_default();
    let mut response = (status, body).into_response();
    let headers = response.headers_mut();
    // Keep headers such as Allow, which the framework has set.
    for (name, value) in original.headers() {
        if name != header::CONTENT_TYPE && name != header::CONTENT_LENGTH {
            headers.insert(name, value.clone());
        }
    }
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    if status == StatusCode::UNAUTHORIZED {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    if let Some(seconds) = retry_after {
        headers.insert(header::RETRY_AFTER, seconds.into());
    }
    response
}

/// The error for a status that the framework returned without one.
fn error_for_status(status: StatusCode) -> Error {
    match status {
        StatusCode::NOT_FOUND => {
            Error::new(Code::NotFound, "there is nothing at this path; GET /openapi.json lists all")
        }
        StatusCode::METHOD_NOT_ALLOWED => Error::new(
            Code::MethodNotAllowed,
            "this path does not support that method; the Allow header lists those it supports",
        ),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Error::new(
            Code::UnsupportedMediaType,
            "unknown Content-Encoding of the body; gzip and zstd are supported",
        ),
        StatusCode::PAYLOAD_TOO_LARGE => Error::new(Code::PayloadTooLarge, "the body is too large"),
        status if status.is_client_error() => {
            Error::new(Code::BadRequest, format!("the request could not be read ({status})"))
        }
        status => Error::internal(format!("the framework answered {status}")),
    }
}
