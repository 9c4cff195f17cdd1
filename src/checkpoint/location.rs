//! Finds the files of a checkpoint in its source.

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
pub enum Location {
    Builtin(&'static Builtin),
    Directory(PathBuf),
    Hub(hub::Snapshot),
    /// A subfolder, whose files take precedence over those of its parent.
    Folder {
        name: String,
        parent: Box<Location>,
    },
    /// An adapter, whose files take precedence over those of its base model, except the
    /// model's weights.
    Adapter {
        own: Box<Location>,
        base: Box<Location>,
    },
}

impl Location {
    /// Locates a source. For a model of the hub, requests the list of its files.
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
            Self::Folder { name: folder, parent } => {
                parent.has(&format!("{folder}/{name}")) || parent.has(name)
            }
            Self::Adapter { own, base } => is_adapter_file(own, name) || base.has(name),
        }
    }

    /// Why a file may be missing although the source has it.
    pub fn missing_reason(&self) -> Option<&str> {
        match self {
            Self::Hub(snapshot) => snapshot.missing_reason(),
            Self::Builtin(_) | Self::Directory(_) => None,
            Self::Folder { parent, .. } => parent.missing_reason(),
            Self::Adapter { own, base } => own.missing_reason().or_else(|| base.missing_reason()),
        }
    }

    /// Finds a file locally; downloads it if it is on the hub.
    fn find(&self, name: &str) -> Result<Found, String> {
        match self {
            Self::Builtin(builtin) => {
                builtin.file(name).map(Found::Memory).ok_or_else(|| ABSENT.to_owned())
            }
            Self::Directory(folder) => Ok(Found::Path(folder.join(name))),
            Self::Hub(snapshot) => snapshot.fetch(name).map(Found::Path),
            Self::Folder { name: folder, parent } => {
                let path = format!("{folder}/{name}");
                parent.find(if parent.has(&path) { &path } else { name })
            }
            Self::Adapter { own, base } => {
                if is_adapter_file(own, name) {
                    own.find(name)
                } else {
                    base.find(name)
                }
            }
        }
    }

    /// Returns the local path of a file; `None` if it is built into the binary.
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

/// Whether to read a file from the adapter's folder. Weights there are leftovers of training,
/// not the base model's.
fn is_adapter_file(own: &Location, name: &str) -> bool {
    let weights = WEIGHT_LAYOUTS.iter().flat_map(|layout| [Some(layout.whole), layout.index]);
    !weights.flatten().any(|file| file == name) && own.has(name)
}

enum Found {
    Memory(&'static [u8]),
    Path(PathBuf),
}
