//! The keys of those who may ask, as they are at this moment.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use axum::http::HeaderMap;
use tracing::{info, warn};

use super::admin::bearer;
use crate::config::{NamedKey, Server, keys};

/// The file is looked at again this long after it was last.
const AGAIN: Duration = Duration::from_secs(1);

/// The keys in force.
#[derive(Clone)]
pub struct KeyRing {
    configured: Arc<Vec<NamedKey>>,
    file: Option<Arc<KeyFile>>,
}

/// Keys in a file that may change while the service runs.
struct KeyFile {
    path: PathBuf,
    read: Mutex<Read>,
}

/// What was read of it, and when.
struct Read {
    keys: Arc<Vec<NamedKey>>,
    changed: Option<SystemTime>,
    looked: Instant,
}

impl KeyRing {
    /// None where no key is needed.
    pub fn new(server: &Server) -> Option<Self> {
        let file = server.keys_file.clone().map(|path| Arc::new(KeyFile::new(path)));
        server.needs_key().then(|| Self { configured: Arc::new(server.keys.clone()), file })
    }

    /// The name of the key that the request carries.
    pub fn name_of(&self, headers: &HeaderMap) -> Option<String> {
        let given = bearer(headers)?;
        let of_file = self.file.as_ref().map(|file| file.keys()).unwrap_or_default();
        let key = keys::find(self.configured.iter().chain(of_file.iter()), given)?;
        Some(key.name.clone())
    }
}

impl KeyFile {
    fn new(path: PathBuf) -> Self {
        let read = Read { keys: Arc::default(), changed: None, looked: Instant::now() };
        let file = Self { path, read: Mutex::new(read) };
        file.refresh(&mut file.read.lock().unwrap_or_else(PoisonError::into_inner));
        file
    }

    fn keys(&self) -> Arc<Vec<NamedKey>> {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if read.looked.elapsed() >= AGAIN {
            self.refresh(&mut read);
        }
        Arc::clone(&read.keys)
    }

    /// Reads the file if it has changed; one that cannot be read leaves the keys as
    /// they were.
    fn refresh(&self, read: &mut Read) {
        read.looked = Instant::now();
        let changed = std::fs::metadata(&self.path).and_then(|data| data.modified()).ok();
        if changed.is_some() && changed == read.changed {
            return;
        }
        match keys::read(&self.path) {
            Ok(found) => {
                info!(keys = found.len(), "the file of keys was read");
                (read.keys, read.changed) = (Arc::new(found), changed);
            }
            Err(error) => warn!(error, "the file of keys cannot be read; those before hold"),
        }
    }
}
