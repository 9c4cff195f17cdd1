//! Replaces words by ones that a masked language model proposes.

use std::sync::Arc;

use super::Predictor;
use super::words::{self, Change};
use crate::error::{Code, Error, Result};
use crate::heads::Task;
use crate::model::Model;
use crate::random::Generator;
use crate::rows::{Row, Tokens};
use crate::text::tokenizer::Truncate;
use crate::text::{Input, Unit};

/// The number of most likely pieces to sample from at a mask.
const TOP_K: usize = 100;

/// Rows per batch. Small, because each returns a probability per piece of the vocabulary and mask.
const BATCH: usize = 8;

/// Returns an error at `pointer` unless `model` is a masked language model.
pub fn check(model: &Model, pointer: &str) -> Result<()> {
    if model.task == Task::FillMask && model.text.mask().is_ok() {
        return Ok(());
    }
    let detail =
        format!("{} is a {} model, not a masked language model", model.id, model.task.name());
    Err(Error::new(Code::MethodNotSupported, detail).at(pointer))
}

/// A candidate for a mask.
#[derive(Debug, Clone, PartialEq)]
pub struct Filling {
    pub text: String,
    pub probability: f64,
}

/// For each set of `absent` words, returns the text of `input` with these words replaced by ones
/// sampled from `filler`. Each word is one mask; masks are filled independently. Runs one forward
/// row of `filler` per text. `None` if time runs out.
pub async fn draw(
    predictor: &Predictor,
    filler: &Arc<Model>,
    input: &Input,
    absent: &[Vec<&Unit>],
    generator: &mut Generator,
) -> Result<Option<Vec<String>>> {
    let Some(fillings) = top_k(predictor, filler, input, absent).await? else { return Ok(None) };
    let text = |(absent, masks): (&Vec<&Unit>, &Vec<Vec<Filling>>)| {
        // A text that could not be encoded has no fillings; its words stay as they are.
        let drawn: Vec<&str> = masks.iter().map(|mask| drawn(mask, generator)).collect();
        let changes: Vec<Change<'_>> =
            absent.iter().zip(drawn).map(|(word, text)| (*word, Some(text))).collect();
        words::edited(&input.text, &words::edits(&input.text, &changes))
    };
    Ok(Some(absent.iter().zip(&fillings).map(text).collect()))
}

fn drawn<'a>(mask: &'a [Filling], generator: &mut Generator) -> &'a str {
    let total: f64 = mask.iter().map(|filling| filling.probability).sum();
    let mut remaining = generator.uniform() * total;
    let is_drawn = |filling: &&Filling| {
        remaining -= filling.probability;
        remaining <= 0.
    };
    mask.iter().find(is_drawn).or(mask.last()).map_or("", |filling| &filling.text)
}

/// For each set of `absent` words, masks them and returns the candidates for each mask, most
/// likely first: `[texts][masks][fillings]`. `None` if time runs out.
pub async fn top_k(
    predictor: &Predictor,
    filler: &Arc<Model>,
    input: &Input,
    absent: &[Vec<&Unit>],
) -> Result<Option<Vec<Vec<Vec<Filling>>>>> {
    let mask = filler.text.mask()?;
    let piece = filler.text.piece(mask);
    let masked = |absent: &Vec<&Unit>| {
        let changes: Vec<Change<'_>> = absent.iter().map(|word| (*word, Some(&*piece))).collect();
        words::edited(&input.text, &words::edits(&input.text, &changes))
    };
    let texts: Vec<String> = absent.iter().map(masked).collect();
    let model = Arc::clone(filler);
    let encode_all = move || -> Vec<Option<Arc<Tokens>>> {
        let encode = |text| {
            let input = Input { text, ..Input::default() };
            model.encode(&input, Truncate::Yes).ok().map(|encoding| encoding.ids)
        };
        texts.into_iter().map(encode).collect()
    };
    let sequences = predictor.passes.compute(encode_all).await?;
    let passes = predictor.passes.of_model(Arc::clone(filler));
    let mut fillings = vec![Vec::new(); absent.len()];
    for (index, batch) in sequences.chunks(BATCH).enumerate() {
        // A text without absent words has no mask to fill.
        let row = |(i, tokens): (usize, &Option<Arc<Tokens>>)| {
            let tokens = tokens.as_ref()?;
            let masks = masks(tokens, mask);
            let row = Row::forward(Arc::clone(tokens), Arc::clone(&masks));
            (!masks.is_empty()).then_some((index * BATCH + i, row))
        };
        let (indices, rows): (Vec<usize>, Vec<Row>) =
            batch.iter().enumerate().filter_map(row).unzip();
        let widths: Vec<usize> = rows.iter().map(|row| row.reads.len()).collect();
        let Some(outputs) = passes.run_in_time(rows).await? else { return Ok(None) };
        let model = Arc::clone(filler);
        let best = move || -> Vec<Vec<Vec<Filling>>> {
            let of = |(output, width): (crate::rows::RowOutput, usize)| {
                let size = output.probabilities.len() / width.max(1);
                output.probabilities.chunks(size.max(1)).map(|at| best(&model, at)).collect()
            };
            outputs.into_iter().zip(widths).map(of).collect()
        };
        let best = predictor.passes.compute(best).await?;
        indices.into_iter().zip(best).for_each(|(index, best)| fillings[index] = best);
    }
    Ok(Some(fillings))
}

fn masks(tokens: &Tokens, mask: u32) -> Arc<[usize]> {
    let ids = tokens.input_ids.iter().enumerate();
    ids.filter(|(_, id)| **id == mask).map(|(position, _)| position).collect()
}

/// Returns the words among the `TOP_K` most likely pieces.
fn best(model: &Model, probabilities: &[f64]) -> Vec<Filling> {
    let mut order: Vec<usize> = (0..probabilities.len()).collect();
    let count = TOP_K.min(order.len().saturating_sub(1));
    let higher = |a: &usize, b: &usize| probabilities[*b].total_cmp(&probabilities[*a]);
    if count > 0 {
        order.select_nth_unstable_by(count, higher);
        order.truncate(count);
    }
    order.sort_by(|a, b| higher(a, b).then(a.cmp(b)));
    let filling = |index: usize| {
        let text = model.text.word(index as u32)?;
        Some(Filling { text, probability: probabilities[index] })
    };
    order.into_iter().filter_map(filling).collect()
}
