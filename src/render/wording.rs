//! What answers are called, in every form that people read. The text in it is
//! as it came: whoever writes it out makes it inert.

use crate::attribution::{Completeness, OptionValue};
use crate::explanation::{Explanation, Predicted, Resolved, What};
use crate::model::Model;
use crate::rows::Output;
use crate::text::Token;

/// What was explained.
pub fn target(target: &Resolved, model: &Model, tokens: &[Token]) -> String {
    let name = match target.what {
        What::Class(index) => model.label(index),
        What::Contrast(a, b) => format!("{} rather than {}", model.label(a), model.label(b)),
        What::Border(border) => border.name().to_owned(),
        What::Cosine(0) => "the cosine, by the first text".to_owned(),
        What::Cosine(_) => "the cosine, by the second text".to_owned(),
    };
    match target.token {
        Some(token) => format!("{name} at {}", token_name(token, tokens)),
        None => name,
    }
}

/// What the explained number is.
pub fn output(explanation: &Explanation) -> &'static str {
    match (explanation.target.what, explanation.output) {
        (What::Cosine(_), _) => "cosine",
        (_, Output::Logit) => "logit",
        (_, Output::Probability) => "probability",
    }
}

/// A token by its place and its text.
pub fn token_name(place: usize, tokens: &[Token]) -> String {
    match tokens.get(place) {
        Some(token) => format!("token {place}, “{}”", token.text),
        None => format!("token {place}"),
    }
}

/// The options in force, or nothing where the method has none.
pub fn options(explanation: &Explanation) -> String {
    let value = |value: &OptionValue| match value {
        OptionValue::Name(name) => (*name).to_owned(),
        OptionValue::Integer(number) => number.to_string(),
        OptionValue::Number(number) => number.to_string(),
        OptionValue::Text(text) => format!("“{text}”"),
    };
    let list: Vec<String> =
        explanation.options.iter().map(|(name, v)| format!("{name} {}", value(v))).collect();
    list.join(", ")
}

/// How far the scores add up to what they explain.
pub fn completeness(completeness: Completeness) -> String {
    let verdict = if completeness.converged { "converged" } else { "not converged" };
    let steps = completeness.n_steps.map_or_else(String::new, |n| format!(" in {n} steps"));
    let delta = completeness.convergence_delta;
    format!("scores miss their sum by {delta:+.5}: {verdict}{steps}")
}

/// What the model says, in a line.
pub fn answer(predicted: &Predicted) -> String {
    match predicted {
        Predicted::Labels(predictions) => predictions
            .first()
            .map(|best| format!("{}  {:.3}", best.label, best.probability))
            .unwrap_or_default(),
        Predicted::Tokens { entities, .. } => {
            let names = entities.iter().map(|entity| format!("{} {}", entity.label, entity.text));
            names.collect::<Vec<_>>().join(", ")
        }
        Predicted::Answer { answer, .. } => format!("{}  {:.3}", answer.text, answer.probability),
        Predicted::Masks(masks) => {
            let best = masks.iter().filter_map(|mask| mask.predictions.first());
            best.map(|best| format!("{}  {:.3}", best.label, best.probability))
                .collect::<Vec<_>>()
                .join(", ")
        }
        Predicted::Similarity(similarity) => match &similarity.pair {
            Some(pair) => format!("cosine  {:+.3}", pair.cosine),
            None => format!("a vector of {} numbers", similarity.embedding.len()),
        },
    }
}
