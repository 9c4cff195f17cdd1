//! The concepts of a service, by name; in a folder, if one is configured, so that a restart keeps
//! them. One file per concept.

mod json;

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sha2::{Digest, Sha256};
use tracing::{info, warn};

use crate::error::{Code, Error, Result};
use crate::explanation::{Concept, StoredConcept};
use crate::files;
use crate::model::Model;

/// Maximum number of concepts.
pub const MOST_CONCEPTS: usize = 256;

/// Maximum bytes of the file of a concept; of a model of 48 layers and a width of 4,096 it has about
/// 4,000,000.
const MAX_BYTES: u64 = 1 << 23;

/// All concepts.
#[derive(Default)]
pub struct Concepts {
    entries: Mutex<Vec<StoredConcept>>,
    folder: Option<PathBuf>,
    /// Held while a file and its entry change together.
    changing: Mutex<()>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Concepts {
    /// Reads the concepts of a folder, which need not exist. Files that cannot be used are logged and
    /// left alone.
    pub fn open(folder: &Path) -> Self {
        let mut paths: Vec<PathBuf> = match fs::read_dir(folder) {
            Ok(entries) => entries.filter_map(|entry| Some(entry.ok()?.path())).collect(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => {
                warn!(folder = %folder.display(), %error, "the folder of concepts cannot be read");
                Vec::new()
            }
        };
        paths.retain(|path| path.extension().is_some_and(|end| end == "json"));
        paths.sort();
        let mut entries = Vec::new();
        for path in paths {
            match read(&path) {
                Ok(_) if entries.len() == MOST_CONCEPTS => {
                    warn!(path = %path.display(), "too many concepts; this one is ignored");
                }
                Ok(concept) => entries.push(stored(concept).0),
                Err(reason) => warn!(path = %path.display(), reason, "not a concept"),
            }
        }
        if !entries.is_empty() {
            info!(count = entries.len(), folder = %folder.display(), "concepts read");
        }
        let folder = Some(folder.to_owned());
        Self { entries: Mutex::new(entries), folder, changing: Mutex::default() }
    }

    /// Returns all concepts in the order of their names.
    pub fn list(&self) -> Vec<Arc<Concept>> {
        let mut list: Vec<Arc<Concept>> =
            lock(&self.entries).iter().map(|own| Arc::clone(&own.concept)).collect();
        list.sort_by(|a, b| a.name.cmp(&b.name));
        list
    }

    /// Checks that a concept of this name can be added.
    ///
    /// # Errors
    /// Fails if there are too many others.
    pub fn check_room(&self, name: &str) -> Result<()> {
        let entries = lock(&self.entries);
        match entries.len() < MOST_CONCEPTS || entries.iter().any(|own| own.concept.name == name) {
            true => Ok(()),
            false => {
                let detail = format!("the limit of {MOST_CONCEPTS} concepts is reached");
                Err(Error::field("/name", detail))
            }
        }
    }

    /// Adds a concept, or replaces the one with the same name. May wait for the file system.
    ///
    /// # Errors
    /// Fails if there are too many others, or if the file cannot be written.
    pub fn put(&self, concept: Concept) -> Result<Arc<Concept>> {
        let _changing = lock(&self.changing);
        self.check_room(&concept.name)?;
        let (new, text) = stored(concept);
        let concept = Arc::clone(&new.concept);
        if let Some(folder) = &self.folder {
            let written = write(folder, &file_name(&concept.name), &text);
            written.map_err(|error| Error::internal(format!("{}: {error}", folder.display())))?;
        }
        let mut entries = lock(&self.entries);
        match entries.iter_mut().find(|own| own.concept.name == concept.name) {
            Some(own) => *own = new,
            None => entries.push(new),
        }
        Ok(concept)
    }

    /// Removes a concept and its file. Requests in flight still use it. May wait for the file system.
    ///
    /// # Errors
    /// `concept_not_found`, or the file cannot be removed.
    pub fn remove(&self, name: &str) -> Result<()> {
        let _changing = lock(&self.changing);
        // An unknown name must not reach the file system.
        self.called(name)?;
        if let Some(folder) = &self.folder {
            match fs::remove_file(folder.join(file_name(name))) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(Error::internal(format!("{}: {error}", folder.display())));
                }
                Ok(()) | Err(_) => {}
            }
        }
        lock(&self.entries).retain(|own| own.concept.name != name);
        Ok(())
    }

    fn called(&self, name: &str) -> Result<StoredConcept> {
        let entries = lock(&self.entries);
        entries.iter().find(|own| own.concept.name == name).cloned().ok_or_else(|| {
            let names = entries.iter().map(|own| own.concept.name.as_str());
            let known: Vec<&str> = names.take(20).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            let detail = format!(
                "there is no concept {name:?}; POST one to /concepts (those that exist: {known})"
            );
            Error::new(Code::ConceptNotFound, detail)
        })
    }

    /// Returns the concept of this name for a model.
    ///
    /// # Errors
    /// `concept_not_found`, or `invalid_field` if it belongs to another model or another revision.
    pub fn get(&self, name: &str, model: &Model) -> Result<StoredConcept> {
        let stored = self.called(name)?;
        let concept = &stored.concept;
        let wrong = |detail: String| Err(Error::new(Code::InvalidField, detail));
        if concept.model != model.id {
            return wrong(format!(
                "the concept {name} belongs to the model {}, not to {}",
                concept.model, model.id
            ));
        }
        let mut axes = concept.layers.iter().filter_map(|layer| layer.axis.as_ref());
        let fits = concept.layers.len() == model.layers()
            && axes.all(|axis| axis.direction.len() == model.width());
        if concept.revision != model.revision || !fits {
            return wrong(format!(
                "the concept {name} was made with another revision of {}; POST it to /concepts again",
                model.id
            ));
        }
        Ok(stored)
    }
}

/// Returns the concept with its digest, and the text of its file.
fn stored(concept: Concept) -> (StoredConcept, String) {
    let text = json::text(&concept);
    let digest = Sha256::digest(&text).into();
    (StoredConcept { concept: Arc::new(concept), digest }, text)
}

/// Returns the name of the file of a concept. Names have no separators.
fn file_name(name: &str) -> String {
    format!("{name}.json")
}

fn read(path: &Path) -> Result<Concept, String> {
    let text = files::read_text(path, MAX_BYTES).map_err(|error| error.to_string())?;
    let concept = json::parse(&text)?;
    match path.file_name().is_some_and(|name| *name == *file_name(&concept.name)) {
        true => Ok(concept),
        false => Err(format!("is the concept {:?} under another name", concept.name)),
    }
}

/// Writes the file of a concept, which is renamed into place once it is complete.
fn write(folder: &Path, name: &str, text: &str) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let partial = folder.join(format!(".{name}.{}.part", std::process::id()));
    let written = File::create(&partial).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    let renamed = written.and_then(|()| fs::rename(&partial, folder.join(name)));
    if renamed.is_err() {
        // Clean up; the first error is the one to report.
        let _ = fs::remove_file(&partial);
    }
    renamed
}
