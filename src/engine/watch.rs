//! Looks after the files of the models that serve. They answer from memory whatever
//! becomes of these, but the next start would not.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use tracing::{info, warn};

use super::pool::ModelPool;
use crate::checkpoint::Drift;
use crate::error::{Error, Result};
use crate::model::Model;

impl ModelPool {
    /// Looks at the files of all models every so often.
    pub async fn watch(self: Arc<Self>, every: Duration) {
        let mut tick = interval(every);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            for model in self.models() {
                // A panic is logged by its thread; the next look is another try.
                let _ = self.look_at(model).await;
            }
        }
    }

    /// Looks at the files of one.
    pub(super) async fn look_at(&self, model: Arc<Model>) -> Result<()> {
        let looked = Arc::clone(&model);
        // May read gigabytes, where a file has another time than before.
        let look = tokio::task::spawn_blocking(move || looked.drift());
        let drift = look.await.map_err(Error::internal)?;
        if self.note_drift(&model, drift.clone()) {
            tell(&model, drift);
        }
        Ok(())
    }
}

fn tell(model: &Model, drift: Option<Drift>) {
    match drift {
        Some(drift) => warn!(id = model.id, %drift, "a model is not what is on disk"),
        None => info!(id = model.id, "a model is again what is on disk"),
    }
}
