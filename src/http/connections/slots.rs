//! Limits the number of connections. When all slots are taken, idle connections are closed for new
//! ones.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep};

use super::activity::Activity;

/// How long a new connection may wait for its first request, which may be in transit, before it
/// counts as idle.
const NEW_CONNECTION_GRACE: Duration = Duration::from_secs(1);

/// How often to look for an idle connection while all are busy.
const RETRY_INTERVAL: Duration = Duration::from_millis(100);

pub struct Slots {
    free: Arc<Semaphore>,
    taken: Arc<Mutex<Taken>>,
}

#[derive(Default)]
struct Taken {
    next: u64,
    connections: HashMap<u64, Arc<Activity>>,
}

/// The slot of a connection, freed when dropped.
pub struct Slot {
    id: u64,
    taken: Arc<Mutex<Taken>>,
    _permit: OwnedSemaphorePermit,
}

impl Slots {
    pub fn new(count: usize) -> Self {
        Self { free: Arc::new(Semaphore::new(count)), taken: Arc::default() }
    }

    /// Waits for a free slot and takes it.
    pub async fn take(&self, activity: Arc<Activity>) -> Slot {
        let permit = self.permit().await;
        let mut taken = lock(&self.taken);
        taken.next += 1;
        let id = taken.next;
        taken.connections.insert(id, activity);
        Slot { id, taken: Arc::clone(&self.taken), _permit: permit }
    }

    async fn permit(&self) -> OwnedSemaphorePermit {
        loop {
            if let Ok(permit) = Arc::clone(&self.free).try_acquire_owned() {
                return permit;
            }
            lock(&self.taken).make_room();
            tokio::select! {
                // The semaphore is never closed.
                Ok(permit) = Arc::clone(&self.free).acquire_owned() => return permit,
                () = sleep(RETRY_INTERVAL) => {}
            }
        }
    }
}

impl Taken {
    /// Evicts the connection that has been idle longest, unless an eviction is in progress.
    fn make_room(&self) {
        let idle = |activity: &Arc<Activity>| {
            let since = activity.idle_since()?;
            let in_grace = activity.is_new() && since.elapsed() < NEW_CONNECTION_GRACE;
            (!in_grace).then(|| (since, Arc::clone(activity)))
        };
        let idle: Vec<(Instant, Arc<Activity>)> =
            self.connections.values().filter_map(idle).collect();
        if idle.iter().any(|(_, activity)| activity.is_evicted()) {
            return;
        }
        if let Some((_, longest)) = idle.iter().min_by_key(|(since, _)| *since) {
            longest.evict();
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        lock(&self.taken).connections.remove(&self.id);
    }
}

fn lock(taken: &Mutex<Taken>) -> MutexGuard<'_, Taken> {
    taken.lock().unwrap_or_else(PoisonError::into_inner)
}
