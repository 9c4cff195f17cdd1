//! A LoRA adapter (Hu et al. 2021, arXiv:2106.09685): a folder written by PEFT with the
//! updates to the weights of a base model.

use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::source::{Allowed, Source};
use super::tensor_entry::TensorEntry;
use super::weights::{Tensors, find};
use crate::blocks::{Stored, Update};

/// The content of adapter_config.json.
#[derive(Debug, Deserialize)]
#[serde(default)]
pub struct Adapter {
    peft_type: String,
    pub task_type: Option<String>,
    base_model_name_or_path: Option<String>,
    revision: Option<String>,
    #[serde(deserialize_with = "or_default")]
    alpha_pattern: Map<String, Value>,
    lora_alpha: f64,
    use_rslora: bool,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

fn or_default<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Map<String, Value>, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// PEFT's defaults.
impl Default for Adapter {
    fn default() -> Self {
        Self {
            peft_type: String::new(),
            task_type: None,
            base_model_name_or_path: None,
            revision: None,
            alpha_pattern: Map::new(),
            lora_alpha: 8.,
            use_rslora: false,
            rest: Map::new(),
        }
    }
}

/// Fields that, if set, make the update more than a product of two matrices.
const UNSUPPORTED_FIELDS: &[&str] = &[
    "use_dora",
    "use_qalora",
    "use_bdlora",
    "arrow_config",
    "kasa_config",
    "monteclora_config",
    "velora_config",
    "alora_invocation_tokens",
    "layer_replication",
    "target_parameters",
    "trainable_token_indices",
    "lora_bias",
];

/// Initializations that also change the base weights, which the folder does not contain.
const UNSUPPORTED_INITS: &[&str] = &["pissa", "olora", "loftq", "corda", "lora_ga"];

/// How to merge an adapter that is not supported here.
pub const HINT: &str = "merge it with PEFT: PeftModel.from_pretrained(base, \
                        FOLDER).merge_and_unload().save_pretrained(NEW_FOLDER), where base has the \
                        class of the task; save the tokenizer there too";

impl Adapter {
    pub fn read(data: &[u8]) -> Result<Self, String> {
        let adapter: Self = serde_json::from_slice(data).map_err(|error| error.to_string())?;
        adapter.check().map_err(|reason| format!("{reason}; {HINT}"))?;
        Ok(adapter)
    }

    fn check(&self) -> Result<(), String> {
        if self.peft_type != "LORA" {
            return Err(format!("peft_type {:?} cannot be merged, only LORA", self.peft_type));
        }
        let is_set = |name: &&&str| match self.rest.get(**name) {
            None | Some(Value::Null | Value::Bool(false)) => false,
            Some(Value::Array(list)) => !list.is_empty(),
            Some(_) => true,
        };
        if let Some(name) = UNSUPPORTED_FIELDS.iter().find(is_set) {
            return Err(format!("{name} is set, so this is not a plain LoRA adapter"));
        }
        let init = self.rest.get("init_lora_weights").and_then(Value::as_str);
        if let Some(name) = init
            && UNSUPPORTED_INITS.iter().any(|prefix| name.starts_with(prefix))
        {
            return Err(format!("init_lora_weights {name:?} also changes the model's weights"));
        }
        match self.lora_alpha.is_finite() {
            true => Ok(()),
            false => Err("lora_alpha is not a finite number".to_owned()),
        }
    }

    /// Returns the suffix of the transformers class that `task_type` selects.
    pub fn class(&self) -> Result<Option<&'static str>, String> {
        Ok(match self.task_type.as_deref() {
            Some("SEQ_CLS") => Some("ForSequenceClassification"),
            Some("TOKEN_CLS") => Some("ForTokenClassification"),
            Some("QUESTION_ANS") => Some("ForQuestionAnswering"),
            Some("FEATURE_EXTRACTION") => Some("Model"),
            None => None,
            Some(other) => return Err(format!("task_type {other:?} is not a task of an encoder")),
        })
    }

    /// Returns the source of the base model. Folders are considered only if the adapter is
    /// a folder itself: one from the hub must not choose which local files are read.
    pub fn base(&self, own: &Source, allowed: &Allowed) -> Result<Source, String> {
        let name = self.base_model_name_or_path.as_deref().unwrap_or_default();
        if name.is_empty() {
            return Err("base_model_name_or_path is empty".to_owned());
        }
        if let Source::Directory(folder) = own {
            let sibling = folder.parent().unwrap_or(folder).join(name);
            let candidates = [Path::new(name).to_owned(), folder.join(name), sibling];
            let found = candidates.into_iter().map(Source::Directory).find(|candidate| {
                let exists =
                    |source: &Source| matches!(source, Source::Directory(path) if path.is_dir());
                allowed.check(candidate).is_ok() && exists(candidate)
            });
            if let Some(found) = found {
                return Ok(found);
            }
        }
        let revision = self.revision.iter().map(|revision| format!("@{revision}"));
        let repository = format!("hf:{name}{}", revision.collect::<String>());
        let source: Source = repository.parse().map_err(|reason| {
            format!("{name:?} is neither an allowed folder nor a model of the hub: {reason}")
        })?;
        allowed.check(&source)?;
        Ok(source)
    }

    /// Adds the LoRA updates to `tensors`, and replaces those that the adapter stores whole.
    pub fn merge(&self, tensors: &mut Tensors, changes: Tensors) -> Result<(), String> {
        let mut downs = Tensors::new();
        let mut ups = Tensors::new();
        for (name, tensor) in changes {
            let bare = name.strip_prefix("base_model.model.").unwrap_or(&name);
            if let Some(module) = bare.strip_suffix(".lora_A.weight") {
                downs.insert(module.to_owned(), tensor);
            } else if let Some(module) = bare.strip_suffix(".lora_B.weight") {
                ups.insert(module.to_owned(), tensor);
            } else if bare.contains("lora_") {
                return Err(format!("tensor {name} does not belong to a linear layer; {HINT}"));
            } else {
                let layers = [".modules_to_save.default", ".modules_to_save", ".base_layer"];
                let bare = layers.iter().fold(bare.to_owned(), |name, part| name.replace(part, ""));
                replace(tensors, &bare, tensor);
            }
        }
        for (module, down) in downs {
            let up = ups.remove(&module).ok_or_else(|| format!("{module} has no lora_B"))?;
            self.add(tensors, &module, &down, &up)?;
        }
        match ups.into_keys().next() {
            Some(module) => Err(format!("{module} has no lora_A")),
            None => Ok(()),
        }
    }

    fn add(
        &self,
        tensors: &mut Tensors,
        module: &str,
        down: &TensorEntry,
        up: &TensorEntry,
    ) -> Result<(), String> {
        let found = find(tensors, &format!("{module}.weight")).map(|(name, _)| name.clone());
        let tensor = found.and_then(|name| tensors.get_mut(&name));
        let tensor = tensor.ok_or_else(|| format!("the base model has no {module}"))?;
        let (&[rank, input], &[out, ranks]) = (&down.shape[..], &up.shape[..]) else {
            return Err(format!("lora_A and lora_B of {module} must be matrices"));
        };
        if tensor.shape != [out, input] || rank != ranks || rank == 0 {
            return Err(format!(
                "the shapes of lora_B {:?} and lora_A {:?} of {module} do not match its weight {:?}",
                up.shape, down.shape, tensor.shape
            ));
        }
        let scale = self.scale(module, rank)?;
        let stored = |tensor: &TensorEntry| -> Result<Stored, String> { tensor.stored.clone() };
        let update = Update { down: stored(down)?, up: stored(up)?, rank, scale };
        if let Ok(stored) = &mut tensor.stored {
            stored.update = Some(Arc::new(update));
        }
        Ok(())
    }

    /// Returns `alpha / rank`, or `alpha / √rank` with `use_rslora` (Kalajdzievski 2023).
    fn scale(&self, module: &str, rank: usize) -> Result<f64, String> {
        let mut alpha = self.lora_alpha;
        for (pattern, value) in &self.alpha_pattern {
            if !pattern.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c)) {
                return Err(format!("alpha_pattern {pattern:?} is not a plain name; {HINT}"));
            }
            let rest = module.strip_suffix(pattern.as_str());
            if rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.')) {
                alpha = value.as_f64().ok_or_else(|| format!("alpha of {pattern} is {value}"))?;
                break;
            }
        }
        let rank = rank as f64;
        Ok(alpha / if self.use_rslora { rank.sqrt() } else { rank })
    }
}

/// Stores `tensor` under the name that the base model uses for it, if it has one.
fn replace(tensors: &mut Tensors, name: &str, tensor: TensorEntry) {
    let found = find(tensors, name).map(|(name, _)| name.clone());
    tensors.insert(found.unwrap_or_else(|| name.to_owned()), tensor);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn adapter(fields: Value) -> Result<Adapter, String> {
        let mut all = json!({"peft_type": "LORA", "base_model_name_or_path": "a/b"});
        all.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        Adapter::read(all.to_string().as_bytes())
    }

    #[test]
    fn other_adapters_are_rejected_with_a_hint() {
        for (fields, word) in [
            (json!({"peft_type": "IA3"}), "IA3"),
            (json!({"use_dora": true}), "use_dora"),
            (json!({"target_parameters": ["a"]}), "target_parameters"),
            (json!({"init_lora_weights": "pissa_niter_4"}), "pissa"),
        ] {
            let error = adapter(fields).unwrap_err();
            assert!(error.contains(word) && error.contains("merge_and_unload"), "{error}");
        }
        assert!(adapter(json!({"use_dora": false, "alpha_pattern": null})).is_ok());
        assert!(adapter(json!({"task_type": "CAUSAL_LM"})).unwrap().class().is_err());
    }

    #[test]
    fn scales_match_peft() {
        let scale = |fields: Value| adapter(fields).unwrap().scale("bert.x.query", 4).unwrap();
        assert_eq!(scale(json!({"lora_alpha": 16})), 4.);
        assert_eq!(scale(json!({})), 2.);
        assert_eq!(scale(json!({"lora_alpha": 16, "use_rslora": true})), 8.);
        let pattern = json!({"lora_alpha": 16, "alpha_pattern": {"uery": 2, "x.query": 32}});
        assert_eq!(scale(pattern), 8.);
        let regex = adapter(json!({"alpha_pattern": {".*query": 1}})).unwrap();
        assert!(regex.scale("query", 4).is_err());
    }

    #[test]
    fn a_base_folder_must_be_allowed() {
        let root = tempfile::tempdir().unwrap();
        let own = root.path().join("adapter");
        std::fs::create_dir_all(root.path().join("a/b")).unwrap();
        std::fs::create_dir_all(&own).unwrap();
        let path = root.path().join("a/b").to_string_lossy().into_owned();
        let by_path = adapter(json!({"base_model_name_or_path": path})).unwrap();
        let relative = adapter(json!({"base_model_name_or_path": "../a/b"})).unwrap();
        let (all, own) = (Allowed::default(), Source::Directory(own));
        assert_eq!(by_path.base(&own, &all).unwrap(), Source::Directory(path.into()));
        assert!(matches!(relative.base(&own, &all), Ok(Source::Directory(_))));
        let hub_only = Allowed::by(|source| match source {
            Source::Hub(_) => Ok(()),
            _ => Err("is not allowed".to_owned()),
        });
        assert!(by_path.base(&own, &hub_only).is_err());
        let hub: Source = "hf:o/adapter".parse().unwrap();
        assert!(by_path.base(&hub, &all).is_err(), "a hub adapter cannot name a local folder");
        let named = adapter(json!({"revision": "v1"})).unwrap();
        assert_eq!(named.base(&hub, &all).unwrap(), "hf:a/b@v1".parse().unwrap());
    }
}
