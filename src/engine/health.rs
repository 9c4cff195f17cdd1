//! Whether passes work: known from those that ran of late, else found out with one.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::time::timeout;

use super::{Engine, probe};
use crate::error::{Code, Error, Result};
use crate::model::Model;

/// A pass that worked speaks for this long.
const FRESH: Duration = Duration::from_secs(5);

/// A probe that takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(10);

/// Failures in a row after which an earlier pass that worked says nothing any
/// more. A row that always fails takes a few, until it is found.
const TOO_MANY: usize = 8;

/// What became of passes.
#[derive(Default)]
pub struct Health {
    failures_in_a_row: AtomicUsize,
    last_good: Mutex<Option<Instant>>,
    /// One probe at a time, however many ask.
    probing: tokio::sync::Mutex<()>,
}

impl Health {
    pub fn note_pass(&self, worked: bool) {
        if worked {
            *self.last_good.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
            self.failures_in_a_row.store(0, Ordering::Relaxed);
        } else {
            self.failures_in_a_row.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Whether that is known to be so.
    fn works(&self) -> bool {
        let last = *self.last_good.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = last.is_some_and(|last| last.elapsed() < FRESH);
        fresh && self.failures_in_a_row.load(Ordering::Relaxed) < TOO_MANY
    }
}

impl Engine {
    /// Whether passes work: by one of `model`, through the queue and the workers that
    /// serve, unless others have just shown it.
    pub async fn works(&self, model: &Arc<Model>) -> Result<()> {
        if self.health.works() {
            return Ok(());
        }
        let _one = self.health.probing.lock().await;
        if self.health.works() {
            return Ok(());
        }
        let probe = async { self.passes(model, Arc::default()).run_one(probe::row(model)?).await };
        let detail = match timeout(PATIENCE, probe).await {
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(_)) => "passes fail; the log says why",
            Err(_) => "a pass takes too long",
        };
        Err(Error::new(Code::NotReady, detail))
    }
}
