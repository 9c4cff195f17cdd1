//! Cancels loads that no client waits for any more. They end at the next read.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A flag that cancels a load; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Cancellation(Arc<AtomicBool>);

/// Cancels the load when dropped.
#[derive(Debug)]
pub struct CancelOnDrop(Cancellation);

impl Cancellation {
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub fn on_drop(&self) -> CancelOnDrop {
        CancelOnDrop(self.clone())
    }

    /// Returns an error once the load is cancelled.
    pub fn check(&self) -> Result<(), String> {
        match self.0.load(Ordering::Relaxed) {
            true => Err("the load was cancelled".to_owned()),
            false => Ok(()),
        }
    }

    /// Wraps `inner`; reads fail once the load is cancelled.
    pub fn reader<R: Read>(&self, inner: R) -> impl Read + use<R> {
        Cancellable { cancellation: self.clone(), inner }
    }
}

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

struct Cancellable<R> {
    cancellation: Cancellation,
    inner: R,
}

impl<R: Read> Read for Cancellable<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.cancellation.check().map_err(io::Error::other)?;
        self.inner.read(buffer)
    }
}
