//! A LoRA adapter (Hu et al. 2021, arXiv:2106.09685): a folder of PEFT's that holds
//! what is added to the weights of a model elsewhere.

use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::source::{Allowed, Source};
use super::weights::{Described, Tensors, find};
use crate::blocks::{Stored, Update};

/// What adapter_config.json says.
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

/// PEFT's.
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

/// Fields that make something else of an adapter than a product of two matrices.
const OTHER_KINDS: &[&str] = &[
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

/// Ways to begin that change the model's own weights, which the folder does not have.
const OTHER_BEGINNINGS: &[&str] = &["pissa", "olora", "loftq", "corda", "lora_ga"];

/// What to do where an adapter cannot be merged here.
pub const HINT: &str = "merge it by itself: PeftModel.from_pretrained(base, \
                        FOLDER).merge_and_unload().save_pretrained(NEW_FOLDER), with base of the \
                        class of the task, and save the tokenizer there too";

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
        let set = |name: &&&str| match self.rest.get(**name) {
            None | Some(Value::Null | Value::Bool(false)) => false,
            Some(Value::Array(list)) => !list.is_empty(),
            Some(_) => true,
        };
        if let Some(name) = OTHER_KINDS.iter().find(set) {
            return Err(format!("{name} is set, which makes no plain LoRA adapter"));
        }
        let beginning = self.rest.get("init_lora_weights").and_then(Value::as_str);
        if let Some(name) = beginning
            && OTHER_BEGINNINGS.iter().any(|other| name.starts_with(other))
        {
            return Err(format!("init_lora_weights {name:?} also changes the model's weights"));
        }
        match self.lora_alpha.is_finite() {
            true => Ok(()),
            false => Err("lora_alpha is no number".to_owned()),
        }
    }

    /// How the class name of the task's head ends.
    pub fn class(&self) -> Result<Option<&'static str>, String> {
        Ok(match self.task_type.as_deref() {
            Some("SEQ_CLS") => Some("ForSequenceClassification"),
            Some("TOKEN_CLS") => Some("ForTokenClassification"),
            Some("QUESTION_ANS") => Some("ForQuestionAnswering"),
            Some("FEATURE_EXTRACTION") => Some("Model"),
            None => None,
            Some(other) => return Err(format!("task_type {other:?} is no task of an encoder")),
        })
    }

    /// Where the model is. A folder is looked for only where the adapter is a folder
    /// too: one from elsewhere must not say which files of this machine are read.
    pub fn base(&self, own: &Source, allowed: &Allowed) -> Result<Source, String> {
        let name = self.base_model_name_or_path.as_deref().unwrap_or_default();
        if name.is_empty() {
            return Err("base_model_name_or_path names no model".to_owned());
        }
        if let Source::Directory(folder) = own {
            let beside = folder.parent().unwrap_or(folder).join(name);
            let places = [Path::new(name).to_owned(), folder.join(name), beside];
            let found = places.into_iter().map(Source::Directory).find(|place| {
                let there =
                    |place: &Source| matches!(place, Source::Directory(path) if path.is_dir());
                allowed.check(place).is_ok() && there(place)
            });
            if let Some(found) = found {
                return Ok(found);
            }
        }
        let revision = self.revision.iter().map(|revision| format!("@{revision}"));
        let repository = format!("hf:{name}{}", revision.collect::<String>());
        let source: Source = repository.parse().map_err(|reason| {
            format!("{name:?} is no folder that may be read, and no model of the hub: {reason}")
        })?;
        allowed.check(&source)?;
        Ok(source)
    }

    /// Adds what `changes` say to the model's tensors, or puts it in their place.
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
                return Err(format!("tensor {name} is of no linear layer; {HINT}"));
            } else {
                let inside = [".modules_to_save.default", ".modules_to_save", ".base_layer"];
                let bare = inside.iter().fold(bare.to_owned(), |name, part| name.replace(part, ""));
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
        down: &Described,
        up: &Described,
    ) -> Result<(), String> {
        let found = find(tensors, &format!("{module}.weight")).map(|(name, _)| name.clone());
        let tensor = found.and_then(|name| tensors.get_mut(&name));
        let tensor = tensor.ok_or_else(|| format!("the model has no {module} to change"))?;
        let (&[rank, input], &[out, ranks]) = (&down.shape[..], &up.shape[..]) else {
            return Err(format!("lora_A and lora_B of {module} are no matrices"));
        };
        if tensor.shape != [out, input] || rank != ranks || rank == 0 {
            return Err(format!(
                "lora_B {:?} and lora_A {:?} of {module} do not make its {:?}",
                up.shape, down.shape, tensor.shape
            ));
        }
        let scale = self.scale(module, rank)?;
        let place = |tensor: &Described| -> Result<Stored, String> { tensor.stored.clone() };
        let update = Update { down: place(down)?, up: place(up)?, rank, scale };
        if let Ok(stored) = &mut tensor.stored {
            stored.update = Some(Arc::new(update));
        }
        Ok(())
    }

    /// `alpha / rank`, or `alpha / √rank` (Kalajdzievski 2023).
    fn scale(&self, module: &str, rank: usize) -> Result<f64, String> {
        let mut alpha = self.lora_alpha;
        for (pattern, value) in &self.alpha_pattern {
            if !pattern.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c)) {
                return Err(format!("alpha_pattern {pattern:?} is no name; {HINT}"));
            }
            let rest = module.strip_suffix(pattern.as_str());
            if rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.')) {
                alpha = value.as_f64().ok_or_else(|| format!("alpha {value} of {pattern}"))?;
                break;
            }
        }
        let rank = rank as f64;
        Ok(alpha / if self.use_rslora { rank.sqrt() } else { rank })
    }
}

/// Under the name that the model has for it, if it has one.
fn replace(tensors: &mut Tensors, name: &str, tensor: Described) {
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
    fn what_is_no_plain_lora_is_refused_with_what_to_do() {
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
    fn scales_are_pefts() {
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
    fn a_folder_is_read_only_where_models_may_be() {
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
        let hub_alone = Allowed::by(|source| match source {
            Source::Hub(_) => Ok(()),
            _ => Err("lies in no folder".to_owned()),
        });
        assert!(by_path.base(&own, &hub_alone).is_err());
        let hub: Source = "hf:o/adapter".parse().unwrap();
        assert!(by_path.base(&hub, &all).is_err(), "from elsewhere it names no folder here");
        let named = adapter(json!({"revision": "v1"})).unwrap();
        assert_eq!(named.base(&hub, &all).unwrap(), "hf:a/b@v1".parse().unwrap());
    }
}
