//! Answers kept for those who ask the same again. Equal requests in flight are
//! answered by one.

use std::future::Future;
use std::sync::Arc;

use axum::http::{HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use metrics::{counter, describe_counter};
use moka::future::Cache;
use moka::notification::RemovalCause;
use sha2::{Digest, Sha256};

use super::formats::{SERVER_TIMING, Written};
use super::gate::Caller;
use super::problem::Failure;
use crate::explanation::Question;

/// RFC 9211.
pub const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");

/// What the cache had for a request: its name in the metrics, and in the header.
struct Outcome(&'static str, &'static str);

const HIT: Outcome = Outcome("hit", "explaind; hit");
const MISS: Outcome = Outcome("miss", "explaind; fwd=uri-miss");
/// Another was computing the same.
const COLLAPSED: Outcome = Outcome("collapsed", "explaind; fwd=uri-miss; collapsed");

/// Makes the counts exist, at zero.
pub fn describe() {
    describe_counter!("explaind_cache_requests_total", "Requests by what the cache had for them");
    for Outcome(name, _) in [HIT, MISS, COLLAPSED] {
        counter!("explaind_cache_requests_total", "outcome" => name).increment(0);
    }
}

/// A digest of everything that an answer depends on.
#[derive(Clone)]
pub struct Key(Sha256);

impl Key {
    /// Of a canonical request; of its caller, for a hit would tell what another has
    /// asked; and of the time that it has, for those who wait for one answer must be ready
    /// to wait as long.
    pub fn of(caller: &Caller, question: &Question, request: &[u8]) -> Self {
        let model = &question.model;
        let time = question.budget.map_or(0, |budget| budget.as_millis()).to_le_bytes();
        // Lengths keep one part from running into the next.
        let name = caller.name.as_bytes();
        let parts = [name, model.id.as_bytes(), model.revision.as_bytes(), &time, request];
        Self(parts.iter().fold(Sha256::new(), |digest, part| {
            digest.chain_update(part.len().to_le_bytes()).chain_update(part)
        }))
    }

    /// The same, in a form of a route.
    pub fn in_form(self, route: &str, media_type: &str) -> Self {
        Self(self.0.chain_update(route).chain_update([0]).chain_update(media_type))
    }
}

/// The answers, by what they cost in memory.
#[derive(Clone)]
pub struct ResultCache {
    answers: Cache<[u8; 32], Arc<Written>>,
}

/// What is not kept, and yet is the answer of all who wait for it.
enum Passing {
    Failure(Failure),
    /// Another time, there may be more.
    Once(Arc<Written>),
}

impl ResultCache {
    /// None where nothing is to be kept.
    pub fn new(mebibytes: u64) -> Option<Self> {
        let weigh = |_: &[u8; 32], written: &Arc<Written>| {
            u32::try_from(written.weight()).unwrap_or(u32::MAX)
        };
        let count = |_: Arc<[u8; 32]>, _: Arc<Written>, cause: RemovalCause| {
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

    /// Bytes of the answers that are kept.
    pub async fn bytes(&self) -> u64 {
        self.answers.run_pending_tasks().await;
        self.answers.weighted_size()
    }

    /// The answer under `key`, or what `compute` gives. Whoever computes it and
    /// leaves hands that on to another who waits.
    async fn answer(
        &self,
        key: Key,
        compute: impl Future<Output = Result<Written, Failure>>,
    ) -> Result<Response, Failure> {
        let key: [u8; 32] = key.0.finalize().into();
        if let Some(written) = self.answers.get(&key).await {
            return Ok(marked(&written, HIT));
        }
        let compute = async {
            match compute.await {
                Ok(written) if written.lasting => Ok(Arc::new(written)),
                Ok(written) => Err(Passing::Once(Arc::new(written))),
                Err(failure) => Err(Passing::Failure(failure)),
            }
        };
        match self.answers.entry(key).or_try_insert_with(compute).await {
            Ok(entry) => {
                let outcome = if entry.is_fresh() { MISS } else { COLLAPSED };
                Ok(marked(&entry.into_value(), outcome))
            }
            Err(passing) => match &*passing {
                Passing::Once(written) => Ok(marked(written, MISS)),
                Passing::Failure(failure) => Err(failure.clone()),
            },
        }
    }
}

/// The answer as it goes out, with how it was come by.
fn marked(written: &Written, Outcome(name, status): Outcome) -> Response {
    counter!("explaind_cache_requests_total", "outcome" => name).increment(1);
    let mut response = written.clone().into_response();
    if name != MISS.0 {
        // It is that of the one who computed.
        response.headers_mut().remove(SERVER_TIMING);
    }
    response.headers_mut().insert(CACHE_STATUS, HeaderValue::from_static(status));
    response
}

/// The answer that is kept under `key`, where there is one, or what `compute` gives.
pub async fn answered(
    cache: Option<&ResultCache>,
    key: Option<Key>,
    compute: impl Future<Output = Result<Written, Failure>>,
) -> Result<Response, Failure> {
    match (cache, key) {
        (Some(cache), Some(key)) => cache.answer(key, compute).await,
        _ => Ok(compute.await?.into_response()),
    }
}
