//! The resources and limits of loads.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::checkpoint::Allowed;
use crate::model::{Budget, Placement};

/// Loads that run concurrently; others wait. More than one, so that a download does not delay
/// loading a folder.
const MAX_CONCURRENT_LOADS: usize = 2;

/// Tokens of a pass unless they are configured: more do not make better use of a processor.
pub const PASS_TOKENS: usize = 256;

/// What loads need and share.
pub struct Loader {
    pub budget: Arc<Budget>,
    pub placement: Placement,
    pub permits: Arc<Semaphore>,
    /// Time limit of a load.
    pub time: Duration,
    /// The most tokens of a pass.
    pub pass_tokens: usize,
    /// Limits what a model's files may refer to.
    pub allowed: Allowed,
}

impl Loader {
    pub fn new(budget: Budget, placement: Placement, time: Duration) -> Self {
        let permits = Arc::new(Semaphore::new(MAX_CONCURRENT_LOADS));
        let (budget, allowed) = (Arc::new(budget), Allowed::default());
        Self { budget, placement, permits, time, pass_tokens: PASS_TOKENS, allowed }
    }
}
