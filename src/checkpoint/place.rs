//! Where the files of one checkpoint lie, whatever its source.

use std::borrow::Cow;
use std::path::PathBuf;

use super::cancel::Cancellation;
use super::content::{self, Content};
use super::hub;
use super::layout::WEIGHT_LAYOUTS;
use super::source::{Builtin, Source};
use crate::files;

pub const ABSENT: &str = "no such file";

#[derive(Debug)]
pub enum Place {
    Builtin(&'static Builtin),
    Directory(PathBuf),
    Hub(hub::Snapshot),
    /// A folder's files, before those around it.
    Folder {
        name: String,
        around: Box<Place>,
    },
    /// An adapter's files, before those of the model that it changes. The tensors of the
    /// model are its own.
    Adapter {
        own: Box<Place>,
        base: Box<Place>,
    },
}

impl Place {
    /// Finds a source's files; of the hub's it asks which there are.
    pub fn of(source: &Source, cancellation: &Cancellation) -> Result<Self, String> {
        Ok(match source {
            Source::Builtin(builtin) => Self::Builtin(builtin),
            Source::Directory(path) => Self::Directory(path.clone()),
            Source::Hub(repository) => {
                let settings = hub::Settings::from_environment()?;
                Self::Hub(hub::Snapshot::find(repository, &settings, cancellation)?)
            }
        })
    }

    pub fn has(&self, name: &str) -> bool {
        match self {
            Self::Builtin(builtin) => builtin.file(name).is_some(),
            Self::Directory(folder) => folder.join(name).exists(),
            Self::Hub(snapshot) => snapshot.has(name),
            Self::Folder { name: folder, around } => {
                around.has(&format!("{folder}/{name}")) || around.has(name)
            }
            Self::Adapter { own, base } => is_adapters(own, name) || base.has(name),
        }
    }

    /// Why a file may be missing that the source has.
    pub fn gap(&self) -> Option<&str> {
        match self {
            Self::Hub(snapshot) => snapshot.gap(),
            Self::Builtin(_) | Self::Directory(_) => None,
            Self::Folder { around, .. } => around.gap(),
            Self::Adapter { own, base } => own.gap().or_else(|| base.gap()),
        }
    }

    /// A file on this machine; the hub's are fetched.
    fn find(&self, name: &str) -> Result<Found, String> {
        match self {
            Self::Builtin(builtin) => {
                builtin.file(name).map(Found::Memory).ok_or_else(|| ABSENT.to_owned())
            }
            Self::Directory(folder) => Ok(Found::Path(folder.join(name))),
            Self::Hub(snapshot) => snapshot.fetch(name).map(Found::Path),
            Self::Folder { name: folder, around } => {
                let inside = format!("{folder}/{name}");
                around.find(if around.has(&inside) { &inside } else { name })
            }
            Self::Adapter { own, base } => {
                if is_adapters(own, name) {
                    own.find(name)
                } else {
                    base.find(name)
                }
            }
        }
    }

    /// Where a file lies; one in the binary has no place.
    pub fn path(&self, name: &str) -> Result<Option<PathBuf>, String> {
        Ok(match self.find(name)? {
            Found::Memory(_) => None,
            Found::Path(path) => Some(path),
        })
    }

    /// Reads a small file.
    pub fn read(&self, name: &str) -> Result<Cow<'static, [u8]>, String> {
        match self.find(name)? {
            Found::Memory(data) => Ok(data.into()),
            Found::Path(path) => {
                content::read_small(&path).map(Cow::from).map_err(|error| error.to_string())
            }
        }
    }

    /// Opens a file of any size.
    pub fn open(&self, name: &str) -> Result<Content, String> {
        match self.find(name)? {
            Found::Memory(data) => Ok(Content::Memory(data)),
            Found::Path(path) => {
                files::open(&path).map(Content::Disk).map_err(|error| error.to_string())
            }
        }
    }
}

/// Whether a file is taken from the adapter's folder, which may hold weights of the
/// trainer's that are not the model's.
fn is_adapters(own: &Place, name: &str) -> bool {
    let weights = WEIGHT_LAYOUTS.iter().flat_map(|layout| [Some(layout.whole), layout.index]);
    !weights.flatten().any(|file| file == name) && own.has(name)
}

enum Found {
    Memory(&'static [u8]),
    Path(PathBuf),
}
