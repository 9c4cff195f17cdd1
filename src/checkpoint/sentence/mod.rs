//! What sentence-transformers adds to a checkpoint: its modules, and how texts are
//! prepared for them.

mod modules;

use serde_json::{Map, Value};

pub use modules::{Module, ModuleKind, Modules};

use super::layout::{SENTENCE_TRANSFORMER, SENTENCE_TRANSFORMERS};
use super::{Checkpoint, LoadError};

/// What its files say, beside each module's own.
#[derive(Debug)]
pub struct Sentence {
    pub kind: SentenceKind,
    pub modules: Vec<Module>,
    /// The class between a cross-encoder's scores and its answer.
    pub activation: Option<String>,
    /// What is put before a text where a caller says nothing else.
    pub prompt: String,
    /// In place of the tokenizer's own limit.
    pub max_seq_length: Option<usize>,
    /// Whether texts are put in lower case, whatever the tokenizer does.
    pub do_lower_case: bool,
}

/// What a model is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SentenceKind {
    /// Embeds each text by itself.
    Encoder,
    /// Scores a text, or two together.
    CrossEncoder,
}

type Object = Map<String, Value>;

impl Sentence {
    /// From the small files that a checkpoint keeps.
    pub(super) fn read(checkpoint: &Checkpoint, modules: Vec<Module>) -> Result<Self, LoadError> {
        let model = checkpoint.object(SENTENCE_TRANSFORMERS)?;
        let model_says = |reason| checkpoint.error(SENTENCE_TRANSFORMERS, reason);
        let kind = match model.get("model_type").and_then(Value::as_str) {
            Some("SentenceTransformer") | None => SentenceKind::Encoder,
            Some("CrossEncoder") => SentenceKind::CrossEncoder,
            Some(other) => {
                return Err(model_says(format!(
                    "model_type {other:?} is not known; explaind runs SentenceTransformer and \
                     CrossEncoder"
                )));
            }
        };
        // As the library does, the first that says anything counts.
        let files = SENTENCE_TRANSFORMER.iter().map(|name| (*name, checkpoint.object(name)));
        let mut own = (SENTENCE_TRANSFORMER[0], Object::new());
        for (name, file) in files {
            let file = file?;
            if !file.is_empty() {
                own = (name, file);
                break;
            }
        }
        check_task(&own.1).map_err(|reason| checkpoint.error(own.0, reason))?;
        Ok(Self {
            kind,
            modules,
            activation: model.get("activation_fn").and_then(Value::as_str).map(str::to_owned),
            prompt: prompt(&model, kind).map_err(model_says)?,
            max_seq_length: max_length(&own.1).map_err(|reason| checkpoint.error(own.0, reason))?,
            do_lower_case: own.1.get("do_lower_case").and_then(Value::as_bool).unwrap_or(false),
        })
    }
}

/// The prompt in force. A name without a prompt is an error in the library too, but
/// for the two that every encoder has.
fn prompt(model: &Object, kind: SentenceKind) -> Result<String, String> {
    let Some(name) = model.get("default_prompt_name").and_then(Value::as_str) else {
        return Ok(String::new());
    };
    match model.get("prompts").and_then(|prompts| prompts.get(name)) {
        Some(Value::String(prompt)) => Ok(prompt.clone()),
        Some(Value::Null) => Ok(String::new()),
        None if kind == SentenceKind::Encoder && ["query", "document"].contains(&name) => {
            Ok(String::new())
        }
        _ => Err(format!("default_prompt_name {name:?} is none of prompts")),
    }
}

/// The limit in tokens; the library hands `max_seq_length` to the tokenizer unless
/// its own arguments have one.
fn max_length(own: &Object) -> Result<Option<usize>, String> {
    let handed = ["processor_kwargs", "tokenizer_args"];
    let handed = handed.iter().find_map(|name| own.get(*name)?.get("model_max_length"));
    let limit = handed.or_else(|| own.get("max_seq_length")).filter(|limit| !limit.is_null());
    let Some(limit) = limit else { return Ok(None) };
    match limit.as_f64() {
        Some(tokens) if tokens >= 1. => Ok(Some(tokens as usize)),
        _ => Err(format!("max_seq_length is {limit}, not a number of tokens")),
    }
}

/// What the transformer itself is to give.
fn check_task(own: &Object) -> Result<(), String> {
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    let task = text(own.get("transformer_task"));
    if let Some(task) = task
        && !["feature-extraction", "sequence-classification"].contains(&task.as_str())
    {
        return Err(format!(
            "transformer_task {task:?} is not known; explaind runs feature-extraction and \
             sequence-classification"
        ));
    }
    let output = own.get("modality_config").and_then(|config| config.get("text"));
    match text(output.and_then(|text| text.get("method_output_name"))) {
        Some(name) if !["last_hidden_state", "logits"].contains(&name.as_str()) => {
            Err(format!("method_output_name {name:?} is not known, only last_hidden_state"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fields(value: Value) -> Object {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn a_prompt_is_in_force_by_name_alone() {
        let prompt = |model: Value| prompt(&fields(model), SentenceKind::Encoder);
        let prompts = json!({"query": "query: ", "none": null});
        assert_eq!(prompt(json!({"prompts": prompts})).unwrap(), "");
        let by = |name: &str| prompt(json!({"prompts": prompts, "default_prompt_name": name}));
        assert_eq!(by("query").unwrap(), "query: ");
        assert_eq!(by("document").unwrap(), "");
        assert_eq!(by("none").unwrap(), "");
        assert!(by("passage").unwrap_err().contains("passage"));
        assert_eq!(prompt(json!({"default_prompt_name": null})).unwrap(), "");
    }

    #[test]
    fn the_tokenizers_own_argument_goes_first() {
        let limit = |own: Value| max_length(&fields(own));
        assert_eq!(limit(json!({})).unwrap(), None);
        assert_eq!(limit(json!({"max_seq_length": null})).unwrap(), None);
        assert_eq!(limit(json!({"max_seq_length": 128})).unwrap(), Some(128));
        let both = json!({"max_seq_length": 8, "tokenizer_args": {"model_max_length": 6}});
        assert_eq!(limit(both).unwrap(), Some(6));
        assert!(limit(json!({"max_seq_length": 0})).is_err());
        assert!(limit(json!({"max_seq_length": "many"})).is_err());
    }

    #[test]
    fn other_tasks_are_named() {
        let error = check_task(&fields(json!({"transformer_task": "fill-mask"})));
        assert!(error.unwrap_err().contains("fill-mask"));
        let pooled = json!({"text": {"method": "forward", "method_output_name": "pooler_output"}});
        let error = check_task(&fields(json!({"modality_config": pooled})));
        assert!(error.unwrap_err().contains("pooler_output"));
        let task = json!({"transformer_task": "sequence-classification"});
        assert!(check_task(&fields(task)).is_ok());
    }
}
