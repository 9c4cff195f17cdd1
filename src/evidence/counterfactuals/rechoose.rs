//! Chooses the words of a set of changes again, by the gradient at the changed text.
//!
//! The gradient at the input ranks replacements badly where the model is sure: it does not see
//! what a change leaves to be done. HotFlip is therefore repeated at the changed text.

use super::super::step::{Step, Stop};
use super::super::{Original, Predictor};
use super::candidates::{self, Reach, Source};
use super::trials::{Changes, Trials};
use crate::text::{Encoding, Unit};

/// Returns `changes` with one replacement exchanged for another, in all promising ways. The
/// gradient is averaged over the path from masks in place of the replacements.
pub async fn neighbours(
    predictor: &Predictor,
    original: &Original<'_>,
    trials: &Trials<'_>,
    changes: &Changes,
) -> Step<Vec<Changes>> {
    let encoding = predictor.encode(original.input, trials.text(changes)).await?;
    let Some(encoding) = encoding else { return Ok(Ok(Vec::new())) };
    let (places, units): (Vec<usize>, Vec<Unit>) =
        replaced(trials, changes, &encoding).into_iter().unzip();
    if units.is_empty() {
        return Ok(Ok(Vec::new()));
    }
    let mut masked = vec![false; encoding.tokens.len()];
    units.iter().flat_map(|unit| &unit.tokens).for_each(|&token| masked[token] = true);
    let (towards, from) = trials.labels();
    let gradient = predictor.gradients(&encoding, &masked, towards, from).await?;
    let Some(gradient) = gradient else { return Ok(Err(Stop::Time)) };
    let source = Source::Table(Reach::Everything);
    let all = candidates::replacements(predictor, &encoding, units, gradient.into(), source);
    let exchanged = |one: candidates::Replacement| {
        let mut other = changes.clone();
        let (word, to) = &mut other[places[one.word]];
        let is_own = one.to.to_lowercase() == trials.words[*word].text.to_lowercase();
        *to = Some(one.to.into());
        (!is_own).then_some(other)
    };
    Ok(Ok(all.await?.into_iter().filter_map(exchanged).collect()))
}

/// Returns the index in `changes` of each replacement, and the replacement as a word of the changed
/// text, which `encoding` is of. Replacements that were cut off are omitted.
fn replaced(trials: &Trials<'_>, changes: &Changes, encoding: &Encoding) -> Vec<(usize, Unit)> {
    let mut shift = 0;
    let mut found = Vec::new();
    for (place, (edit, (_, to))) in trials.edits(changes).into_iter().zip(changes).enumerate() {
        let start = edit.start.saturating_add_signed(shift);
        let length = edit.to.chars().count();
        shift += length as isize - (edit.end - edit.start) as isize;
        let is_inside = |&token: &usize| {
            let own = &encoding.tokens[token];
            let inside = start <= own.start && own.end <= start + length;
            encoding.is_content(token) && own.segment == 0 && inside
        };
        let tokens: Vec<usize> = (0..encoding.tokens.len()).filter(is_inside).collect();
        if to.is_some() && !tokens.is_empty() {
            let end = start + length;
            found.push((place, Unit { text: edit.to, start, end, tokens, segment: 0 }));
        }
    }
    found
}
