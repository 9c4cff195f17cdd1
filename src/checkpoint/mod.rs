//! A checkpoint in the Hugging Face layout: its files, its configuration, its
//! tensors. Nothing here knows an architecture.

pub mod config;
pub mod source;
pub mod weights;

use std::borrow::Cow;
use std::fs::{self, File};
use std::io;
use std::path::Path;

use sha2::{Digest, Sha256};

pub use config::ModelConfig;
pub use source::Source;
pub use weights::Weights;

/// Why a checkpoint was refused, with the file that is at fault.
#[derive(Debug, thiserror::Error)]
#[error("{origin}/{file}: {reason}")]
pub struct LoadError {
    pub origin: String,
    pub file: String,
    pub reason: String,
}

pub const CONFIG: &str = "config.json";
pub const WEIGHTS: &str = "model.safetensors";
pub const TOKENIZER: &str = "tokenizer.json";
pub const TOKENIZER_CONFIG: &str = "tokenizer_config.json";
/// How sentence-transformers pools.
pub const POOLING: &str = "1_Pooling/config.json";

/// The files of a checkpoint.
#[derive(Debug)]
pub struct Checkpoint {
    origin: String,
    files: Vec<(&'static str, Content)>,
}

/// A file's content: small ones are read at once, weights piece by piece, so
/// that they are never in memory twice.
#[derive(Debug)]
enum Content {
    Memory(Cow<'static, [u8]>),
    Disk(File),
}

impl Content {
    fn open(path: &Path, name: &str) -> io::Result<Self> {
        match name {
            WEIGHTS => File::open(path).map(Self::Disk),
            _ => fs::read(path).map(|data| Self::Memory(data.into())),
        }
    }

    fn len(&self) -> io::Result<u64> {
        match self {
            Self::Memory(data) => Ok(data.len() as u64),
            Self::Disk(file) => Ok(file.metadata()?.len()),
        }
    }

    fn read_at(&self, start: u64, bytes: usize) -> io::Result<Cow<'_, [u8]>> {
        match self {
            Self::Memory(data) => {
                let start = usize::try_from(start).unwrap_or(usize::MAX);
                let end = start.saturating_add(bytes);
                let part = data.get(start..end).ok_or(io::ErrorKind::UnexpectedEof)?;
                Ok(part.into())
            }
            Self::Disk(file) => {
                let mut part = vec![0; bytes];
                read_exact_at(file, &mut part, start)?;
                Ok(part.into())
            }
        }
    }
}

/// Reads from a place in a file without moving a position that threads share.
#[cfg(unix)]
fn read_exact_at(file: &File, part: &mut [u8], start: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, part, start)
}

#[cfg(windows)]
fn read_exact_at(file: &File, mut part: &mut [u8], mut start: u64) -> io::Result<()> {
    use std::os::windows::fs::FileExt;
    while !part.is_empty() {
        match file.seek_read(part, start)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => {
                part = &mut part[read..];
                start += read as u64;
            }
        }
    }
    Ok(())
}

/// Bytes of a large file that are digested at a time.
const PIECE: usize = 1 << 20;

impl Checkpoint {
    /// Opens the files that `source` points to.
    pub fn read(source: &Source) -> Result<Self, LoadError> {
        match source {
            Source::Builtin(builtin) => {
                let memory =
                    |&(name, data): &(_, &'static [u8])| (name, Content::Memory(data.into()));
                let files = builtin.files.iter().map(memory).collect();
                Ok(Self { origin: source.to_string(), files })
            }
            Source::Directory(path) => Self::read_directory(path),
        }
    }

    fn read_directory(path: &Path) -> Result<Self, LoadError> {
        let mut checkpoint = Self { origin: path.display().to_string(), files: Vec::new() };
        for name in [CONFIG, WEIGHTS, TOKENIZER, TOKENIZER_CONFIG] {
            match Content::open(&path.join(name), name) {
                Ok(content) => checkpoint.files.push((name, content)),
                Err(e) if e.kind() == io::ErrorKind::NotFound && name == TOKENIZER_CONFIG => {}
                Err(error) => return Err(checkpoint.error(name, error)),
            }
        }
        Ok(checkpoint)
    }

    fn content(&self, name: &str) -> Option<&Content> {
        self.files.iter().find(|(file, _)| *file == name).map(|(_, content)| content)
    }

    fn large(&self, name: &str) -> Result<&Content, LoadError> {
        self.content(name).ok_or_else(|| self.error(name, "no such file"))
    }

    /// A small file, if it is there.
    pub fn file(&self, name: &'static str) -> Option<&[u8]> {
        match self.content(name)? {
            Content::Memory(data) => Some(data),
            Content::Disk(_) => None,
        }
    }

    pub fn required(&self, name: &'static str) -> Result<&[u8], LoadError> {
        self.file(name).ok_or_else(|| self.error(name, "no such file"))
    }

    /// The length of a file of any size.
    fn len(&self, name: &str) -> Result<u64, LoadError> {
        self.large(name)?.len().map_err(|error| self.error(name, error))
    }

    /// `bytes` of a file of any size, from `start` on.
    fn read_at(&self, name: &str, start: u64, bytes: usize) -> Result<Cow<'_, [u8]>, LoadError> {
        self.large(name)?.read_at(start, bytes).map_err(|error| self.error(name, error))
    }

    /// The numbers of a file that lie as f32 from `start` on.
    fn read_f32(&self, name: &str, start: u64, bytes: usize) -> Result<Vec<f32>, LoadError> {
        let mut values = vec![0_f32; bytes / size_of::<f32>()];
        let part = bytemuck::cast_slice_mut(&mut values);
        let read = match self.large(name)? {
            Content::Disk(file) => read_exact_at(file, part, start),
            memory => memory.read_at(start, part.len()).map(|data| part.copy_from_slice(&data)),
        };
        read.map_err(|error| self.error(name, error))?;
        if cfg!(target_endian = "big") {
            values
                .iter_mut()
                .for_each(|value| *value = f32::from_bits(value.to_bits().swap_bytes()));
        }
        Ok(values)
    }

    /// `sha256:` and the digest over every file's name, length and content.
    pub fn revision(&self) -> Result<String, LoadError> {
        let mut hasher = Sha256::new();
        for (name, _) in &self.files {
            let length = self.len(name)?;
            hasher.update(format!("{name}\0{length}\0"));
            let mut start = 0;
            while start < length {
                let bytes = PIECE.min((length - start) as usize);
                hasher.update(self.read_at(name, start, bytes)?);
                start += bytes as u64;
            }
        }
        let digest: String = hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(format!("sha256:{digest}"))
    }

    pub fn error(&self, file: &str, reason: impl ToString) -> LoadError {
        LoadError { origin: self.origin.clone(), file: file.to_owned(), reason: reason.to_string() }
    }
}
