//! Watches the files of corpora. A changed file is embedded again in the background, and the old
//! index answers until the new one is ready.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use tracing::{info, warn};

use super::{Corpora, CorpusSpec, Progress};
use crate::files::Stamp;

impl Corpora {
    /// Checks the files of all corpora at the interval `every`.
    pub async fn watch(self: Arc<Self>, every: Duration) {
        let mut tick = interval(every);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            let corpora = Arc::clone(&self);
            // Panics are logged by their thread, and the next tick checks again.
            let _ = tokio::task::spawn_blocking(move || corpora.check_files()).await;
        }
    }

    /// Starts to embed the corpora again whose files have changed since they were read. A file
    /// that is gone keeps its index.
    pub fn check_files(&self) {
        let specs: Vec<_> = self.lock().iter().map(|entry| Arc::clone(&entry.spec)).collect();
        for spec in specs {
            // Requests need the lock, and a file system may be slow.
            if let Some(stamp) = spec.stamp() {
                self.check_file(&spec, &stamp);
            }
        }
    }

    fn check_file(&self, spec: &Arc<CorpusSpec>, stamp: &Stamp) {
        let mut entries = self.lock();
        let entry = entries.iter_mut().find(|entry| Arc::ptr_eq(&entry.spec, spec));
        for slot in entry.into_iter().flat_map(|entry| entry.slots.values_mut()) {
            slot.settle();
            let is_building = matches!(*slot.progress.borrow(), Progress::Building { .. });
            let Some(model) = slot.model.upgrade() else { continue };
            if is_building || slot.stamp.as_ref() == Some(stamp) {
                continue;
            }
            let id = &spec.id;
            info!(id, "the file of a corpus has changed; it is embedded again");
            match self.start(spec, &model, slot.representation) {
                // A replacement that is still being built is cancelled.
                Ok(next) => (slot.next, slot.stamp) = (Some(next), Some(stamp.clone())),
                Err(error) => warn!(id, %error, "a corpus cannot be embedded again"),
            }
        }
    }
}
