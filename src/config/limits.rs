//! What one request, one key and all of them together may take. Read and checked once,
//! and shared by all who hold to it.

use std::time::Duration;

use garde::Validate;
use serde::{Deserialize, Serialize};

use crate::engine::LOAD_TIME;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Of a request's body, decompressed.
    #[garde(range(min = 1_024, max = 1 << 30))]
    pub body_bytes: usize,
    /// Mebibytes of the bodies of all requests in flight.
    #[garde(range(min = 1, max = 1 << 20), custom(holds_one("body_bytes", &self.body_bytes)))]
    pub request_mebibytes_total: usize,
    /// Inputs of one request.
    #[garde(range(min = 1, max = 10_000))]
    pub inputs: usize,
    /// Methods of one request.
    #[garde(range(min = 1, max = 1_000))]
    pub methods: usize,
    /// Spans that a caller marks in one input.
    #[garde(range(min = 1, max = 10_000))]
    pub spans: usize,
    /// Words that a caller cuts one text into.
    #[garde(range(min = 1, max = 1 << 20))]
    pub words: usize,
    /// Labels of a caller's own that a text is classified by.
    #[garde(range(min = 1, max = 1_000))]
    pub candidates: usize,
    /// Characters of such a label, and of the template of hypotheses.
    #[garde(range(min = 1, max = 10_000))]
    pub candidate_characters: usize,
    /// Parts that one text is read in, where it is longer than the model takes.
    #[garde(range(min = 1, max = 10_000))]
    pub windows: usize,
    /// Numbers of attention in one answer.
    #[garde(range(min = 1, max = 1 << 30))]
    pub attention_values: usize,
    /// The longest that a body may take to arrive, and an answer to be found, both from when
    /// the request's head has come.
    #[garde(range(min = 1, max = 3_600_000))]
    pub request_ms: u64,
    /// What the head of a request may take to arrive, from its first byte.
    #[garde(range(min = 100, max = 3_600_000))]
    pub head_ms: u64,
    /// How long a connection may have no request: longer than whoever stands before the
    /// service keeps its own.
    #[garde(range(min = 100, max = 3_600_000))]
    pub idle_ms: u64,
    /// Of the names and values of a request's headers.
    #[garde(range(min = 1_024, max = 1 << 17))]
    pub header_bytes: usize,
    /// Of an answer, before it is compressed.
    #[garde(range(min = 1_024, max = 1 << 32))]
    pub response_bytes: usize,
    /// Mebibytes of all responses that have not been sent; requests beyond are told to
    /// come back.
    #[garde(range(min = 1, max = 1 << 20), custom(holds_one("response_bytes", &self.response_bytes)))]
    pub response_mebibytes_total: usize,
    /// How fast a response must be read, at least; slower readers are disconnected.
    #[garde(range(min = 256, max = 1 << 30))]
    pub response_bytes_per_second: u32,
    /// Connections that are open at a time; idle ones give way to more, others let them
    /// wait.
    #[garde(range(min = 1, max = 1 << 20))]
    pub connections: usize,
    /// Requests of one key in flight at a time; 0 is no limit. Where no keys are
    /// configured, of all callers together.
    #[garde(range(max = 1 << 20))]
    pub key_requests: usize,
    /// Requests of one key a minute; 0 is no limit.
    #[garde(range(max = 1 << 30))]
    pub key_requests_per_minute: u32,
    /// Mebibytes for the weights of all models; 0 is the memory that passes leave.
    #[garde(range(max = 1 << 30))]
    pub model_mebibytes: usize,
    /// The longest that a model may take to load, its download included.
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
            windows: 64,
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

/// A response that is let through by itself must fit when there is no other.
fn holds_one(what: &str, bytes: &usize) -> impl FnOnce(&usize, &()) -> garde::Result {
    let holds = format!("holds less than limits.{what}, {bytes} bytes");
    let bytes = *bytes;
    move |mebibytes, ()| match mebibytes << 20 >= bytes {
        true => Ok(()),
        false => Err(garde::Error::new(holds)),
    }
}
