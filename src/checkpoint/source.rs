//! Where a checkpoint comes from: `builtin:NAME`, a directory, or
//! `hf:owner/name[@revision]`.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use super::hub::Repository;
use crate::script::Script;

/// A checkpoint built into the binary.
#[derive(Debug, PartialEq, Eq)]
pub struct Builtin {
    pub name: &'static str,
    /// The script of the texts it was trained on.
    pub script: Script,
    pub files: &'static [(&'static str, &'static [u8])],
    /// Samples to compare inputs with, as JSON Lines.
    pub corpus: &'static [u8],
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
            corpus: include_bytes!(concat!("../../models/", $name, "/corpus.jsonl")),
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

/// The models built into the binary. Their names are their ids.
pub static BUILTINS: &[Builtin] =
    &[builtin!("sentiment-en", Script::Latin), builtin!("sentiment-zh", Script::Han)];

/// Where to load a checkpoint from: `SOURCE` on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    Builtin(&'static Builtin),
    Directory(PathBuf),
    Hub(Repository),
}

/// Which sources may be loaded from.
#[derive(Clone)]
pub struct Allowed(Arc<Rule>);

type Rule = dyn Fn(&Source) -> Result<(), String> + Send + Sync;

impl Allowed {
    /// Allows the sources for which `rule` returns `Ok`.
    pub fn by(rule: impl Fn(&Source) -> Result<(), String> + Send + Sync + 'static) -> Self {
        Self(Arc::new(rule))
    }

    pub fn check(&self, source: &Source) -> Result<(), String> {
        (self.0)(source)
    }
}

/// Allows all sources.
impl Default for Allowed {
    fn default() -> Self {
        Self::by(|_| Ok(()))
    }
}

impl Source {
    /// Returns the built-in model for the text's script, or the first one.
    pub fn for_text(text: &str) -> Self {
        let script = Script::of(text);
        let found = BUILTINS.iter().find(|builtin| Some(builtin.script) == script);
        Self::Builtin(found.unwrap_or(&BUILTINS[0]))
    }

    /// Returns the script of a built-in model.
    pub fn script(&self) -> Option<Script> {
        match self {
            Self::Builtin(builtin) => Some(builtin.script),
            Self::Directory(_) | Self::Hub(_) => None,
        }
    }

    /// Returns the id of a model without a configured one: the name of a built-in model, the
    /// last component of the path, or the hub's name without its owner.
    pub fn default_id(&self) -> String {
        match self {
            Self::Builtin(builtin) => builtin.name.to_owned(),
            Self::Directory(path) => id_of(path),
            Self::Hub(repository) => repository.name().to_owned(),
        }
    }

    /// Checks that a directory exists. The error suggests `hf:…` for a name that looks like a model
    /// of the hub.
    pub fn check_exists(&self) -> Result<(), String> {
        let Self::Directory(path) = self else { return Ok(()) };
        let (name, exists) = (path.display(), path.exists());
        match path.to_str().and_then(|name| name.parse::<Repository>().ok()) {
            _ if path.is_dir() => Ok(()),
            Some(repository) if !exists => {
                let hub = Self::Hub(repository);
                Err(format!("there is no folder {name}; for a hub model, use {hub}"))
            }
            Some(_) | None => Err(format!("{name} is not a directory")),
        }
    }
}

/// Derives an id from a folder's real name; characters that ids cannot have become `-`.
fn id_of(path: &Path) -> String {
    let absolute = path.canonicalize();
    let name =
        absolute.as_deref().unwrap_or(path).file_name().unwrap_or_default().to_string_lossy();
    let replaced = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' };
    let id: String = name.trim_start_matches('.').chars().map(replaced).take(64).collect();
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
                "" => Err("the source of the model is empty".to_owned()),
                _ => Ok(Self::Directory(text.into())),
            };
        };
        BUILTINS.iter().find(|builtin| builtin.name == name).map(Self::Builtin).ok_or_else(|| {
            let names: Vec<&str> = BUILTINS.iter().map(|builtin| builtin.name).collect();
            format!("there is no built-in model {name:?}; there are {}", names.join(", "))
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
    fn any_folder_name_gives_an_id() {
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
    fn missing_folders_that_look_like_hub_models() {
        let check = |text: &str| text.parse::<Source>().unwrap().check_exists();
        let hint = "there is no folder owner/name; for a hub model, use hf:owner/name";
        assert_eq!(check("owner/name"), Err(hint.to_owned()));
        for other in ["/nowhere", "a/b/c", "Cargo.toml"] {
            assert_eq!(check(other), Err(format!("{other} is not a directory")));
        }
        for other in ["hf:owner/name", "builtin:sentiment-en", "src", "./src"] {
            assert_eq!(check(other), Ok(()), "{other}");
        }
    }
}
