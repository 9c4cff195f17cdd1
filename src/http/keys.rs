//! The API keys that are currently valid.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use axum::http::HeaderMap;
use metrics::gauge;
use tracing::{error, info};

use super::admin::bearer;
use super::watched::{Contents, WatchedFiles};
use crate::config::{NamedKey, Server, keys};

/// Gauge that is 1 while the key file cannot be used.
const FAILED: &str = "explaind_keys_file_failed";

/// All valid keys.
#[derive(Clone)]
pub struct KeyRing {
    configured: Arc<Vec<NamedKey>>,
    file: Option<Arc<KeyFile>>,
}

/// Keys in a file, which may change at run time.
struct KeyFile {
    path: PathBuf,
    state: Mutex<State>,
}

struct State {
    watched: WatchedFiles<1>,
    keys: Arc<Vec<NamedKey>>,
}

impl KeyRing {
    /// Returns `None` if requests need no key.
    pub fn new(server: &Server) -> Option<Self> {
        let file = server.keys_file.clone().map(|path| Arc::new(KeyFile::new(path)));
        let ring = Self { configured: Arc::new(server.keys.clone()), file };
        ring.refresh();
        server.needs_key().then_some(ring)
    }

    /// Name of the request's key, if it is valid.
    pub fn name_of(&self, headers: &HeaderMap) -> Option<String> {
        let given = bearer(headers)?;
        let file_keys = self.refresh();
        let key = keys::find(self.configured.iter().chain(file_keys.iter()), given)?;
        Some(key.name.clone())
    }

    /// Returns the keys of the file, if there is one. Reads it again if it has changed.
    pub fn refresh(&self) -> Arc<Vec<NamedKey>> {
        self.file.as_ref().map(|file| file.keys()).unwrap_or_default()
    }
}

impl KeyFile {
    fn new(path: PathBuf) -> Self {
        let watched = WatchedFiles::new([path.clone()], keys::LARGEST);
        Self { path, state: Mutex::new(State { watched, keys: Arc::default() }) }
    }

    fn keys(&self) -> Arc<Vec<NamedKey>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(changes) = state.watched.changes() {
            state.keys = self.updated(changes, &state.keys);
        }
        Arc::clone(&state.keys)
    }

    /// The new valid keys. If the file is missing or unreadable, there are none. If it is
    /// malformed, it is probably being written, and the previous keys stay valid.
    fn updated(&self, changes: Contents<1>, previous: &Arc<Vec<NamedKey>>) -> Arc<Vec<NamedKey>> {
        let failed = gauge!(FAILED);
        failed.set(1.);
        let [content] = match changes {
            Ok(contents) => contents,
            Err(error) => {
                error!(error, "the key file cannot be read; none of its keys is valid");
                return Arc::default();
            }
        };
        match keys::parse(&self.path, &content) {
            Ok(found) => {
                info!(keys = found.len(), "the key file was read");
                failed.set(0.);
                Arc::new(found)
            }
            Err(error) => {
                error!(error, "the key file is malformed; the previous keys stay valid");
                Arc::clone(previous)
            }
        }
    }
}
