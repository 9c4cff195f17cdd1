//! The sentences in English.

use super::super::wording;
use super::{Gist, Strongest, probability};
use crate::explanation::{Entity, FoundAnswer, MaskPrediction, Predicted, Prediction, Similarity};

/// Maximum number of entities that are listed.
const LISTED: usize = 3;

pub fn sentences(gist: &Gist<'_>) -> String {
    let mut text = prediction(gist);
    if let Some(strongest) = &gist.strongest {
        text.push(' ');
        text.push_str(&words(strongest, &wording::target(strongest.target, gist.tokens)));
    }
    if gist.inexact {
        text.push_str(" These scores are not exact.");
    }
    if gist.has_warnings {
        text.push_str(" Read this with caution: there are warnings.");
    }
    text
}

fn prediction(gist: &Gist<'_>) -> String {
    match gist.predicted {
        Predicted::Labels(list) => labels(list.first(), gist.has_probability),
        Predicted::Tokens { entities, .. } => found(entities),
        Predicted::Answer { answer, .. } => answered(answer),
        Predicted::Masks(masks) => filled(masks),
        Predicted::Similarity(similarity) => cosine(similarity),
    }
}

fn labels(best: Option<&Prediction>, has_probability: bool) -> String {
    match best {
        Some(Prediction { label, probability: value, .. }) if has_probability => {
            format!("The model predicts {label} with probability {}.", probability(*value))
        }
        Some(Prediction { label, logit, .. }) => {
            format!("The highest output of the model is {label}, {logit:.3}.")
        }
        None => "The model predicts nothing.".to_owned(),
    }
}

fn found(entities: &[Entity]) -> String {
    let name = |entity: &Entity| format!("{} ({})", quoted(&entity.text), entity.label);
    let names: Vec<String> = entities.iter().take(LISTED).map(name).collect();
    match entities.len() {
        0 => "The model finds no entities.".to_owned(),
        1 => format!("The model finds one entity: {}.", names.join(", ")),
        count if count > LISTED => {
            format!("The model finds {count} entities, among them {}.", list(&names))
        }
        count => format!("The model finds {count} entities: {}.", list(&names)),
    }
}

fn answered(answer: &FoundAnswer) -> String {
    let value = probability(answer.probability);
    match answer.text.as_str() {
        "" => format!("The model finds no answer, with probability {value}."),
        text => format!("The model answers {} with probability {value}.", quoted(text)),
    }
}

fn filled(masks: &[MaskPrediction]) -> String {
    let best = |mask: &MaskPrediction| {
        let best = mask.predictions.first()?;
        let text = best.decoded.as_deref().unwrap_or(&best.label);
        Some(format!("{} ({})", quoted(text), probability(best.probability)))
    };
    let best: Vec<String> = masks.iter().filter_map(best).collect();
    match best.as_slice() {
        [] => "The text has no mask to fill.".to_owned(),
        [one] => format!("The model fills the mask with {one}."),
        several => format!("The model fills the masks with {}.", list(several)),
    }
}

fn cosine(similarity: &Similarity) -> String {
    match &similarity.pair {
        Some(pair) => format!("The cosine of the two texts is {:.3}.", pair.cosine),
        None => {
            format!("The text is embedded as a vector of {} numbers.", similarity.embedding.len())
        }
    }
}

fn words(strongest: &Strongest<'_>, target: &str) -> String {
    let quote = |words: &[String]| list(&words.iter().map(|word| quoted(word)).collect::<Vec<_>>());
    let (supporting, opposing) = (quote(&strongest.supporting), quote(&strongest.opposing));
    let speak = |words: &[String]| if words.len() == 1 { "speaks" } else { "speak" };
    let (one, other) = (speak(&strongest.supporting), speak(&strongest.opposing));
    let method = strongest.method;
    match (strongest.signed, supporting.as_str(), opposing.as_str()) {
        (false, _, _) => {
            format!("The highest scores of {method} for {target} are of {supporting}.")
        }
        (true, _, "") => format!("By {method}, {supporting} {one} most for {target}."),
        (true, "", _) => format!("By {method}, {opposing} {other} most against {target}."),
        (true, _, _) => {
            format!("By {method}, {supporting} {one} most for {target}, and {opposing} against it.")
        }
    }
}

fn quoted(text: &str) -> String {
    format!("“{text}”")
}

/// `a`, `a and b`, `a, b and c`.
fn list(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}
