//! modules.json: what a text goes through, one module after the other.

use serde::Deserialize;

use crate::checkpoint::layout::is_folder;

/// A module after the transformer, and the folder that its files are in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Module {
    pub kind: ModuleKind,
    pub folder: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ModuleKind {
    Pooling,
    Dense,
    LayerNorm,
    Normalize,
    /// Does nothing once a model is trained.
    Dropout,
}

/// The modules of a checkpoint.
#[derive(Debug, PartialEq, Eq)]
pub struct Modules {
    /// The transformer's folder; empty where its files lie beside modules.json.
    pub transformer: String,
    pub after: Vec<Module>,
}

/// More are a mistake: each is a folder that is looked into.
const MOST: usize = 32;

const KNOWN: &[(&str, ModuleKind)] = &[
    ("Pooling", ModuleKind::Pooling),
    ("Dense", ModuleKind::Dense),
    ("LayerNorm", ModuleKind::LayerNorm),
    ("Normalize", ModuleKind::Normalize),
    ("Dropout", ModuleKind::Dropout),
];

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
    /// Reads modules.json. The order is the list's.
    pub fn read(data: &[u8]) -> Result<Self, String> {
        let entries: Vec<Entry> =
            serde_json::from_slice(data).map_err(|error| error.to_string())?;
        if entries.len() > MOST {
            return Err(format!("names {} modules; at most {MOST} are read", entries.len()));
        }
        let folder = |entry: &Entry| {
            let path = entry.path.trim_end_matches('/');
            match path.is_empty() || is_folder(path) {
                true => Ok(path.to_owned()),
                false => Err(format!("path {path:?} is no folder beside it")),
            }
        };
        let Some((first, rest)) = entries.split_first() else {
            return Err("names no module; the first must be a Transformer".to_owned());
        };
        if class(first) != Some("Transformer") {
            return Err(format!("the first module is {:?}, not a Transformer", first.class));
        }
        let module = |entry: &Entry| {
            let found = KNOWN.iter().find(|(name, _)| class(entry) == Some(name));
            let (_, kind) = found.ok_or_else(|| unknown(entry))?;
            match folder(entry)? {
                // There the transformer's own config.json lies.
                folder if folder.is_empty() => {
                    Err(format!("module {:?} has no folder of its own", entry.class))
                }
                folder => Ok(Module { kind: *kind, folder }),
            }
        };
        let after = rest.iter().map(module).collect::<Result<_, String>>()?;
        Ok(Self { transformer: folder(first)?, after })
    }

    /// What a folder means that says how to pool and has no modules.json.
    pub fn pooling(folder: &str) -> Self {
        let pooling = Module { kind: ModuleKind::Pooling, folder: folder.to_owned() };
        Self { transformer: String::new(), after: vec![pooling] }
    }
}

/// The class of the library's own that is meant: its versions have it in different
/// files. One of the checkpoint's own has code of its own.
fn class(entry: &Entry) -> Option<&str> {
    let path = entry.class.strip_prefix("sentence_transformers.")?;
    path.rsplit('.').next()
}

fn unknown(entry: &Entry) -> String {
    let known: Vec<&str> = KNOWN.iter().map(|(name, _)| *name).collect();
    format!(
        "module {:?} is not known; explaind runs sentence_transformers' Transformer, then {}",
        entry.class,
        known.join(", ")
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
    fn classes_of_all_versions_are_known() {
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
    fn what_is_not_known_is_named() {
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
