//! What one request, one key and all of them together may take. Read and checked once,
//! and shared by all who hold to it.

use std::time::Duration;

use garde::Validate;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Of a request's body, decompressed.
    #[garde(range(min = 1_024, max = 1 << 30))]
    pub body_bytes: usize,
    /// Inputs of one request.
    #[garde(range(min = 1, max = 10_000))]
    pub inputs: usize,
    /// Numbers of attention in one answer.
    #[garde(range(min = 1, max = 1 << 30))]
    pub attention_values: usize,
    /// The longest that a body may take to arrive, and then an answer to be
    /// found.
    #[garde(range(min = 1, max = 3_600_000))]
    pub request_ms: u64,
    /// What a connection may take for the head of a request, and be idle between two:
    /// longer than whoever stands before the service keeps its own.
    #[garde(range(min = 100, max = 3_600_000))]
    pub idle_ms: u64,
    /// Of the names and values of a request's headers.
    #[garde(range(min = 1_024, max = 1 << 17))]
    pub header_bytes: usize,
    /// Of an answer, before it is compressed.
    #[garde(range(min = 1_024, max = 1 << 32))]
    pub response_bytes: usize,
    /// Connections that are open at a time; more wait.
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
            inputs: 64,
            attention_values: 1 << 21,
            request_ms: 60_000,
            idle_ms: 75_000,
            header_bytes: 16_384,
            response_bytes: 1 << 26,
            connections: 1_024,
            key_requests: 0,
            key_requests_per_minute: 0,
            model_mebibytes: 0,
            load_ms: 3_600_000,
        }
    }
}

impl Limits {
    pub fn request_time(&self) -> Duration {
        Duration::from_millis(self.request_ms)
    }

    pub fn load_time(&self) -> Duration {
        Duration::from_millis(self.load_ms)
    }

    pub fn idle_time(&self) -> Duration {
        Duration::from_millis(self.idle_ms)
    }
}
