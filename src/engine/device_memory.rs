//! Metrics of the memory of a device that has its own.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use metrics::gauge;

use crate::model::Model;

/// How often it is read, which can take as long as a small pass.
const INTERVAL: Duration = Duration::from_secs(1);

/// Reads the memory of the device after passes.
#[derive(Default)]
pub struct DeviceMemory {
    read: Mutex<Option<Instant>>,
}

impl DeviceMemory {
    /// Updates the metrics of the model's device, if it has its own memory and that was not read
    /// recently.
    pub fn note(&self, model: &Model) {
        if !model.placement().is_device() || !self.is_due() {
            return;
        }
        if let Some(memory) = model.placement().memory() {
            let device = model.placement().device();
            let part = |part, bytes: usize| {
                gauge!("explaind_device_memory_bytes", "device" => device, "part" => part)
                    .set(bytes as f64);
            };
            part("free", memory.free);
            part("used", memory.total - memory.free.min(memory.total));
        }
    }

    fn is_due(&self) -> bool {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = read.is_none_or(|at| at.elapsed() >= INTERVAL);
        if is_due {
            *read = Some(Instant::now());
        }
        is_due
    }
}
