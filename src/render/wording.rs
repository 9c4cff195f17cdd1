//! Descriptions shared by the page, picture and terminal formats. Text from the input is not
//! sanitized here: the formats call `clean` on their output.

use crate::attribution::{Completeness, OptionValue};
use crate::choice::Choice;
use crate::explanation::{
    Explained, Explanation, FoundAnswer, Predicted, Resolved, ScalarName, WindowPart,
};
use crate::passes::Usage;
use crate::rows::{Output, norm};
use crate::text::{Token, Unit};

pub const TRUNCATED: &str = "The text was truncated to the model's maximum length.";
/// Words that are quoted from each end of a window.
const QUOTED: usize = 3;

pub fn target(target: &Resolved, tokens: &[Token]) -> String {
    let name = match &target.what {
        ScalarName::Class(class) => class.label.to_string(),
        ScalarName::Contrast(a, b) => format!("{} rather than {}", a.label, b.label),
        ScalarName::SpanBoundary(boundary) => boundary.name().to_owned(),
        ScalarName::Cosine(0) => "the cosine, as a function of the first text".to_owned(),
        ScalarName::Cosine(_) => "the cosine, as a function of the second text".to_owned(),
    };
    match target.token {
        Some(token) => format!("{name} at {}", token_name(token, tokens)),
        None => name,
    }
}

/// Returns the kind of the explained scalar.
pub fn output(explanation: &Explanation) -> &'static str {
    match (&explanation.target.what, explanation.output) {
        (ScalarName::Cosine(_), _) => "cosine",
        (_, Output::Logit) => "logit",
        (_, Output::Probability) => "probability",
    }
}

/// Describes a token by its index and its text.
pub fn token_name(index: usize, tokens: &[Token]) -> String {
    match tokens.get(index) {
        Some(token) => format!("token {index}, “{}”", token.text),
        None => format!("token {index}"),
    }
}

/// Lists the effective options; empty if the method has none.
pub fn options(explanation: &Explanation) -> String {
    let value = |value: &OptionValue| match value {
        OptionValue::Name(name) => (*name).to_owned(),
        OptionValue::Integer(number) => number.to_string(),
        OptionValue::Number(number) => number.to_string(),
        OptionValue::Boolean(value) => value.to_string(),
        OptionValue::Text(text) => format!("“{text}”"),
    };
    let list: Vec<String> =
        explanation.options.iter().map(|(name, v)| format!("{name} {}", value(v))).collect();
    list.join(", ")
}

/// Reports how sure the scores are: the convergence delta (the sum of the scores minus the expected
/// sum), and the standard errors of a sampling method with the fit of its linear model.
pub fn certainty(explanation: &Explanation) -> Vec<String> {
    let completeness = explanation.completeness;
    let delta = completeness.map(|sum| match explanation.sampling {
        Some(_) => format!("convergence delta {:+.5}", sum.convergence_delta),
        None => converged_delta(sum),
    });
    delta.into_iter().chain(sampling(explanation)).collect()
}

fn converged_delta(completeness: Completeness) -> String {
    let steps = completeness.n_steps.map_or_else(String::new, |n| format!(" in {n} steps"));
    let (delta, verdict) = (completeness.convergence_delta, verdict(completeness.converged));
    format!("convergence delta {delta:+.5}: {verdict}{steps}")
}

fn verdict(converged: bool) -> &'static str {
    if converged { "converged" } else { "not converged" }
}

fn sampling(explanation: &Explanation) -> Option<String> {
    let sampling = explanation.sampling?;
    let samples = sampling.n_samples;
    let mut text = match sampling.finished {
        true => format!("{samples} samples"),
        false => format!("stopped early after {samples} samples"),
    };
    let scores = explanation.scores.first();
    let errors = explanation.standard_error.as_ref().and_then(|errors| errors.first());
    if let (Some((_, scores)), Some((_, errors))) = (scores, errors) {
        let share = 100. * norm(errors) / norm(scores).max(f64::MIN_POSITIVE);
        let verdict = verdict(sampling.converged);
        text.push_str(&format!("; standard error {share:.1} % of the scores: {verdict}"));
    }
    if let Some(fit) = sampling.fit {
        text.push_str(&format!("; R² of the linear model {:.3}", fit.r2));
    }
    Some(text)
}

/// Reports the rows and the compute time of a method.
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

/// Describes a window by its characters and the words at its ends.
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

/// Quotes the words, or those at each end if there are many.
fn excerpt(words: &[&Unit]) -> String {
    match words.len() {
        few if few <= 2 * QUOTED => join(words),
        many => {
            let (first, last) = (&words[..QUOTED], &words[many - QUOTED..]);
            format!("{} … {}", join(first), join(last))
        }
    }
}

/// The texts of an input, as far as they consist of words; ` / ` separates the two of a pair.
pub fn text(words: &[Unit]) -> String {
    let texts = words.chunk_by(|a, b| a.segment == b.segment);
    let joined = texts.map(|words| join(&words.iter().collect::<Vec<_>>()));
    joined.collect::<Vec<_>>().join(" / ")
}

/// Joins words with the spacing of their text.
fn join(words: &[&Unit]) -> String {
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

/// Returns the text of an answer, or "no answer".
pub fn answer_text(answer: &FoundAnswer) -> &str {
    match answer.text.as_str() {
        "" => "no answer",
        text => text,
    }
}

/// Summarizes the prediction.
pub fn prediction(predicted: &Predicted) -> String {
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
            format!("{}  {:.3}", answer_text(answer), answer.probability)
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
