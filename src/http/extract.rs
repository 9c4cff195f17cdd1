//! Converts a request, its body and headers, to a question.

use std::sync::Arc;
use std::time::Duration;

use axum::http::HeaderMap;
use serde::Serialize;

use super::cache::Key;
use super::caller::Caller;
use super::question::IntoQuestion;
use super::timeout::timeout;
use super::{Service, accounting};
use crate::error::{Error, Result};
use crate::explanation::Question;

/// Returns the question of a request, and its cache key if caching is enabled.
pub fn question(
    service: &Service,
    caller: &Caller,
    headers: &HeaderMap,
    request: impl IntoQuestion,
) -> Result<(Question, Option<Key>)> {
    let (timeout, canonical) = (timeout(headers)?, canonical(service, &request)?);
    let mut question = request.into_question(&service.explainer)?;
    belongs_to(&mut question, caller, timeout);
    // A remote model may change without notice.
    let canonical = canonical.filter(|_| !question.model.is_remote());
    let key = canonical.map(|canonical| {
        let limit = service.explainer.time_limit(&question);
        let key = Key::of(caller, &question, limit, &canonical);
        let evidence = question.evidence.iter();
        let key = key.depending_on(question.lexicon.digest());
        let key = evidence.fold(key, |key, finder| key.depending_on(finder.depends_on()));
        let concepts = question.concepts.iter();
        concepts.fold(key, |key, concept| key.depending_on(concept.digest))
    });
    Ok((question, key))
}

/// Returns the request in a canonical form, by which responses are cached; `None` without a cache.
pub fn canonical(service: &Service, request: &impl Serialize) -> Result<Option<Vec<u8>>> {
    let written = service.cache.as_ref().map(|_| serde_json::to_vec(request)).transpose();
    written.map_err(Error::internal)
}

/// Sets the caller and the time limit.
pub fn belongs_to(question: &mut Question, caller: &Caller, timeout: Option<Duration>) {
    question.caller = Arc::clone(&caller.name);
    question.forwarded = caller.forwarded.clone();
    question.since = Some(caller.since.into_std());
    accounting::note_model(&question.model.id);
    question.budget = question.budget.into_iter().chain(timeout).min();
}
