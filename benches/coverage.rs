//! Coverage of credibility: the share of held-out rows whose true label is rejected, per level.
//! `cargo bench --bench coverage -- SOURCE DATA CORPUS_ROWS SPLITS [HELD]`: DATA is a file of
//! labelled texts. Each split takes CORPUS_ROWS of its rows at random as the corpus, and the others
//! as inputs, or the rows of the file HELD.
//!
//! Rows of a random split are exchangeable, so the mean share equals the level whatever DATA and the
//! model are, and the splits are independent draws of it. The share of one split differs from the
//! level, because its calibration samples are few. HELD may have another distribution than DATA.

use std::error::Error;
use std::path::Path;

use explaind::checkpoint::Source;
use explaind::corpus::{Content, Corpus, Embedded, Index, Limits, Representation, Sample, embed};
use explaind::model::{Model, Placement};
use explaind::random::Generator;
use explaind::rows::{PooledState, StatePooling};
use rayon::prelude::*;

const LIMITS: Limits = Limits { rows: 1_000_000, bytes: 1 << 30 };
const LEVELS: [f64; 4] = [0.05, 0.1, 0.2, 0.5];

/// Inputs per split, at most. More of them do not narrow the mean over splits much.
const INPUTS: usize = 10_000;

fn main() -> Result<(), Box<dyn Error>> {
    // Ignore the --bench that cargo adds.
    let arguments: Vec<String> =
        std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    let [source, data, rows, splits, rest @ ..] = arguments.as_slice() else {
        println!("cargo bench --bench coverage -- SOURCE DATA CORPUS_ROWS SPLITS [HELD]");
        return Ok(());
    };
    let source: Source = source.parse()?;
    let model = Model::load("measured", &source, &Placement::default())?;
    let (data, held) = (read(data)?, rest.first().map(|held| read(held)).transpose()?);
    let (rows, splits): (usize, u64) = (rows.parse()?, splits.parse()?);
    if rows >= data.samples.len() {
        return Err(format!("CORPUS_ROWS must be below {}", data.samples.len()).into());
    }
    let state = PooledState { layer: model.layers(), pooling: StatePooling::Mean };
    for representation in [Representation::State(state), Representation::Gradient] {
        let embedded = |corpus: &Corpus| embed(&model, &corpus.samples, representation, &|_| true);
        let (all, others) = (embedded(&data)?, held.as_ref().map(embedded).transpose()?);
        println!("{representation:?}: {} rows, {splits} splits", data.samples.len());
        let mut shares = vec![vec![Vec::new(); LEVELS.len()]; model.outputs()];
        for split in 0..splits {
            // The first `rows` are the corpus.
            let order = Generator::stream(1, split).choose(data.samples.len(), data.samples.len());
            let (corpus, rest) = order.split_at(rows);
            let samples: Vec<Sample> =
                corpus.iter().map(|row| data.samples[*row].clone()).collect();
            let key = data.key(&model.revision, representation);
            let index = Index::new(key, &samples, part(&all, corpus), &|_, _| {})?;
            let inputs = match &others {
                Some(others) => part(others, &(0..others.labels.len()).collect::<Vec<_>>()),
                None => part(&all, &rest[..rest.len().min(INPUTS)]),
            };
            for (label, values) in credibilities(&index, &inputs)?.into_iter().enumerate() {
                for (level, shares) in LEVELS.iter().zip(&mut shares[label]) {
                    let rejected = values.iter().filter(|p| **p <= *level).count();
                    shares.push(rejected as f64 / values.len() as f64);
                }
            }
        }
        for (label, shares) in shares.iter().enumerate() {
            println!("  {}: {}", model.label(label), summary(shares));
        }
    }
    Ok(())
}

fn read(path: &str) -> Result<Corpus, Box<dyn Error>> {
    Ok(Content::read(Path::new(path), LIMITS)?.corpus(LIMITS)?)
}

/// Returns some rows of `all`.
fn part(all: &Embedded, rows: &[usize]) -> Embedded {
    let vector = |row: &usize| &all.vectors[row * all.width..][..all.width];
    Embedded {
        width: all.width,
        vectors: rows.iter().flat_map(vector).copied().collect(),
        labels: rows.iter().map(|row| all.labels[*row]).collect(),
        predicted: rows.iter().map(|row| all.predicted[*row]).collect(),
        probabilities: rows.iter().map(|row| all.probabilities[*row]).collect(),
        ..Embedded::default()
    }
}

/// Returns the credibility of each input's true label, per label.
fn credibilities(index: &Index, inputs: &Embedded) -> Result<Vec<Vec<f64>>, Box<dyn Error>> {
    let of = |(vector, label): (&[f32], &u32)| index.credibility(vector, *label as usize);
    let queries = inputs.vectors.par_chunks_exact(inputs.width).zip(&inputs.labels);
    let values: Vec<Option<f64>> = queries.map(of).collect::<Result<_, _>>()?;
    let labels = inputs.labels.iter().max().map_or(0, |label| *label as usize + 1);
    let mut per_label = vec![Vec::new(); labels];
    for (label, value) in inputs.labels.iter().zip(values) {
        per_label[*label as usize].extend(value);
    }
    Ok(per_label)
}

/// Formats the mean share of each level, its standard error, and the standard deviation of the
/// share of one split.
fn summary(shares: &[Vec<f64>]) -> String {
    let of = |(level, shares): (&f64, &Vec<f64>)| {
        let count = shares.len() as f64;
        let mean = shares.iter().sum::<f64>() / count;
        let squares: f64 = shares.iter().map(|share| (share - mean).powi(2)).sum();
        let deviation = (squares / (count - 1.)).sqrt();
        let error = deviation / count.sqrt();
        format!("{level}: {mean:.4} ± {error:.4} (one split ± {deviation:.4})")
    };
    LEVELS.iter().zip(shares).map(of).collect::<Vec<_>>().join(", ")
}
