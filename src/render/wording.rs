//! What answers are called, in every form that people read. The text in it is
//! as it came: whoever writes it out makes it inert.

use crate::attribution::{Completeness, OptionValue, Sampling};
use crate::explanation::{
    Explained, Explanation, FoundAnswer, Predicted, Resolved, What, WindowPart,
};
use crate::passes::Usage;
use crate::rows::Output;
use crate::text::{Token, Unit};

/// Words that are quoted from either end of a part of a text.
const QUOTED: usize = 3;

/// What was explained.
pub fn target(target: &Resolved, tokens: &[Token]) -> String {
    let name = match &target.what {
        What::Class(class) => class.label.to_string(),
        What::Contrast(a, b) => format!("{} rather than {}", a.label, b.label),
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
    match (&explanation.target.what, explanation.output) {
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

/// What a sampling method's scores rest on.
pub fn sampling(sampling: Sampling) -> String {
    let samples = sampling.n_samples;
    let taken = match sampling.finished {
        true => format!("{samples} samples"),
        false => format!("stopped early, after {samples} samples"),
    };
    match sampling.fit {
        Some(fit) => format!("{taken}; fit of the linear model r2 {:.3}", fit.r2),
        None => taken,
    }
}

/// What a method took.
pub fn cost(usage: Usage) -> String {
    let rows = |count: usize, what: &str| match count {
        0 => None,
        1 => Some(format!("1 {what} row")),
        more => Some(format!("{more} {what} rows")),
    };
    let time = format!("{:.1} ms", usage.compute.as_secs_f64() * 1e3);
    let rows = [rows(usage.forward_rows, "forward"), rows(usage.gradient_rows, "gradient")];
    let parts: Vec<String> = rows.into_iter().flatten().chain([time]).collect();
    format!("took {}", parts.join(", "))
}

/// Where a part of a text lies, and how it begins and ends.
pub fn part(explained: &Explained, part: &WindowPart) -> String {
    let inside = |word: &&Unit| word.tokens.iter().any(|token| part.tokens.contains(token));
    let words: Vec<&Unit> = explained.words.iter().filter(inside).collect();
    let (start, end) = match words.as_slice() {
        [] => (0, 0),
        [first, .., last] => (first.start, last.end),
        [only] => (only.start, only.end),
    };
    format!("characters {start} to {end}, “{}”", excerpt(&words))
}

/// The words, or those at either end.
fn excerpt(words: &[&Unit]) -> String {
    match words.len() {
        few if few <= 2 * QUOTED => joined(words),
        many => {
            let (first, last) = (&words[..QUOTED], &words[many - QUOTED..]);
            format!("{} … {}", joined(first), joined(last))
        }
    }
}

/// Words as they stand in their text.
fn joined(words: &[&Unit]) -> String {
    let mut text = String::new();
    let mut end = words.first().map_or(0, |word| word.start);
    for word in words {
        if word.start > end {
            text.push(' ');
        }
        text.push_str(&word.text);
        end = word.end;
    }
    text
}

/// An answer's text, or that there is none.
pub fn found(answer: &FoundAnswer) -> &str {
    match answer.text.as_str() {
        "" => "no answer",
        text => text,
    }
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
        Predicted::Answer { answer, .. } => {
            format!("{}  {:.3}", self::found(answer), answer.probability)
        }
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
