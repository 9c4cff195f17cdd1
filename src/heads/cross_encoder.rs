//! A cross-encoder of sentence-transformers: what its scores are served through, and one
//! whose scores are made by modules after the transformer.

use serde_json::Value;
use tracing::warn;

use super::activation::OutputActivation;
use super::modules::{self, Chain, SCORES};
use super::{Head, Labels, Parts};
use crate::blocks;
use crate::blocks::Pooling;
use crate::checkpoint::layout::{MODULES, SENTENCE_TRANSFORMERS};
use crate::checkpoint::{CONFIG, LoadError, SentenceKind};

/// From pooled states to scores.
pub fn build(parts: &Parts<'_>) -> Result<Head, LoadError> {
    let modules = parts.checkpoint.sentence().map_or(&[][..], |sentence| &sentence.modules);
    let Chain { pool, steps, width, output } = modules::read(parts, modules)?;
    if output != SCORES {
        let reason = format!("the last module gives {output:?}, not {SCORES:?}");
        return Err(parts.checkpoint.error(MODULES, reason));
    }
    // config.json is of the transformer: its labels may be of a head that is not there.
    let labels = parts.config.labels(width).unwrap_or_else(|_| super::placeholders(width));
    Ok(Head {
        block: blocks::Head { pooling: Pooling::Whole(pool), steps },
        labels: Labels::Named(labels),
        activation: activation(parts, width)?,
    })
}

/// What the file of the library's says, then config.json, in newer and in older words;
/// else the library's rule for its own, and transformers' for others.
pub fn activation(parts: &Parts<'_>, labels: usize) -> Result<OutputActivation, LoadError> {
    let sentence = parts.checkpoint.sentence();
    let own = sentence.filter(|sentence| sentence.kind == SentenceKind::CrossEncoder);
    let field = |name: &str| parts.config.rest.get(name);
    let newer = field("sentence_transformers").and_then(|own| own.get("activation_fn"));
    let older = field("sbert_ce_default_activation_function");
    let said = own.and_then(|sentence| sentence.activation.as_deref());
    let said = said.map(|class| (SENTENCE_TRANSFORMERS, class));
    let of_config = newer.or(older).and_then(Value::as_str).map(|class| (CONFIG, class));
    for (file, class) in said.into_iter().chain(of_config) {
        let named = named(class).map_err(|reason| parts.checkpoint.error(file, reason))?;
        match named {
            Some(activation) => return Ok(activation),
            None => warn!(
                file,
                class, "an activation outside of torch is not run: the usual one takes its place"
            ),
        }
    }
    Ok(match (own, labels) {
        (Some(_), 1) => OutputActivation::Sigmoid,
        (Some(_), _) => OutputActivation::None,
        (None, _) => OutputActivation::of(parts.config.problem_type.as_deref(), labels),
    })
}

/// By its class; none where it is not torch's own, which the library does not run
/// either.
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
    fn an_activation_is_torchs_or_is_named() {
        let path = |class: &str| named(&format!("torch.nn.modules.activation.{class}"));
        assert_eq!(path("Sigmoid"), Ok(Some(OutputActivation::Sigmoid)));
        assert_eq!(named("torch.nn.modules.linear.Identity"), Ok(Some(OutputActivation::None)));
        assert!(path("Tanh").unwrap_err().contains("Tanh"));
        assert_eq!(named("mine.Sigmoid"), Ok(None));
    }
}
