//! The files of sentence-transformers: modules, and the preprocessing of texts.

mod modules;

use serde_json::{Map, Value};

pub use modules::{Module, ModuleKind, Modules};

use super::layout::{SENTENCE_TRANSFORMER, SENTENCE_TRANSFORMERS};
use super::{Checkpoint, LoadError};

/// The settings of sentence-transformers, without those of each module.
#[derive(Debug)]
pub struct Sentence {
    pub kind: SentenceKind,
    pub modules: Vec<Module>,
    /// The class of a cross-encoder's activation function.
    pub activation: Option<String>,
    /// The default prompt, prepended to texts. May be empty.
    pub prompt: String,
    /// Overrides the tokenizer's own limit, in tokens.
    pub max_seq_length: Option<usize>,
    /// Whether to convert texts to lower case before tokenizing.
    pub do_lower_case: bool,
}

/// What a model computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SentenceKind {
    /// Embeds each text separately.
    Encoder,
    /// Scores a text or a pair of texts.
    CrossEncoder,
}

type Object = Map<String, Value>;

impl Sentence {
    /// Parses the settings from the small files of `checkpoint`.
    pub(super) fn read(checkpoint: &Checkpoint, modules: Vec<Module>) -> Result<Self, LoadError> {
        let model = checkpoint.object(SENTENCE_TRANSFORMERS)?;
        let fail = |reason| checkpoint.error(SENTENCE_TRANSFORMERS, reason);
        let kind = match model.get("model_type").and_then(Value::as_str) {
            Some("SentenceTransformer") | None => SentenceKind::Encoder,
            Some("CrossEncoder") => SentenceKind::CrossEncoder,
            Some(other) => {
                return Err(fail(format!(
                    "model_type {other:?} is not supported; explaind runs SentenceTransformer and \
                     CrossEncoder"
                )));
            }
        };
        // As in the library, the first non-empty file is used.
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
            prompt: prompt(&model, kind).map_err(fail)?,
            max_seq_length: max_length(&own.1).map_err(|reason| checkpoint.error(own.0, reason))?,
            do_lower_case: own.1.get("do_lower_case").and_then(Value::as_bool).unwrap_or(false),
        })
    }
}

/// Returns the default prompt. As in the library, an unknown name is an error, except for the
/// two names that every encoder has.
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
        _ => Err(format!("default_prompt_name {name:?} is not in prompts")),
    }
}

/// Returns the limit in tokens. As in the library, `model_max_length` in the tokenizer's
/// arguments overrides `max_seq_length`.
fn max_length(own: &Object) -> Result<Option<usize>, String> {
    let arguments = ["processor_kwargs", "tokenizer_args"];
    let argument = arguments.iter().find_map(|name| own.get(*name)?.get("model_max_length"));
    let limit = argument.or_else(|| own.get("max_seq_length")).filter(|limit| !limit.is_null());
    let Some(limit) = limit else { return Ok(None) };
    match limit.as_f64() {
        Some(tokens) if tokens >= 1. => Ok(Some(tokens as usize)),
        _ => Err(format!("max_seq_length is {limit}, not a number of tokens")),
    }
}

/// Checks that the transformer's task and output are supported.
fn check_task(own: &Object) -> Result<(), String> {
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    let task = text(own.get("transformer_task"));
    if let Some(task) = task
        && !["feature-extraction", "sequence-classification"].contains(&task.as_str())
    {
        return Err(format!(
            "transformer_task {task:?} is not supported; explaind runs feature-extraction and \
             sequence-classification"
        ));
    }
    let output = own.get("modality_config").and_then(|config| config.get("text"));
    match text(output.and_then(|text| text.get("method_output_name"))) {
        Some(name) if !["last_hidden_state", "logits"].contains(&name.as_str()) => {
            Err(format!("method_output_name {name:?} is not supported, only last_hidden_state"))
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
    fn default_prompt_by_name() {
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
    fn tokenizer_arguments_override_max_seq_length() {
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
    fn other_tasks_are_rejected_by_name() {
        let error = check_task(&fields(json!({"transformer_task": "fill-mask"})));
        assert!(error.unwrap_err().contains("fill-mask"));
        let pooled = json!({"text": {"method": "forward", "method_output_name": "pooler_output"}});
        let error = check_task(&fields(json!({"modality_config": pooled})));
        assert!(error.unwrap_err().contains("pooler_output"));
        let task = json!({"transformer_task": "sequence-classification"});
        assert!(check_task(&fields(task)).is_ok());
    }
}
