//! Groups labelled tokens into entities, as in transformers' token-classification pipeline.

use super::{ModelOutput, highest};
use crate::explanation::{Aggregation, Entity};

/// The label of tokens outside of entities.
pub const OUTSIDE: &str = "O";

/// A token or a word with its label's index and score.
struct LabelledTokens {
    label: usize,
    score: f64,
    tokens: Vec<usize>,
}

/// Returns the entities of an input.
pub fn of(aggregation: Aggregation, outputs: &ModelOutput<'_>) -> Vec<Entity> {
    let parts: Vec<LabelledTokens> = match aggregation {
        Aggregation::None | Aggregation::Simple => {
            content(outputs).map(|t| single(outputs, t)).collect()
        }
        Aggregation::First | Aggregation::Average | Aggregation::Max => words(outputs)
            .into_iter()
            .map(|word| aggregate_word(aggregation, outputs, word))
            .collect(),
    };
    match aggregation {
        Aggregation::None => parts
            .into_iter()
            .map(|part| entity(outputs, outputs.model.label(part.label), &[part]))
            .filter(|entity| entity.label != OUTSIDE)
            .collect(),
        _ => grouped(outputs, parts),
    }
}

/// Returns the first token of each of the `count` most probable entities, in text order.
pub fn most_probable(outputs: &ModelOutput<'_>, count: usize) -> Vec<usize> {
    let mut entities = of(Aggregation::Simple, outputs);
    entities.sort_by(|a, b| b.probability.total_cmp(&a.probability));
    entities.truncate(count);
    let mut tokens: Vec<usize> =
        entities.iter().filter_map(|entity| entity.tokens.first().copied()).collect();
    tokens.sort_unstable();
    tokens
}

/// Returns the tokens of the text, without special tokens.
pub fn content(outputs: &ModelOutput<'_>) -> impl Iterator<Item = usize> {
    let tokens = outputs.encoding.tokens.iter().enumerate();
    tokens.filter(|(_, token)| !token.special).map(|(index, _)| index)
}

fn probabilities<'a>(outputs: &'a ModelOutput<'_>, token: usize) -> &'a [f64] {
    let width = outputs.model.outputs();
    &outputs.output.probabilities[token * width..][..width]
}

fn single(outputs: &ModelOutput<'_>, token: usize) -> LabelledTokens {
    let scores = probabilities(outputs, token);
    let label = highest(scores);
    LabelledTokens { label, score: scores[label], tokens: vec![token] }
}

/// Groups tokens into words.
fn words(outputs: &ModelOutput<'_>) -> Vec<Vec<usize>> {
    let mut words: Vec<Vec<usize>> = Vec::new();
    for token in content(outputs) {
        match words.last_mut() {
            Some(word) if outputs.encoding.tokens[token].continues => word.push(token),
            _ => words.push(vec![token]),
        }
    }
    words
}

fn aggregate_word(
    aggregation: Aggregation,
    outputs: &ModelOutput<'_>,
    tokens: Vec<usize>,
) -> LabelledTokens {
    let scores: Vec<f64> = match aggregation {
        Aggregation::Average => {
            let mut mean = vec![0.; outputs.model.outputs()];
            for &token in &tokens {
                mean.iter_mut().zip(probabilities(outputs, token)).for_each(|(m, p)| *m += p);
            }
            mean.iter().map(|sum| sum / tokens.len() as f64).collect()
        }
        Aggregation::Max => {
            let max =
                |&token: &usize| probabilities(outputs, token).iter().copied().fold(0., f64::max);
            let best = highest(&tokens.iter().map(max).collect::<Vec<_>>());
            probabilities(outputs, tokens[best]).to_vec()
        }
        _ => probabilities(outputs, tokens[0]).to_vec(),
    };
    let label = highest(&scores);
    LabelledTokens { label, score: scores[label], tokens }
}

/// Groups neighbours with the same tag, unless the label starts a new group.
fn grouped(outputs: &ModelOutput<'_>, parts: Vec<LabelledTokens>) -> Vec<Entity> {
    let mut groups: Vec<(String, Vec<LabelledTokens>)> = Vec::new();
    for part in parts {
        let label = outputs.model.label(part.label);
        let segment = |part: &LabelledTokens| outputs.encoding.tokens[part.tokens[0]].segment;
        match groups.last_mut() {
            Some((last, group))
                if tag(last) == tag(&label)
                    && !label.starts_with("B-")
                    && segment(&group[0]) == segment(&part) =>
            {
                group.push(part);
            }
            _ => groups.push((label, vec![part])),
        }
    }
    let named = groups.into_iter().map(|(first, group)| (name(&first).to_owned(), group));
    let named = named.filter(|(name, _)| name != OUTSIDE);
    named.map(|(name, group)| entity(outputs, name, &group)).collect()
}

/// Returns the tag that neighbours must share: `PER` for `B-PER` and `I-PER`, else the label
/// itself. So a group never mixes `E-PER` and `I-PER`, though both are named `PER`.
fn tag(label: &str) -> &str {
    label.strip_prefix("B-").or_else(|| label.strip_prefix("I-")).unwrap_or(label)
}

/// Returns the name of a group from its first label: the part after the first hyphen, for any
/// tagging scheme (BIO, BIOES, BILOU).
fn name(label: &str) -> &str {
    label.split_once('-').map_or(label, |(_, name)| name)
}

fn entity(outputs: &ModelOutput<'_>, label: String, parts: &[LabelledTokens]) -> Entity {
    let tokens: Vec<usize> = parts.iter().flat_map(|part| part.tokens.iter().copied()).collect();
    let token = |index: Option<&usize>| index.map(|&token| &outputs.encoding.tokens[token]);
    let (first, last) = (token(tokens.first()), token(tokens.last()));
    let (start, end) = (first.map_or(0, |t| t.start), last.map_or(0, |t| t.end));
    let segment = first.map_or(0, |token| token.segment);
    let probability = parts.iter().map(|part| part.score).sum::<f64>() / parts.len() as f64;
    let text = outputs.encoding.slice(segment, start, end);
    Entity { label, probability, text, start, end, tokens, segment }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_drop_any_prefix_and_tags_only_b_and_i() {
        for (label, expected) in [
            ("B-PER", ("PER", "PER")),
            ("I-PER", ("PER", "PER")),
            ("E-PER", ("E-PER", "PER")),
            ("S-street-name", ("S-street-name", "street-name")),
            ("B-street-name", ("street-name", "street-name")),
            ("PER", ("PER", "PER")),
            ("O", ("O", "O")),
        ] {
            assert_eq!((tag(label), name(label)), expected, "{label}");
        }
    }
}
