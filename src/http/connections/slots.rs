//! How many connections there may be. Where all slots are taken, idle connections give way
//! to new ones.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep};

use super::activity::Activity;

/// How long a connection may wait for its first request before it counts as idle: that
/// may be on its way.
const NEW: Duration = Duration::from_secs(1);

/// While all are busy, one is looked for again this often.
const AGAIN: Duration = Duration::from_millis(100);

pub struct Slots {
    free: Arc<Semaphore>,
    taken: Arc<Mutex<Taken>>,
}

#[derive(Default)]
struct Taken {
    next: u64,
    connections: HashMap<u64, Arc<Activity>>,
}

/// The place of one connection, until it is dropped.
pub struct Slot {
    id: u64,
    taken: Arc<Mutex<Taken>>,
    _permit: OwnedSemaphorePermit,
}

impl Slots {
    pub fn new(count: usize) -> Self {
        Self { free: Arc::new(Semaphore::new(count)), taken: Arc::default() }
    }

    /// A slot for a new connection, as soon as there is one.
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
                () = sleep(AGAIN) => {}
            }
        }
    }
}

impl Taken {
    /// Tells the connection that has been idle for longest to leave, unless another is
    /// leaving already.
    fn make_room(&self) {
        let idle = |activity: &Arc<Activity>| {
            let since = activity.idle_since()?;
            let may_ask = activity.is_new() && since.elapsed() < NEW;
            (!may_ask).then(|| (since, Arc::clone(activity)))
        };
        let idle: Vec<(Instant, Arc<Activity>)> =
            self.connections.values().filter_map(idle).collect();
        if idle.iter().any(|(_, activity)| activity.is_leaving()) {
            return;
        }
        if let Some((_, longest)) = idle.iter().min_by_key(|(since, _)| *since) {
            longest.leave();
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
