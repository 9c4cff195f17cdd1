//! The time limit in a request's header.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderName};
use utoipa::IntoParams;

use crate::error::{Code, Error, Result};

/// Like `budget_ms`, for clients and proxies that do not write the body.
pub const REQUEST_TIMEOUT: HeaderName = HeaderName::from_static("x-request-timeout");

/// The header's description in OpenAPI.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[allow(dead_code)] // parsed manually, for better error messages
pub struct RequestTimeout {
    /// Time limit for the response, in milliseconds; the shorter of this and `budget_ms` applies.
    #[param(rename = "X-Request-Timeout", value_type = u64, required = false, minimum = 1, maximum = 3_600_000, example = 5_000)]
    x_request_timeout: Option<u64>,
}

/// Returns the time limit in the headers, if there is one.
pub fn timeout(headers: &HeaderMap) -> Result<Option<Duration>> {
    let Some(value) = headers.get(REQUEST_TIMEOUT) else { return Ok(None) };
    let number = value.to_str().ok().and_then(|text| text.trim().parse().ok());
    match number {
        Some(number @ 1..=3_600_000) => Ok(Some(Duration::from_millis(number))),
        _ => {
            let detail = "X-Request-Timeout must be an integer of milliseconds from 1 to 3600000";
            Err(Error::new(Code::BadRequest, detail))
        }
    }
}
