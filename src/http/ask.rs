//! From a request to what it asks: the body, and the headers that go with it.

use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderName};
use serde::Serialize;
use utoipa::IntoParams;

use super::cache::Key;
use super::gate::Caller;
use super::request::{ExplainRequest, PredictRequest};
use super::{Service, accounting};
use crate::error::{Code, Error, Result};
use crate::explainer::Explainer;
use crate::explanation::Question;

/// As `budget_ms`, for those who do not write the body.
pub const REQUEST_TIMEOUT: HeaderName = HeaderName::from_static("x-request-timeout");

/// The header, as it is described.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[allow(dead_code)] // read by hand, to say what is wrong with it
pub struct RequestTimeout {
    /// The longest that the answer may take, in milliseconds; the shorter of this and
    /// `budget_ms` holds.
    #[param(rename = "X-Request-Timeout", value_type = u64, required = false, minimum = 1, maximum = 3_600_000, example = 5_000)]
    x_request_timeout: Option<u64>,
}

/// A body that asks a question.
pub trait Ask: Serialize {
    fn into_question(self, explainer: &Explainer) -> Result<Question>;
}

impl Ask for ExplainRequest {
    fn into_question(self, explainer: &Explainer) -> Result<Question> {
        self.into_question(explainer)
    }
}

impl Ask for PredictRequest {
    fn into_question(self, explainer: &Explainer) -> Result<Question> {
        self.into_question(explainer)
    }
}

/// The question of a request, and what its answer may be kept under.
pub fn question(
    service: &Service,
    caller: &Caller,
    headers: &HeaderMap,
    request: impl Ask,
) -> Result<(Question, Option<Key>)> {
    let timeout = timeout(headers)?;
    let asked = service.cache.as_ref().map(|_| serde_json::to_vec(&request)).transpose();
    let asked = asked.map_err(Error::internal)?;
    let mut question = request.into_question(&service.explainer)?;
    question.caller = Arc::clone(&caller.name);
    question.since = Some(caller.since.into_std());
    accounting::note_model(&question.model.id);
    question.budget = question.budget.into_iter().chain(timeout).min();
    let key = asked.map(|asked| Key::of(caller, &question, &asked));
    Ok((question, key))
}

fn timeout(headers: &HeaderMap) -> Result<Option<Duration>> {
    let Some(value) = headers.get(REQUEST_TIMEOUT) else { return Ok(None) };
    let number = value.to_str().ok().and_then(|text| text.trim().parse().ok());
    match number {
        Some(number @ 1..=3_600_000) => Ok(Some(Duration::from_millis(number))),
        _ => {
            let detail = "X-Request-Timeout is a whole number of milliseconds, 1 to 3600000";
            Err(Error::new(Code::BadRequest, detail))
        }
    }
}
