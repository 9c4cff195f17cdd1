//! Coverage of credibility: the share of held-out rows whose true label is rejected, per level.
//! `cargo bench --bench coverage -- SOURCE CORPUS HELD [ROWS]`; CORPUS and HELD are files of
//! labelled texts, and the first ROWS of CORPUS are used. If the held-out rows are exchangeable
//! with the corpus, the share equals the level.

use std::error::Error;
use std::path::Path;
use std::time::Instant;

use explaind::checkpoint::Source;
use explaind::corpus::{Content, Corpus, Index, Limits, Representation, embed};
use explaind::model::{Model, Placement};
use explaind::rows::{PooledState, StatePooling};

const LIMITS: Limits = Limits { rows: 1_000_000, bytes: 1 << 30 };
const LEVELS: [f64; 4] = [0.05, 0.1, 0.2, 0.5];

fn read(path: &str) -> Result<Corpus, Box<dyn Error>> {
    Ok(Content::read(Path::new(path), LIMITS)?.corpus(LIMITS)?)
}

fn main() -> Result<(), Box<dyn Error>> {
    // Ignore the --bench that cargo adds.
    let arguments: Vec<String> =
        std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    let [source, corpus, held, rest @ ..] = arguments.as_slice() else {
        println!("cargo bench --bench coverage -- SOURCE CORPUS HELD [ROWS]");
        return Ok(());
    };
    let source: Source = source.parse()?;
    let model = Model::load("measured", &source, &Placement::default())?;
    let (mut corpus, held) = (read(corpus)?, read(held)?);
    if let Some(rows) = rest.first() {
        corpus.samples.truncate(rows.parse()?);
    }
    let state = PooledState { layer: model.layers(), pooling: StatePooling::Mean };
    for representation in [Representation::State(state), Representation::Gradient] {
        let start = Instant::now();
        let made = embed(&model, &corpus.samples, representation, &|_| true)?;
        let embedded = start.elapsed();
        let key = corpus.key(&model.revision, representation);
        let index = Index::new(key, &corpus.samples, made, &|_, _| {})?;
        println!(
            "{representation:?}: {} samples embedded in {embedded:.1?}, all in {:.1?}",
            index.len(),
            start.elapsed()
        );
        let queries = embed(&model, &held.samples, representation, &|_| true)?;
        let mut values = vec![Vec::new(); model.outputs()];
        for (vector, label) in queries.vectors.chunks_exact(queries.width).zip(&queries.labels) {
            values[*label as usize].extend(index.credibility(vector, *label as usize)?);
        }
        for (label, values) in values.iter().enumerate() {
            let share =
                |level| values.iter().filter(|p| **p <= level).count() as f64 / values.len() as f64;
            let shares: Vec<String> =
                LEVELS.iter().map(|level| format!("{level}: {:.3}", share(*level))).collect();
            println!("  {}, {} rows: {}", model.label(label), values.len(), shares.join(", "));
        }
    }
    Ok(())
}
