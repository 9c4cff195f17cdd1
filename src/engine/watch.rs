//! Watches the files of loaded models. Changes do not affect requests, which use the weights in
//! memory, but would affect the next start.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use tracing::{info, warn};

use super::pool::ModelPool;
use crate::checkpoint::Drift;
use crate::error::{Error, Result};
use crate::model::Model;

impl ModelPool {
    /// Checks the files of all models at the interval `every`.
    pub async fn watch(self: Arc<Self>, every: Duration) {
        let mut tick = interval(every);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            for model in self.models() {
                // Panics are logged by their thread, and the next tick checks again.
                let _ = self.check_drift(model).await;
            }
        }
    }

    /// Checks the files of one model.
    pub(super) async fn check_drift(&self, model: Arc<Model>) -> Result<()> {
        let checked_model = Arc::clone(&model);
        // May read gigabytes if a file's modification time has changed.
        let check = tokio::task::spawn_blocking(move || checked_model.drift());
        let drift = check.await.map_err(Error::internal)?;
        if self.registry().note_drift(&model, drift.clone()) {
            log_drift(&model, drift);
        }
        Ok(())
    }
}

fn log_drift(model: &Model, drift: Option<Drift>) {
    match drift {
        Some(drift) => warn!(id = model.id, %drift, "the files of a model have changed"),
        None => info!(id = model.id, "the files of a model match it again"),
    }
}
