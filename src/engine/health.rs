//! Checks whether passes work, from recent passes or, if there are none, by running one.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::time::timeout;

use super::{Engine, probe};
use crate::error::{Code, Error, Result};
use crate::model::Model;

/// How long a successful pass counts as evidence that passes work.
const SUCCESS_VALID_FOR: Duration = Duration::from_secs(5);

/// A probe that takes longer counts as failed.
const PROBE_TIMEOUT: Duration = Duration::from_secs(10);

/// After this many consecutive failures, an earlier success no longer counts. A single row that
/// always fails causes a few of them while the batcher isolates it.
const MAX_CONSECUTIVE_FAILURES: usize = 8;

/// Outcomes of recent passes.
#[derive(Default)]
pub struct Health {
    consecutive_failures: AtomicUsize,
    last_good: Mutex<Option<Instant>>,
    /// Allows one probe at a time.
    probing: tokio::sync::Mutex<()>,
}

impl Health {
    pub fn note_pass(&self, succeeded: bool) {
        if succeeded {
            *self.last_good.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
            self.consecutive_failures.store(0, Ordering::Relaxed);
        } else {
            self.consecutive_failures.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Records that the device does not work any more: earlier successes no longer count.
    pub fn note_lost(&self) {
        self.consecutive_failures.store(MAX_CONSECUTIVE_FAILURES, Ordering::Relaxed);
    }

    /// Whether recent passes show that passes work.
    fn works(&self) -> bool {
        let last = *self.last_good.lock().unwrap_or_else(PoisonError::into_inner);
        let recent = last.is_some_and(|last| last.elapsed() < SUCCESS_VALID_FOR);
        recent && self.consecutive_failures.load(Ordering::Relaxed) < MAX_CONSECUTIVE_FAILURES
    }
}

impl Engine {
    /// Checks whether passes work. If no recent pass shows it, runs one of `model` through the
    /// queue and the workers.
    pub async fn works(&self, model: &Arc<Model>) -> Result<()> {
        if self.health.works() {
            return Ok(());
        }
        let _guard = self.health.probing.lock().await;
        if self.health.works() {
            return Ok(());
        }
        let probe = async { self.passes(model, Arc::default()).run_one(probe::row(model)?).await };
        let detail = match timeout(PROBE_TIMEOUT, probe).await {
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(_)) => "passes fail; the log says why",
            Err(_) => "a pass took too long",
        };
        Err(Error::new(Code::NotReady, detail))
    }
}
