//! Two texts that an encoder embeds separately. The explained scalar is the cosine of the two
//! embeddings, as a function of one text and then of the other.

use std::sync::Arc;

use futures_util::future::try_join5;

use super::events::Follow;
use super::steps::{ExplanationParts, ScoredMethod, assemble, attributions};
use crate::attention::{self, ResolvedSelection};
use crate::attribution::{Attribution, MaskValues, Subject};
use crate::error::{Error, Result};
use crate::explanation::{Explained, Predicted, Question, Resolved};
use crate::inside;
use crate::passes::Passes;
use crate::rows::{Maps, Row, RowOutput, Want};
use crate::tasks::{ModelOutput, embedding};
use crate::text::{Encoding, Unit};

/// Explains the similarity of `text` and `pair`. Attention is that of `text`.
pub async fn explain(
    question: &Question,
    passes: &Passes,
    attention_selection: Option<&ResolvedSelection>,
    text: Encoding,
    pair: Encoding,
) -> Result<Explained> {
    let no_reads: Arc<[usize]> = [].into();
    let row = |encoding: &Encoding, maps: Maps| Row {
        maps,
        want: Want::States,
        ..Row::forward(Arc::clone(&encoding.ids), Arc::clone(&no_reads))
    };
    let maps = attention_selection.map(ResolvedSelection::first_pass_maps).unwrap_or_default();
    let outputs = passes.run(vec![row(&text, maps), row(&pair, Maps::default())]).await?;
    let [mut of_text, of_pair]: [_; 2] =
        outputs.try_into().map_err(|_| Error::internal("two rows did not return two outputs"))?;
    let maps = std::mem::take(&mut of_text.attention);
    let similarity = embedding::similarity(&question.model, &of_text, &of_pair);
    let value: Vec<f64> = similarity.pair.iter().map(|pair| pair.cosine).collect();
    let sides = [Side::new(&text, &of_pair, 0), Side::new(&pair, &of_text, 1)];
    let of_side = async |side: &Side<'_>| {
        let subject = side.subject(question, &no_reads, &value);
        let target = std::slice::from_ref(&side.target);
        let scored = attributions(question, passes, subject, target, &Follow::default()).await?;
        let other = if side.segment == 0 { &pair } else { &text };
        Ok(scored.into_iter().map(|one| pad(one, other, side.segment)).collect::<Vec<_>>())
    };
    let of_text = sides[0].subject(question, &no_reads, &value);
    let output = &RowOutput::default();
    let read = ModelOutput { model: &question.model, encoding: &text, reads: &no_reads, output };
    // Concurrently, so that one text's methods do not use up the other's time.
    let (mut scored, of_pair, attention, inside, concepts) = try_join5(
        of_side(&sides[0]),
        of_side(&sides[1]),
        attention::answer(attention_selection, passes, of_text, Some(&sides[0].target), maps),
        inside::look(question, passes, of_text, Some(&sides[0].target), &read),
        inside::locate(question, passes, of_text, Some(&sides[0].target)),
    )
    .await?;
    scored.iter_mut().zip(of_pair).for_each(|(all, second)| {
        all.attributions.extend(second.attributions);
        all.usage.add(second.usage);
    });
    let targets = sides.map(|side| side.target).into();
    let predicted = Predicted::Similarity(similarity);
    let values = value.repeat(2);
    let inside = inside.map(|mut inside| {
        inside.pad(pair.tokens.len(), pair.words.len());
        inside
    });
    let evaluation = None;
    let parts = ExplanationParts {
        predicted,
        scored,
        targets,
        values,
        attention,
        inside,
        concepts,
        evaluation,
    };
    Ok(assemble(question, joined(text, pair), parts))
}

/// One text, and the cosine as a function of it.
struct Side<'a> {
    encoding: &'a Encoding,
    target: Resolved,
    segment: usize,
    mask_values: MaskValues,
}

impl<'a> Side<'a> {
    fn new(encoding: &'a Encoding, other: &RowOutput, segment: usize) -> Self {
        let (target, mask_values) = (embedding::cosine_with(other, segment), MaskValues::default());
        Self { encoding, target, segment, mask_values }
    }

    fn subject<'s>(
        &'s self,
        question: &Question,
        reads: &'s Arc<[usize]>,
        values: &'s [f64],
    ) -> Subject<'s> {
        let scalars = std::slice::from_ref(&self.target.scalar);
        let (encoding, mask_values) = (self.encoding, &self.mask_values);
        Subject { encoding, reads, scalars, values, mask_values, seed: question.seed }
    }
}

/// Pads the scores of one text with zeros for the tokens of the other.
fn pad(mut scored: ScoredMethod, other: &Encoding, segment: usize) -> ScoredMethod {
    let pad_scores = |Attribution { scores, deviations, .. }: &mut Attribution| {
        for list in std::iter::once(scores).chain(deviations) {
            let position = if segment == 0 { list.len() } else { 0 };
            list.splice(position..position, std::iter::repeat_n(0., other.tokens.len()));
        }
    };
    scored.attributions.iter_mut().for_each(pad_scores);
    if segment == 1 {
        let interactions = scored.attributions.iter_mut().filter_map(|one| one.interactions.as_mut());
        interactions.for_each(|all| shift_units(all, other));
    }
    scored
}

/// Counts the units from the start of both texts.
fn shift_units(interactions: &mut Interactions, first: &Encoding) {
    let before = match interactions.unit {
        UnitKind::Token => first.tokens.len(),
        UnitKind::Word => first.words.len(),
        UnitKind::Sentence => first.sentences.len(),
        UnitKind::Span => first.spans.len(),
    };
    let units = interactions.pairs.iter_mut().flat_map(|pair| &mut pair.units);
    units.for_each(|unit| *unit += before);
}

/// Joins two encodings into one, with the tokens and units of the second text at the end.
fn joined(mut text: Encoding, mut pair: Encoding) -> Encoding {
    let (tokens, words) = (text.tokens.len(), text.words.len());
    for token in &mut pair.tokens {
        token.segment = 1;
        token.word = token.word.map(|word| word + words);
    }
    let shift = |unit: &mut Unit| {
        unit.segment = 1;
        unit.tokens.iter_mut().for_each(|token| *token += tokens);
    };
    pair.words.iter_mut().chain(&mut pair.sentences).for_each(shift);
    text.tokens.append(&mut pair.tokens);
    text.words.append(&mut pair.words);
    text.sentences.append(&mut pair.sentences);
    text.texts = text.texts.iter().chain(pair.texts.iter()).cloned().collect();
    text.truncated |= pair.truncated;
    text
}
