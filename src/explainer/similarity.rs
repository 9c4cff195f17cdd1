//! Two texts that an encoder embeds separately. The explained scalar is the cosine of the two
//! embeddings, as a function of one text and then of the other.

use std::sync::Arc;

use futures_util::future::{try_join, try_join_all, try_join4};

use super::events::Follow;
use super::steps::{self, ExplanationParts, ScoredMethod, assemble};
use crate::attention::{self, ResolvedSelection};
use crate::attribution::{
    Attribution, Interactions, MaskValues, Pairs, PairsOf, Subject, UnitKind,
};
use crate::error::{Error, Result};
use crate::explanation::{Explained, Predicted, Question, Resolved};
use crate::inside::{self, Part};
use crate::passes::{Passes, Usage};
use crate::rows::{Maps, Row, RowOutput, Want};
use crate::tasks::embedding;
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
    let methods = (0..question.methods.len()).map(async |index| {
        let subjects = [0, 1].map(|text: usize| sides[text].subject(question, &no_reads, &value));
        let scored = method(question, passes, subjects, &sides, index).await?;
        Ok::<_, Error>(merged(scored, [&text, &pair]))
    });
    let of_text = sides[0].subject(question, &no_reads, &value);
    let parts = [Part::whole(passes, of_text)];
    let rows = [row(&text, Maps::default()), row(&pair, Maps::default())];
    let lens = inside::similarity(passes, rows);
    let (scored, attention, inside, concepts) = try_join4(
        try_join_all(methods),
        attention::answer(attention_selection, passes, of_text, Some(&sides[0].target), maps),
        inside::look(question, Some(&sides[0].target), &text, &parts, lens),
        inside::locate(question, Some(&sides[0].target), &parts),
    )
    .await?;
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
    mask_values: MaskValues,
}

impl<'a> Side<'a> {
    fn new(encoding: &'a Encoding, other: &RowOutput, segment: usize) -> Self {
        let (target, mask_values) = (embedding::cosine_with(other, segment), MaskValues::default());
        Self { encoding, target, mask_values }
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

/// Runs a method on both texts. Concurrently, so that one text does not use up the other's time.
async fn method(
    question: &Question,
    passes: &Passes,
    subjects: [Subject<'_>; 2],
    sides: &[Side<'_>; 2],
    index: usize,
) -> Result<[ScoredMethod; 2]> {
    let (entry, options) = &question.methods[index];
    if let PairsOf::TwoTexts(run) = entry.pairs {
        let passes = passes.clone().with_account();
        let found = run(&passes, subjects, options).await;
        let [first, second] = found.map_err(|error| steps::of_method(error, index))?;
        let scored = |attributions, usage| ScoredMethod { attributions, usage };
        // Both texts share the rows.
        return Ok([scored(first, passes.usage()), scored(second, Usage::default())]);
    }
    let follow = Follow::default();
    let of_text = |text: usize| {
        let target = std::slice::from_ref(&sides[text].target);
        steps::one(question, passes, subjects[text], target, &follow, index)
    };
    let (first, second) = try_join(of_text(0), of_text(1)).await?;
    Ok([first, second])
}

/// Returns a method's scores of both texts over the tokens of both.
fn merged(
    [mut first, mut second]: [ScoredMethod; 2],
    [text, pair]: [&Encoding; 2],
) -> ScoredMethod {
    for attribution in &mut first.attributions {
        pad(attribution, |list| list.len(), pair.tokens.len());
    }
    for attribution in &mut second.attributions {
        pad(attribution, |_| 0, text.tokens.len());
    }
    let all = first.attributions.iter_mut().zip([0]).chain(second.attributions.iter_mut().zip([1]));
    for (attribution, segment) in all {
        attribution.interactions.iter_mut().for_each(|found| shift(found, segment, text));
    }
    first.attributions.extend(second.attributions);
    first.usage.add(second.usage);
    first
}

/// Inserts zeros for `count` tokens of the other text.
fn pad(of: &mut Attribution, position: impl Fn(&[f64]) -> usize, count: usize) {
    for list in std::iter::once(&mut of.scores).chain(&mut of.deviations) {
        let position = position(list);
        list.splice(position..position, std::iter::repeat_n(0., count));
    }
}

/// Counts the units of the second text from the start of both.
fn shift(interactions: &mut Interactions, segment: usize, first: &Encoding) {
    let before = match interactions.unit {
        UnitKind::Token => first.tokens.len(),
        UnitKind::Word => first.words.len(),
        UnitKind::Sentence => first.sentences.len(),
        UnitKind::Span => first.spans.len(),
    };
    let units: &mut dyn Iterator<Item = &mut usize> = match &mut interactions.pairs {
        Pairs::Ranked(_) if segment == 0 => return,
        Pairs::Ranked(pairs) => &mut pairs.iter_mut().flat_map(|pair| &mut pair.units),
        Pairs::Between { units: [_, second], .. } => &mut second.iter_mut(),
    };
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
