//! The keys of those who may ask, as they are at this moment.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use axum::http::HeaderMap;
use metrics::gauge;
use tracing::{error, info};

use super::admin::bearer;
use super::watched::{Contents, Watched};
use crate::config::{NamedKey, Server, keys};

/// Whether the file is of no use as it is.
const FAILED: &str = "explaind_keys_file_failed";

/// The keys in force.
#[derive(Clone)]
pub struct KeyRing {
    configured: Arc<Vec<NamedKey>>,
    file: Option<Arc<KeyFile>>,
}

/// Keys in a file that may change while the service runs.
struct KeyFile {
    path: PathBuf,
    state: Mutex<State>,
}

struct State {
    watched: Watched<1>,
    keys: Arc<Vec<NamedKey>>,
}

impl KeyRing {
    /// None where no key is needed.
    pub fn new(server: &Server) -> Option<Self> {
        let file = server.keys_file.clone().map(|path| Arc::new(KeyFile::new(path)));
        let ring = Self { configured: Arc::new(server.keys.clone()), file };
        ring.refresh();
        server.needs_key().then_some(ring)
    }

    /// The name of the key that the request carries.
    pub fn name_of(&self, headers: &HeaderMap) -> Option<String> {
        let given = bearer(headers)?;
        let of_file = self.refresh();
        let key = keys::find(self.configured.iter().chain(of_file.iter()), given)?;
        Some(key.name.clone())
    }

    /// Looks at the file, where there is one, and gives its keys.
    pub fn refresh(&self) -> Arc<Vec<NamedKey>> {
        self.file.as_ref().map(|file| file.keys()).unwrap_or_default()
    }
}

impl KeyFile {
    fn new(path: PathBuf) -> Self {
        let watched = Watched::new([path.clone()], keys::LARGEST);
        Self { path, state: Mutex::new(State { watched, keys: Arc::default() }) }
    }

    fn keys(&self) -> Arc<Vec<NamedKey>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(news) = state.watched.news() {
            state.keys = self.renewed(news, &state.keys);
        }
        Arc::clone(&state.keys)
    }

    /// The keys in force from now on. A file that is gone or cannot be read has none; in
    /// one that is malformed somebody is writing, and those before hold.
    fn renewed(&self, news: Contents<1>, before: &Arc<Vec<NamedKey>>) -> Arc<Vec<NamedKey>> {
        let failed = gauge!(FAILED);
        failed.set(1.);
        let [content] = match news {
            Ok(contents) => contents,
            Err(error) => {
                error!(error, "the file of keys cannot be read; none of its keys is valid");
                return Arc::default();
            }
        };
        match keys::parse(&self.path, &content) {
            Ok(found) => {
                info!(keys = found.len(), "the file of keys was read");
                failed.set(0.);
                Arc::new(found)
            }
            Err(error) => {
                error!(error, "the file of keys is malformed; the keys before hold");
                Arc::clone(before)
            }
        }
    }
}
