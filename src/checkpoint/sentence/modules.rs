//! modules.json: the modules that a text passes through, in order.

use serde::Deserialize;

use crate::checkpoint::layout::is_folder;
use crate::choice::{Choice, choices};

/// A module after the transformer, and the folder of its files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Module {
    pub kind: ModuleKind,
    pub folder: String,
}

choices! {
    /// A module by the name of its class.
    pub enum ModuleKind {
        Pooling = "Pooling",
        Dense = "Dense",
        LayerNorm = "LayerNorm",
        Normalize = "Normalize",
        /// Has no effect in inference.
        Dropout = "Dropout",
    }
}

/// The content of modules.json.
#[derive(Debug, PartialEq, Eq)]
pub struct Modules {
    /// The transformer's folder; empty if its files are next to modules.json.
    pub transformer: String,
    pub after: Vec<Module>,
}

/// Maximum number of modules. Each is a folder to read.
const MAX_MODULES: usize = 32;

#[derive(Deserialize)]
struct Entry {
    #[serde(rename = "type")]
    class: String,
    #[serde(default)]
    path: String,
}

impl Module {
    pub fn config(&self) -> String {
        format!("{}/config.json", self.folder)
    }

    /// Whether it has tensors.
    pub fn has_weights(&self) -> bool {
        matches!(self.kind, ModuleKind::Dense | ModuleKind::LayerNorm)
    }
}

impl Modules {
    /// Parses modules.json.
    pub fn read(data: &[u8]) -> Result<Self, String> {
        let entries: Vec<Entry> =
            serde_json::from_slice(data).map_err(|error| error.to_string())?;
        if entries.len() > MAX_MODULES {
            return Err(format!("lists {} modules; the maximum is {MAX_MODULES}", entries.len()));
        }
        let folder = |entry: &Entry| {
            let path = entry.path.trim_end_matches('/');
            match path.is_empty() || is_folder(path) {
                true => Ok(path.to_owned()),
                false => Err(format!("path {path:?} is not a folder next to it")),
            }
        };
        let Some((first, rest)) = entries.split_first() else {
            return Err("lists no module; the first must be a Transformer".to_owned());
        };
        if class(first) != Some("Transformer") {
            return Err(format!("the first module is {:?}, not a Transformer", first.class));
        }
        let module = |entry: &Entry| {
            let found = class(entry).and_then(ModuleKind::named);
            let kind = found.ok_or_else(|| unknown(entry))?;
            match folder(entry)? {
                // That config.json is the transformer's.
                folder if folder.is_empty() => {
                    Err(format!("module {:?} has no folder of its own", entry.class))
                }
                folder => Ok(Module { kind, folder }),
            }
        };
        let after = rest.iter().map(module).collect::<Result<_, String>>()?;
        Ok(Self { transformer: folder(first)?, after })
    }

    /// Returns the modules of a checkpoint that has a pooling folder but no modules.json.
    pub fn pooling(folder: &str) -> Self {
        let pooling = Module { kind: ModuleKind::Pooling, folder: folder.to_owned() };
        Self { transformer: String::new(), after: vec![pooling] }
    }
}

/// Returns the name of a class of the library, whose path depends on the version; `None` for a
/// custom class, which needs its own code.
fn class(entry: &Entry) -> Option<&str> {
    let path = entry.class.strip_prefix("sentence_transformers.")?;
    path.rsplit('.').next()
}

fn unknown(entry: &Entry) -> String {
    format!(
        "module {:?} is not supported; explaind runs sentence_transformers' Transformer, then {}",
        entry.class,
        ModuleKind::NAMES.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(modules: &[(&str, &str)]) -> Result<Modules, String> {
        let entry = |(class, path): &(&str, &str)| serde_json::json!({"type": class, "path": path});
        let list: Vec<serde_json::Value> = modules.iter().map(entry).collect();
        Modules::read(serde_json::Value::from(list).to_string().as_bytes())
    }

    const TRANSFORMER: (&str, &str) = ("sentence_transformers.models.Transformer", "");

    #[test]
    fn class_paths_of_all_versions_are_accepted() {
        let new = ("sentence_transformers.base.modules.transformer.Transformer", "0_Transformer");
        let modules = read(&[
            new,
            ("sentence_transformers.sentence_transformer.modules.pooling.Pooling", "1_Pooling"),
            ("sentence_transformers.models.Dense", "2_Dense/"),
        ]);
        let modules = modules.unwrap();
        assert_eq!(modules.transformer, "0_Transformer");
        assert_eq!(modules.after[0].kind, ModuleKind::Pooling);
        let dense = Module { kind: ModuleKind::Dense, folder: "2_Dense".to_owned() };
        assert_eq!(modules.after[1], dense);
    }

    #[test]
    fn unknown_modules_are_rejected_by_name() {
        let pooling = ("sentence_transformers.models.Pooling", "1_Pooling");
        for (modules, word) in [
            (vec![], "no module"),
            (vec![pooling], "Pooling"),
            (vec![TRANSFORMER, ("sentence_transformers.models.CNN", "1_CNN")], "models.CNN"),
            (vec![TRANSFORMER, ("custom.Pooling", "1_Pooling")], "custom.Pooling"),
            (vec![TRANSFORMER, ("sentence_transformers.models.Dense", "")], "folder"),
            (vec![TRANSFORMER, ("sentence_transformers.models.Dense", "../a")], "../a"),
            (vec![TRANSFORMER, ("sentence_transformers.models.Dense", "/etc")], "/etc"),
            (vec![TRANSFORMER; 33], "33"),
        ] {
            let error = read(&modules).unwrap_err();
            assert!(error.contains(word), "{word}: {error}");
        }
        assert!(Modules::read(b"{}").is_err() && Modules::read(b"[{}]").is_err());
    }
}
