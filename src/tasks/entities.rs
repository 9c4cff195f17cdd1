//! Tokens with labels put together into entities, by the rules of transformers'
//! token-classification pipeline.

use super::tokens::OUTSIDE;
use super::{Read, highest};
use crate::explanation::{Aggregation, Entity};

/// A token or a word, its label's index and score, and the tokens in it.
struct Part {
    label: usize,
    score: f64,
    tokens: Vec<usize>,
}

/// The entities of an input.
pub fn of(aggregation: Aggregation, read: &Read<'_>) -> Vec<Entity> {
    let parts: Vec<Part> = match aggregation {
        Aggregation::None | Aggregation::Simple => content(read).map(|t| lone(read, t)).collect(),
        Aggregation::First | Aggregation::Average | Aggregation::Max => {
            words(read).into_iter().map(|word| of_word(aggregation, read, word)).collect()
        }
    };
    match aggregation {
        Aggregation::None => parts
            .into_iter()
            .map(|part| entity(read, read.model.label(part.label), &[part]))
            .filter(|entity| entity.label != OUTSIDE)
            .collect(),
        _ => grouped(read, parts),
    }
}

/// The first token of each of the `count` surest entities, in the order of the
/// text.
pub fn surest(read: &Read<'_>, count: usize) -> Vec<usize> {
    let mut entities = of(Aggregation::Simple, read);
    entities.sort_by(|a, b| b.probability.total_cmp(&a.probability));
    entities.truncate(count);
    let mut tokens: Vec<usize> =
        entities.iter().filter_map(|entity| entity.tokens.first().copied()).collect();
    tokens.sort_unstable();
    tokens
}

/// The tokens that the text is made of.
pub fn content(read: &Read<'_>) -> impl Iterator<Item = usize> {
    let tokens = read.encoding.tokens.iter().enumerate();
    tokens.filter(|(_, token)| !token.special).map(|(place, _)| place)
}

fn probabilities<'a>(read: &'a Read<'_>, token: usize) -> &'a [f64] {
    let width = read.model.outputs();
    &read.output.probabilities[token * width..][..width]
}

fn lone(read: &Read<'_>, token: usize) -> Part {
    let scores = probabilities(read, token);
    let label = highest(scores);
    Part { label, score: scores[label], tokens: vec![token] }
}

/// Tokens that begin a word with those that go on with it.
fn words(read: &Read<'_>) -> Vec<Vec<usize>> {
    let mut words: Vec<Vec<usize>> = Vec::new();
    for token in content(read) {
        match words.last_mut() {
            Some(word) if read.encoding.tokens[token].continues => word.push(token),
            _ => words.push(vec![token]),
        }
    }
    words
}

fn of_word(aggregation: Aggregation, read: &Read<'_>, tokens: Vec<usize>) -> Part {
    let scores: Vec<f64> = match aggregation {
        Aggregation::Average => {
            let mut mean = vec![0.; read.model.outputs()];
            for &token in &tokens {
                mean.iter_mut().zip(probabilities(read, token)).for_each(|(m, p)| *m += p);
            }
            mean.iter().map(|sum| sum / tokens.len() as f64).collect()
        }
        Aggregation::Max => {
            let surest =
                |&token: &usize| probabilities(read, token).iter().copied().fold(0., f64::max);
            let best = highest(&tokens.iter().map(surest).collect::<Vec<_>>());
            probabilities(read, tokens[best]).to_vec()
        }
        _ => probabilities(read, tokens[0]).to_vec(),
    };
    let label = highest(&scores);
    Part { label, score: scores[label], tokens }
}

/// Neighbours with one tag, unless the next begins a new group.
fn grouped(read: &Read<'_>, parts: Vec<Part>) -> Vec<Entity> {
    let mut groups: Vec<(String, Vec<Part>)> = Vec::new();
    for part in parts {
        let label = read.model.label(part.label);
        let segment = |part: &Part| read.encoding.tokens[part.tokens[0]].segment;
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
    named.map(|(name, group)| entity(read, name, &group)).collect()
}

/// What neighbours must have in common: `B-PER` and `I-PER` are both `PER`, any other label
/// is its own tag. So a group never mixes `E-PER` with `I-PER`, though both are named `PER`.
fn tag(label: &str) -> &str {
    label.strip_prefix("B-").or_else(|| label.strip_prefix("I-")).unwrap_or(label)
}

/// What a group is called by the label of its first part: all after the first hyphen,
/// whichever scheme the prefix is of (BIO, BIOES, BILOU).
fn name(label: &str) -> &str {
    label.split_once('-').map_or(label, |(_, name)| name)
}

fn entity(read: &Read<'_>, label: String, parts: &[Part]) -> Entity {
    let tokens: Vec<usize> = parts.iter().flat_map(|part| part.tokens.iter().copied()).collect();
    let of = |place: Option<&usize>| place.map(|&token| &read.encoding.tokens[token]);
    let (first, last) = (of(tokens.first()), of(tokens.last()));
    let (start, end) = (first.map_or(0, |t| t.start), last.map_or(0, |t| t.end));
    let segment = first.map_or(0, |token| token.segment);
    let probability = parts.iter().map(|part| part.score).sum::<f64>() / parts.len() as f64;
    let text = read.encoding.slice(segment, start, end);
    Entity { label, probability, text, start, end, tokens, segment }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_of_every_scheme_are_cut_off_names_and_two_of_them_off_tags() {
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
