//! The resources and limits of loads.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::checkpoint::Allowed;
use crate::model::{Budget, Placement};

/// Loads that run concurrently; others wait. More than one, so that a download does not delay
/// loading a folder.
const MAX_CONCURRENT_LOADS: usize = 2;

/// What loads need and share.
pub struct Loader {
    pub budget: Arc<Budget>,
    pub placement: Placement,
    pub permits: Arc<Semaphore>,
    /// Time limit of a load.
    pub time: Duration,
    /// Limits what a model's files may refer to.
    pub allowed: Allowed,
}

impl Loader {
    pub fn new(budget: Budget, placement: Placement, time: Duration) -> Self {
        let permits = Arc::new(Semaphore::new(MAX_CONCURRENT_LOADS));
        Self { budget: Arc::new(budget), placement, permits, time, allowed: Allowed::default() }
    }
}
