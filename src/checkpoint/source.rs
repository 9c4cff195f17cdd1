//! Where a checkpoint comes from: `builtin:NAME`, a directory, or
//! `hf:owner/name[@revision]`.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::hub::Repository;
use crate::script::Script;

/// A checkpoint that is part of the binary.
#[derive(Debug, PartialEq, Eq)]
pub struct Builtin {
    pub name: &'static str,
    /// The writing that it reads.
    pub script: Script,
    pub files: &'static [(&'static str, &'static [u8])],
}

impl Builtin {
    pub fn file(&self, name: &str) -> Option<&'static [u8]> {
        self.files.iter().find(|(file, _)| *file == name).map(|&(_, data)| data)
    }
}

macro_rules! builtin {
    ($name:literal, $script:expr) => {
        Builtin {
            name: $name,
            script: $script,
            files: &[
                (super::CONFIG, include_bytes!(concat!("../../models/", $name, "/config.json"))),
                (
                    super::WEIGHTS,
                    include_bytes!(concat!("../../models/", $name, "/model.safetensors")),
                ),
                (
                    super::TOKENIZER,
                    include_bytes!(concat!("../../models/", $name, "/tokenizer.json")),
                ),
                (
                    super::TOKENIZER_CONFIG,
                    include_bytes!(concat!("../../models/", $name, "/tokenizer_config.json")),
                ),
            ],
        }
    };
}

/// Every model in the binary; its id is its name.
pub static BUILTINS: &[Builtin] =
    &[builtin!("sentiment-en", Script::Latin), builtin!("sentiment-zh", Script::Han)];

/// A checkpoint's place, as `SOURCE` on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    Builtin(&'static Builtin),
    Directory(PathBuf),
    Hub(Repository),
}

impl Source {
    /// The built-in model of the text's script, or the first.
    pub fn for_text(text: &str) -> Self {
        let script = Script::of(text);
        let found = BUILTINS.iter().find(|builtin| Some(builtin.script) == script);
        Self::Builtin(found.unwrap_or(&BUILTINS[0]))
    }

    /// The writing that a built-in model reads.
    pub fn script(&self) -> Option<Script> {
        match self {
            Self::Builtin(builtin) => Some(builtin.script),
            Self::Directory(_) | Self::Hub(_) => None,
        }
    }

    /// The id of a model that was given none: the built-in's name, the last
    /// part of the path, or the hub's name without its owner.
    pub fn default_id(&self) -> String {
        match self {
            Self::Builtin(builtin) => builtin.name.to_owned(),
            Self::Directory(path) => id_of(path),
            Self::Hub(repository) => repository.name().to_owned(),
        }
    }

    /// The source as it was probably meant, where it names a folder that is not there and
    /// looks like a model of the hub.
    pub fn meant_for_hub(&self) -> Option<String> {
        let Self::Directory(path) = self else { return None };
        let name = path.to_str().filter(|_| !path.exists())?;
        let repository: Repository = name.parse().ok()?;
        Some(Self::Hub(repository).to_string())
    }
}

/// The name of a folder, however it was named, with what an id cannot have replaced.
fn id_of(path: &Path) -> String {
    let whole = path.canonicalize();
    let name = whole.as_deref().unwrap_or(path).file_name().unwrap_or_default().to_string_lossy();
    let plain = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' };
    let id: String = name.trim_start_matches('.').chars().map(plain).take(64).collect();
    match id.trim_matches('-') {
        "" | "auto" => "model".to_owned(),
        id => id.to_owned(),
    }
}

impl FromStr for Source {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(repository) = text.strip_prefix("hf:") {
            return repository.parse().map(Self::Hub);
        }
        let Some(name) = text.strip_prefix("builtin:") else {
            return match text {
                "" => Err("a model's source is empty".to_owned()),
                _ => Ok(Self::Directory(text.into())),
            };
        };
        BUILTINS.iter().find(|builtin| builtin.name == name).map(Self::Builtin).ok_or_else(|| {
            let names: Vec<&str> = BUILTINS.iter().map(|builtin| builtin.name).collect();
            format!("no built-in model is called {name:?}; there is {}", names.join(", "))
        })
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Builtin(builtin) => write!(f, "builtin:{}", builtin.name),
            Self::Directory(path) => write!(f, "{}", path.display()),
            Self::Hub(repository) => write!(f, "{repository}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_of_any_name_has_an_id() {
        let folder = tempfile::tempdir().unwrap();
        let id = |name: &str| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(&path).unwrap();
            Source::Directory(path).default_id()
        };
        assert_eq!(id("my model (1)"), "my-model--1");
        assert_eq!(id(".hidden"), "hidden");
        assert_eq!(id("模型"), "model");
        assert_eq!(id("auto"), "model");
        assert_eq!(Source::Directory(folder.path().join("auto/../auto/.")).default_id(), "model");
        assert_eq!(id(&"x".repeat(200)).len(), 64);
        assert!(!Source::Directory(".".into()).default_id().is_empty());
    }

    #[test]
    fn what_was_meant_for_the_hub() {
        let meant = |text: &str| text.parse::<Source>().unwrap().meant_for_hub();
        assert_eq!(meant("owner/name").as_deref(), Some("hf:owner/name"));
        for other in ["/nowhere", "hf:owner/name", "builtin:sentiment-en", "src", "./src", "a/b/c"]
        {
            assert_eq!(meant(other), None, "{other}");
        }
    }
}
