//! The change of the score of the swapped words.

use std::sync::Arc;

use futures_util::future::try_join_all;
use serde_json::{Map, json};

use super::super::words::Edit;
use super::super::{Original, Predictor, Verdict};
use super::{STEPS, Swap};
use crate::attribution::{self, MaskValues, MethodEntry, Options, Subject};
use crate::error::{Error, Result};
use crate::rows::{Output, Scalar};
use crate::text::tokenizer::Truncate;
use crate::text::{Encoding, Input, Token};

/// The method whose scores are compared.
const METHOD: &str = "integrated_gradients";

/// Computes the attribution shift of each swap. Returns false if there is not enough time for all
/// of them.
pub async fn compute(
    predictor: &Predictor,
    original: &Original<'_>,
    swaps: &mut [Swap],
) -> Result<bool> {
    if swaps.is_empty() {
        return Ok(true);
    }
    let entry = attribution::find(METHOD)?;
    let fields = json!({ "n_steps": STEPS });
    let options = entry.options(&fields.as_object().cloned().unwrap_or_else(Map::new))?;
    let scorer = Scorer { predictor, entry, options, label: original.verdict.label };
    if !predictor.passes.have_time_for(STEPS as usize) {
        return Ok(false);
    }
    let before = scorer.scores(original.encoding, &original.verdict).await?;
    let encodings = encoded(predictor, original.input, swaps).await?;
    let rows = STEPS as usize * swaps.len();
    if !predictor.passes.have_time_for(rows) {
        return Ok(false);
    }
    let shift = async |(swap, encoding): (&Swap, &Option<Encoding>)| -> Result<Option<f64>> {
        let Some(encoding) = encoding else { return Ok(None) };
        let after = scorer.scores(encoding, &swap.verdict).await?;
        let old: Vec<(usize, usize)> =
            swap.edits.iter().map(|edit| (edit.start, edit.end)).collect();
        let new = score_within(&after, encoding, &replaced_spans(&swap.edits));
        Ok(Some(new - score_within(&before, original.encoding, &old)))
    };
    let all = try_join_all(swaps.iter().zip(&encodings).map(shift)).await?;
    swaps.iter_mut().zip(all).for_each(|(swap, shift)| swap.attribution_shift = shift);
    Ok(true)
}

/// Attributes the logit of one label to the tokens of texts.
struct Scorer<'a> {
    predictor: &'a Predictor,
    entry: &'static MethodEntry,
    options: Options,
    label: usize,
}

impl Scorer<'_> {
    /// `[tokens]`
    async fn scores(&self, encoding: &Encoding, verdict: &Verdict) -> Result<Vec<f64>> {
        let reads = [].into();
        let scalars = [Scalar::one(Output::Logit, self.label)];
        let values = [verdict.logits[self.label]];
        let subject = Subject {
            encoding,
            reads: &reads,
            scalars: &scalars,
            values: &values,
            mask_values: &MaskValues::default(),
            seed: 0,
        };
        let scored = (self.entry.run)(&self.predictor.passes, subject, &self.options).await?;
        let first = scored.into_iter().next();
        first.map(|one| one.scores).ok_or_else(|| Error::internal("a method gave no scores"))
    }
}

async fn encoded(
    predictor: &Predictor,
    input: &Input,
    swaps: &[Swap],
) -> Result<Vec<Option<Encoding>>> {
    let model = Arc::clone(predictor.model());
    let texts: Vec<String> = swaps.iter().map(|swap| swap.text.clone()).collect();
    let pair = input.text_pair.clone();
    let encode = move || {
        let encode = |text| {
            let input = Input { text, text_pair: pair.clone(), ..Input::default() };
            model.encode(&input, Truncate::Yes).ok()
        };
        texts.into_iter().map(encode).collect()
    };
    predictor.passes.compute(encode).await
}

/// Returns the spans of the replacements in the new text.
fn replaced_spans(edits: &[Edit]) -> Vec<(usize, usize)> {
    let mut shift = 0_isize;
    let span = |edit: &Edit| {
        let start = edit.start.saturating_add_signed(shift);
        let length = edit.to.chars().count();
        shift += length as isize - (edit.end - edit.start) as isize;
        (start, start + length)
    };
    edits.iter().map(span).collect()
}

/// Sums the scores of the tokens that overlap one of these spans of the first text.
fn score_within(scores: &[f64], encoding: &Encoding, spans: &[(usize, usize)]) -> f64 {
    let inside = |token: &Token| {
        // An insertion has an empty span in the old text, which no token belongs to.
        let overlaps =
            |&(start, end): &(usize, usize)| start < end && token.start < end && start < token.end;
        token.segment == 0 && !token.special && spans.iter().any(overlaps)
    };
    let own = encoding.tokens.iter().zip(scores).filter(|(token, _)| inside(token));
    own.map(|(_, score)| score).sum()
}
