//! The limits of a request, of a key, and of all requests together.

use std::time::Duration;

use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::engine::LOAD_TIME;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Validate, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Maximum bytes of a request's body, decompressed.
    #[garde(range(min = 1_024, max = 1 << 30))]
    pub body_bytes: usize,
    /// Maximum MiB of the bodies of all requests in flight.
    #[garde(range(min = 1, max = 1 << 20), custom(holds_one("body_bytes", &self.body_bytes)))]
    pub request_mebibytes_total: usize,
    /// Maximum number of inputs per request.
    #[garde(range(min = 1, max = 10_000))]
    pub inputs: usize,
    /// Maximum number of methods per request.
    #[garde(range(min = 1, max = 1_000))]
    pub methods: usize,
    /// Maximum number of `spans` per input.
    #[garde(range(min = 1, max = 10_000))]
    pub spans: usize,
    /// Maximum number of pre-tokenized `words` per input.
    #[garde(range(min = 1, max = 1 << 20))]
    pub words: usize,
    /// Maximum number of `candidate_labels`.
    #[garde(range(min = 1, max = 1_000))]
    pub candidates: usize,
    /// Maximum characters of a candidate label, and of `hypothesis_template`.
    #[garde(range(min = 1, max = 10_000))]
    pub candidate_characters: usize,
    /// Maximum number of words that must stay in a counterfactual, of pairs that a probe swaps, and
    /// of names and words of a lexicon.
    #[garde(range(min = 1, max = 10_000))]
    pub evidence_terms: usize,
    /// Maximum number of windows per text.
    #[garde(range(min = 1, max = 10_000))]
    pub windows: usize,
    /// Maximum number of samples per corpus.
    #[garde(range(min = 1, max = 1 << 24))]
    pub corpus_rows: usize,
    /// Maximum bytes of the file of a corpus, and of its texts.
    #[garde(range(min = 1_024, max = 1_usize << 34))]
    pub corpus_bytes: usize,
    /// Maximum number of texts in each of the two lists of a concept.
    #[garde(range(min = 5, max = 256))]
    pub concept_texts: usize,
    /// Maximum number of neighbours per input.
    #[garde(range(min = 1, max = 10_000))]
    pub neighbours: usize,
    /// Maximum number of attention values per response.
    #[garde(range(min = 1, max = 1 << 30))]
    pub attention_values: usize,
    /// Maximum time to receive the body, and to compute the response, both from the end of the
    /// request's head.
    #[garde(range(min = 1, max = 3_600_000))]
    pub request_ms: u64,
    /// Maximum time to receive the head of a request, from its first byte.
    #[garde(range(min = 100, max = 3_600_000))]
    pub head_ms: u64,
    /// Maximum time that a connection may be idle. Should be longer than that of a load balancer
    /// in front of the service.
    #[garde(range(min = 100, max = 3_600_000))]
    pub idle_ms: u64,
    /// Maximum bytes of the names and values of a request's headers.
    #[garde(range(min = 1_024, max = 1 << 17))]
    pub header_bytes: usize,
    /// Maximum bytes of a response, before compression.
    #[garde(range(min = 1_024, max = 1_usize << 32))]
    pub response_bytes: usize,
    /// Maximum MiB of all unsent responses; above it, requests get 503 with `Retry-After`.
    #[garde(range(min = 1, max = 1 << 20), custom(holds_one("response_bytes", &self.response_bytes)))]
    pub response_mebibytes_total: usize,
    /// Minimum rate at which clients must read a response; slower ones are disconnected.
    #[garde(range(min = 256, max = 1 << 30))]
    pub response_bytes_per_second: u32,
    /// Maximum number of open connections. New ones replace idle ones, or wait if there are
    /// none.
    #[garde(range(min = 1, max = 1 << 20))]
    pub connections: usize,
    /// Maximum number of requests per key in flight; 0: no limit. Without keys, of all clients
    /// together.
    #[garde(range(max = 1 << 20))]
    pub key_requests: usize,
    /// Maximum number of requests per key per minute; 0: no limit.
    #[garde(range(max = 1 << 30))]
    pub key_requests_per_minute: u32,
    /// Maximum MiB of the weights of all models; 0: the memory that passes do not need.
    #[garde(range(max = 1 << 30))]
    pub model_mebibytes: usize,
    /// Maximum time to load a model, including its download.
    #[garde(range(min = 1, max = 604_800_000))]
    pub load_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 1 << 20,
            request_mebibytes_total: 128,
            inputs: 64,
            methods: 32,
            spans: 512,
            words: 16_384,
            candidates: 32,
            candidate_characters: 256,
            evidence_terms: 256,
            windows: 64,
            corpus_rows: 1_000_000,
            corpus_bytes: 1 << 30,
            concept_texts: 128,
            neighbours: 100,
            attention_values: 1 << 21,
            request_ms: 60_000,
            head_ms: 10_000,
            idle_ms: 75_000,
            header_bytes: 16_384,
            response_bytes: 1 << 26,
            response_mebibytes_total: 256,
            response_bytes_per_second: 8_192,
            connections: 1_024,
            key_requests: 0,
            key_requests_per_minute: 0,
            model_mebibytes: 0,
            load_ms: LOAD_TIME.as_millis() as u64,
        }
    }
}

impl Limits {
    pub fn request_time(&self) -> Duration {
        Duration::from_millis(self.request_ms)
    }

    pub fn head_time(&self) -> Duration {
        Duration::from_millis(self.head_ms)
    }

    pub fn load_time(&self) -> Duration {
        Duration::from_millis(self.load_ms)
    }

    pub fn idle_time(&self) -> Duration {
        Duration::from_millis(self.idle_ms)
    }
}

/// Checks that a total limit is at least the limit `name` of one item.
fn holds_one(name: &str, bytes: &usize) -> impl FnOnce(&usize, &()) -> garde::Result {
    let error = format!("is less than limits.{name}, {bytes} bytes");
    let bytes = *bytes;
    move |mebibytes, ()| match mebibytes << 20 >= bytes {
        true => Ok(()),
        false => Err(garde::Error::new(error)),
    }
}
