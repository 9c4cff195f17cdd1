//! Embeds the samples of a corpus: runs each through the model once.

use rayon::prelude::*;

use super::frequencies::Frequencies;
use super::states::{self, Representation};
use super::{CorpusError, Sample};
use crate::model::Model;
use crate::rows::{Row, RowOutput};
use crate::text::tokenizer::Truncate;
use crate::text::{Encoding, Input};

/// Samples per unit of parallel work.
const CHUNK: usize = 32;

/// Vectors and predictions of samples.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Embedded {
    pub width: usize,
    /// `[samples, width]`
    pub vectors: Vec<f32>,
    /// Indexes of the samples' own labels.
    pub labels: Vec<u32>,
    /// Indexes of the predicted labels.
    pub predicted: Vec<u32>,
    /// Probabilities of the predicted labels.
    pub probabilities: Vec<f64>,
    /// Document frequencies of the model's vocabulary.
    pub frequencies: Frequencies,
}

/// Receives the number of newly embedded samples; returns whether to continue.
pub type Progress<'a> = dyn Fn(usize) -> bool + Sync + 'a;

/// Embeds all samples on the current rayon pool and truncates texts over the model's limit. The
/// vectors do not depend on the number of threads.
///
/// # Errors
/// Fails if a text cannot be encoded, if the model has no such label, if an output is not finite,
/// or if `progress` returns false.
pub fn embed(
    model: &Model,
    samples: &[Sample],
    representation: Representation,
    progress: &Progress<'_>,
) -> Result<Embedded, CorpusError> {
    let chunk = |(number, samples): (usize, &[Sample])| {
        let done = chunk(model, samples, number * CHUNK, representation)?;
        match progress(samples.len()) {
            true => Ok(done),
            false => Err(CorpusError("embedding was cancelled".to_owned())),
        }
    };
    let chunks = samples.par_chunks(CHUNK).enumerate().map(chunk);
    let chunks: Vec<Embedded> = chunks.collect::<Result<_, _>>()?;
    let mut all = Embedded::default();
    for chunk in chunks {
        all.width = chunk.width;
        all.vectors.extend(chunk.vectors);
        all.labels.extend(chunk.labels);
        all.predicted.extend(chunk.predicted);
        all.probabilities.extend(chunk.probabilities);
        all.frequencies.add(&chunk.frequencies);
    }
    Ok(all)
}

fn chunk(
    model: &Model,
    samples: &[Sample],
    offset: usize,
    representation: Representation,
) -> Result<Embedded, CorpusError> {
    let error_at = |index: usize, reason: &dyn std::fmt::Display| {
        let (number, id) = (offset + index + 1, &samples[index].id);
        CorpusError(format!("sample {number} (id {id:?}): {reason}"))
    };
    let mut all = Embedded::default();
    let mut encodings = Vec::new();
    for (index, sample) in samples.iter().enumerate() {
        let label = states::label(model, &sample.label).map_err(|error| error_at(index, &error))?;
        all.labels.push(label as u32);
        let input = Input { text: sample.text.clone(), ..Input::default() };
        let encoding = model.encode(&input, Truncate::Yes);
        let encoding = encoding.map_err(|error| error_at(index, &error.detail))?;
        all.frequencies.count(&encoding);
        encodings.push(encoding);
    }
    let first_rows = encodings.iter().map(|text| representation.first_row(text.ids.clone()));
    let mut outputs = run(model, &first_rows.collect::<Vec<_>>())?;
    for output in &outputs {
        let best = states::predicted(&output.logits);
        all.predicted.push(best as u32);
        all.probabilities.push(output.probabilities[best]);
    }
    let second_rows = encodings.iter().zip(&outputs).zip(&all.labels);
    let second_rows: Vec<Row> = second_rows
        .filter_map(|((encoding, output), label)| {
            let (ids, label) = (encoding.ids.clone(), *label as usize);
            representation.second_row(model, ids, &output.probabilities, label)
        })
        .collect();
    if !second_rows.is_empty() {
        outputs = run(model, &second_rows)?;
    }
    for (index, (output, encoding)) in outputs.iter().zip(&encodings).enumerate() {
        if !output.is_finite() {
            return Err(error_at(index, &"the model's outputs are not finite"));
        }
        let vector = vector(output, encoding);
        all.width = vector.len();
        all.vectors.extend(vector);
    }
    Ok(all)
}

fn run(model: &Model, rows: &[Row]) -> Result<Vec<RowOutput>, CorpusError> {
    model.run(rows).map_err(|error| CorpusError(format!("{}: {error}", model.id)))
}

/// Returns the vector of a text, from the output of its last row.
pub fn vector(output: &RowOutput, encoding: &Encoding) -> Vec<f32> {
    let vector = match output.token_scores.first() {
        Some(gradients) => states::summed(gradients, encoding.tokens.len()),
        None => output.states.clone(),
    };
    vector.into_iter().map(|x| x as f32).collect()
}
