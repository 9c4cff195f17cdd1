//! Caches responses to repeated requests, and computes concurrent identical requests once.

use std::future::{Future, pending};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::http::{HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use metrics::{counter, describe_counter};
use moka::future::Cache;
use moka::notification::RemovalCause;
use sha2::{Digest, Sha256};

use super::caller::Caller;
use super::problem::Failure;
use super::respond::{Rendered, SERVER_TIMING};
use crate::error::{Code, Error};
use crate::explanation::Question;
use crate::passes::TimeLimit;

/// RFC 9211.
pub const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");

/// The result of a look-up: its label in metrics, and its value of the header `Cache-Status`.
struct Outcome(&'static str, &'static str);

const HIT: Outcome = Outcome("hit", "explaind; hit");
const MISS: Outcome = Outcome("miss", "explaind; fwd=uri-miss");
/// A concurrent request computed the same.
const COLLAPSED: Outcome = Outcome("collapsed", "explaind; fwd=uri-miss; collapsed");

/// Creates the counters with the value zero.
pub fn describe() {
    describe_counter!("explaind_cache_requests_total", "Requests by result of the cache look-up");
    for Outcome(name, _) in [HIT, MISS, COLLAPSED] {
        counter!("explaind_cache_requests_total", "outcome" => name).increment(0);
    }
}

/// What a response is cached by.
#[derive(Clone)]
pub struct Key {
    /// Digest of everything that the response depends on.
    digest: Sha256,
    /// How long this request waits for the response.
    limit: TimeLimit,
}

impl Key {
    /// Key of a canonical request, its caller and its budget. The caller is included because a hit
    /// would reveal what others have requested, and the budget because methods that stop in time
    /// depend on it.
    pub fn of(caller: &Caller, question: &Question, limit: TimeLimit, request: &[u8]) -> Self {
        let model = &question.model;
        let time = question.budget.map_or(0, |budget| budget.as_millis()).to_le_bytes();
        // Lengths keep adjacent parts from running together.
        let name = caller.name.as_bytes();
        // The same weights may be loaded again with another activation or data type.
        let activation = model.activation().name().as_bytes();
        let (id, revision, dtype) = (&model.id, &model.revision, model.dtype());
        let (id, revision, dtype) = (id.as_bytes(), revision.as_bytes(), dtype.as_bytes());
        let parts = [name, id, revision, activation, dtype, &time, request];
        let digest = parts.iter().fold(Sha256::new(), |digest, part| {
            digest.chain_update(part.len().to_le_bytes()).chain_update(part)
        });
        Self { digest, limit }
    }

    /// Extends the digest with something that the response depends on but the request does not
    /// name.
    pub fn depending_on(self, part: impl AsRef<[u8]>) -> Self {
        let part = part.as_ref();
        let digest = self.digest.chain_update(part.len().to_le_bytes()).chain_update(part);
        Self { digest, ..self }
    }

    /// Extends the digest with the route and the response format.
    pub fn for_format(self, route: &str, media_type: &str) -> Self {
        let digest = self.digest.chain_update(route).chain_update([0]).chain_update(media_type);
        Self { digest, ..self }
    }
}

/// Cached responses, limited by memory.
#[derive(Clone)]
pub struct ResultCache {
    answers: Cache<[u8; 32], Arc<Rendered>>,
}

/// A result that is not cached but shared by all requests that wait for it.
enum Uncached {
    Failure(Failure),
    /// A repeated request could have a different result.
    Once(Arc<Rendered>),
}

impl ResultCache {
    /// Returns `None` if caching is disabled.
    pub fn new(mebibytes: u64) -> Option<Self> {
        let weigh = |_: &[u8; 32], rendered: &Arc<Rendered>| {
            u32::try_from(rendered.weight()).unwrap_or(u32::MAX)
        };
        let count = |_: Arc<[u8; 32]>, _: Arc<Rendered>, cause: RemovalCause| {
            if cause == RemovalCause::Size {
                counter!("explaind_cache_evictions_total").increment(1);
            }
        };
        (mebibytes > 0).then(|| Self {
            answers: Cache::builder()
                .max_capacity(mebibytes << 20)
                .weigher(weigh)
                .eviction_listener(count)
                .build(),
        })
    }

    /// Bytes of the cached responses.
    pub async fn bytes(&self) -> u64 {
        self.answers.run_pending_tasks().await;
        self.answers.weighted_size()
    }

    /// Returns the response under `key`, or computes it. Equal requests wait for the one that
    /// computes it, each within its own time. If that one is cancelled or runs out of time, another
    /// takes over.
    async fn answer(
        &self,
        key: Key,
        compute: impl Future<Output = Result<Rendered, Failure>>,
    ) -> Result<Response, Failure> {
        let Key { digest, limit } = key;
        let digest: [u8; 32] = digest.finalize().into();
        if let Some(rendered) = self.answers.get(&digest).await {
            return Ok(with_cache_status(&rendered, HIT));
        }
        let computes = AtomicBool::new(false);
        let mut compute = pin!(async {
            computes.store(true, Ordering::Relaxed);
            match compute.await {
                Ok(rendered) if rendered.cacheable => Ok(Arc::new(rendered)),
                Ok(rendered) => Err(Uncached::Once(Arc::new(rendered))),
                Err(failure) => Err(Uncached::Failure(failure)),
            }
        });
        loop {
            let shared = self.answers.entry(digest).or_try_insert_with(compute.as_mut());
            let shared = tokio::select! {
                shared = shared => shared,
                error = late(limit, &computes) => return Err(error.into()),
            };
            let outcome = if computes.load(Ordering::Relaxed) { MISS } else { COLLAPSED };
            let rendered = match shared {
                Ok(entry) => entry.into_value(),
                Err(uncached) => match &*uncached {
                    Uncached::Once(rendered) => Arc::clone(rendered),
                    Uncached::Failure(Failure { error, .. })
                        if error.code == Code::DeadlineExceeded && outcome.0 == COLLAPSED.0 =>
                    {
                        continue;
                    }
                    Uncached::Failure(failure) => return Err(failure.clone()),
                },
            };
            return Ok(with_cache_status(&rendered, outcome));
        }
    }
}

/// Completes with an error if the time of a request is over while it waits for another one. A
/// request that computes the response keeps its time itself.
async fn late(limit: TimeLimit, computes: &AtomicBool) -> Error {
    limit.deadline().await;
    match computes.load(Ordering::Relaxed) {
        true => pending().await,
        false => limit.late(),
    }
}

/// Converts to a response with the header `Cache-Status`.
fn with_cache_status(rendered: &Rendered, Outcome(name, status): Outcome) -> Response {
    counter!("explaind_cache_requests_total", "outcome" => name).increment(1);
    let mut response = rendered.clone().into_response();
    if name != MISS.0 {
        // The times are those of another request.
        response.headers_mut().remove(SERVER_TIMING);
    }
    response.headers_mut().insert(CACHE_STATUS, HeaderValue::from_static(status));
    response
}

/// Returns the cached response under `key`, if caching is enabled, or computes it.
pub async fn cached(
    cache: Option<&ResultCache>,
    key: Option<Key>,
    compute: impl Future<Output = Result<Rendered, Failure>>,
) -> Result<Response, Failure> {
    match (cache, key) {
        (Some(cache), Some(key)) => cache.answer(key, compute).await,
        _ => Ok(compute.await?.into_response()),
    }
}
