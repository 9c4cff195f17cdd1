//! sentence-transformers' cross-encoders: the activation of scores, and the head of those with
//! modules after the transformer.

use serde_json::Value;
use tracing::warn;

use super::activation::OutputActivation;
use super::modules::{self, Chain, SCORES};
use super::{Head, HeadContext, Labels};
use crate::blocks;
use crate::blocks::Pooling;
use crate::checkpoint::layout::{MODULES, SENTENCE_TRANSFORMERS};
use crate::checkpoint::{CONFIG, LoadError, SentenceKind};

/// Builds the head from the modules.
pub fn build(parts: &HeadContext<'_>) -> Result<Head, LoadError> {
    let modules = parts.checkpoint.sentence().map_or(&[][..], |sentence| &sentence.modules);
    let Chain { pool, steps, width, output } = modules::read(parts, modules)?;
    if output != SCORES {
        let reason = format!("the last module outputs {output:?}, not {SCORES:?}");
        return Err(parts.checkpoint.error(MODULES, reason));
    }
    // config.json describes the transformer: its labels may belong to another head.
    let labels = parts.config.labels(width).unwrap_or_else(|_| super::placeholders(width));
    Ok(Head {
        block: blocks::Head { pooling: Pooling::Whole(pool), steps },
        labels: Labels::Named(labels),
        activation: activation(parts, width)?,
    })
}

/// Returns the activation of the scores, from the first of: sentence-transformers' own file,
/// config.json's newer field, its older field, the default of sentence-transformers or
/// transformers.
pub fn activation(parts: &HeadContext<'_>, labels: usize) -> Result<OutputActivation, LoadError> {
    let sentence = parts.checkpoint.sentence();
    let own = sentence.filter(|sentence| sentence.kind == SentenceKind::CrossEncoder);
    let field = |name: &str| parts.config.rest.get(name);
    let newer = field("sentence_transformers").and_then(|own| own.get("activation_fn"));
    let older = field("sbert_ce_default_activation_function");
    let own_class = own.and_then(|sentence| sentence.activation.as_deref());
    let own_class = own_class.map(|class| (SENTENCE_TRANSFORMERS, class));
    let config_class = newer.or(older).and_then(Value::as_str).map(|class| (CONFIG, class));
    for (file, class) in own_class.into_iter().chain(config_class) {
        let named = named(class).map_err(|reason| parts.checkpoint.error(file, reason))?;
        match named {
            Some(activation) => return Ok(activation),
            None => warn!(
                file,
                class, "activation outside of torch is not supported; using the default instead"
            ),
        }
    }
    Ok(match (own, labels) {
        (Some(_), 1) => OutputActivation::Sigmoid,
        (Some(_), _) => OutputActivation::None,
        (None, _) => OutputActivation::of(parts.config.problem_type.as_deref(), labels),
    })
}

/// Returns the activation for a class name; `None` for classes outside of torch, which the library
/// does not run either.
fn named(class: &str) -> Result<Option<OutputActivation>, String> {
    let Some(path) = class.strip_prefix("torch.") else { return Ok(None) };
    match path.rsplit('.').next() {
        Some("Identity") => Ok(Some(OutputActivation::None)),
        Some("Sigmoid") => Ok(Some(OutputActivation::Sigmoid)),
        Some("Softmax") => Ok(Some(OutputActivation::Softmax)),
        _ => Err(format!(
            "activation_fn {class:?} is not known; explaind serves scores through torch's \
             Identity, Sigmoid or Softmax"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn torch_activations_are_known_and_others_named() {
        let path = |class: &str| named(&format!("torch.nn.modules.activation.{class}"));
        assert_eq!(path("Sigmoid"), Ok(Some(OutputActivation::Sigmoid)));
        assert_eq!(named("torch.nn.modules.linear.Identity"), Ok(Some(OutputActivation::None)));
        assert!(path("Tanh").unwrap_err().contains("Tanh"));
        assert_eq!(named("mine.Sigmoid"), Ok(None));
    }
}
