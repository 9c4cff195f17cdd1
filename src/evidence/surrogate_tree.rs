//! A local surrogate: a CART decision tree over which words are present, fitted to the model's
//! labels for perturbed versions of a text. Texts near the input have the largest weights, as in
//! LIME (Ribeiro, Singh & Guestrin 2016).

use std::sync::Arc;

use super::cart::{self, Node, Observation, Size};
use super::perturb::{self, Absent, Present, Surroundings};
use super::{Entry, Found, OptionSpec, Original, Predictor, Takes};
use crate::attribution::OptionKind;
use crate::attribution::options::Preset;
use crate::error::Result;
use crate::explanation::Load;
use crate::model::Model;
use crate::random::Generator;
use crate::text::{Encoding, Unit};

/// The fewest texts in a leaf, as a share of all.
const MIN_LEAF: f64 = 0.02;

/// Training samples per batch.
const BATCH: usize = 100;

/// The fewest training texts, and the fewest test texts, for a tree.
const MIN_SAMPLES: usize = 20;

/// Kernel width for distances from 0 to 100, as in the `lime` package for texts.
const WIDTH: f64 = 25.;

/// Random streams of the seed: training texts and test texts.
const TRAINING: u64 = 10;
const TEST: u64 = 11;

pub static ENTRY: Entry = Entry {
    name: "surrogate_tree",
    route: "/rules",
    summary: "A decision tree over which words are present, fitted to the model around the \
              input, with how often it agrees with the model on fresh texts.",
    paper: "Breiman, Friedman, Olshen & Stone 1984; Ribeiro, Singh & Guestrin 2016, \
            arXiv:1602.04938",
    cost_note: "n_samples forward rows to learn from, half as many to judge by",
    options: &[
        OptionSpec {
            name: "kind",
            takes: Takes::Kind(OptionKind::Choice(&["tree"])),
            default: None,
            help: "Selects this kind of rule; required.",
        },
        perturb::FILL,
        OptionSpec {
            name: "n_samples",
            takes: Takes::integer(40, 10_000),
            default: Some(Preset::Integer(500)),
            help: "Number of training texts. Half as many more evaluate the tree.",
        },
        OptionSpec {
            name: "depth",
            takes: Takes::integer(1, 4),
            default: Some(Preset::Integer(4)),
            help: "Maximum number of words tested per path.",
        },
    ],
};

#[derive(Clone)]
pub struct Options {
    pub absent: Absent,
    pub n_samples: usize,
    pub depth: usize,
}

/// A surrogate tree, as its paths.
#[derive(Debug, Clone)]
pub struct Tree {
    /// Paths with present words first.
    pub paths: Vec<Path>,
    /// The weighted share of fresh texts for which tree and model agree.
    pub fidelity: f64,
    /// The same for a tree that always predicts the most frequent label.
    pub majority: f64,
    pub n_samples: usize,
    pub n_fresh: usize,
    /// Rows run, over all models.
    pub rows: usize,
    pub finished: bool,
}

/// A path from the root to a leaf.
#[derive(Debug, Clone)]
pub struct Path {
    pub conditions: Vec<(Unit, bool)>,
    pub then: usize,
    /// The weighted share of texts that follow this path.
    pub share: f64,
    /// The weighted share of these that have the label `then`.
    pub confidence: f64,
}

impl Found for Tree {
    fn is_finished(&self) -> bool {
        self.finished
    }
}

/// Returns the number of fresh texts that evaluate a tree fitted to `n_samples` texts.
pub fn fresh(n_samples: usize) -> usize {
    n_samples.div_ceil(2)
}

/// Returns the most work that the search may take.
pub fn loads(options: &Options, model: &Arc<Model>, encoding: &Encoding) -> Vec<Load> {
    let rows = options.n_samples + fresh(options.n_samples);
    let mut loads = vec![Load::forward(model, encoding.len(), rows)];
    match &options.absent {
        Absent::Fill(filler) => loads.push(Load::forward(filler, encoding.len(), rows)),
        Absent::Mask | Absent::Drop => {}
    }
    loads
}

/// Fits the tree for one input. Returns an error if time runs out before `MIN_SAMPLES` texts.
pub async fn find(
    options: &Options,
    predictor: &Predictor,
    original: &Original<'_>,
) -> Result<Tree> {
    let mut surroundings = Surroundings::new(predictor, original, &options.absent);
    let classes = predictor.model().outputs();
    let n_fresh = fresh(options.n_samples);
    // Alternates between the two sets, so that both shrink if time is short.
    let mut training = Sampler::new(predictor, TRAINING);
    let mut test = Sampler::new(predictor, TEST);
    let mut finished = true;
    while training.observations.len() < options.n_samples || test.observations.len() < n_fresh {
        let n_training = BATCH.min(options.n_samples.saturating_sub(training.observations.len()));
        let n_test = (BATCH / 2).min(n_fresh.saturating_sub(test.observations.len()));
        if !(training.draw(&mut surroundings, n_training).await?
            && test.draw(&mut surroundings, n_test).await?)
        {
            finished = false;
            break;
        }
    }
    if training.observations.len() < MIN_SAMPLES || test.observations.len() < MIN_SAMPLES {
        return Err(predictor.passes.late());
    }
    let (training, test) = (training.observations, test.observations);
    let leaf = ((training.len() as f64 * MIN_LEAF).ceil() as usize).max(1);
    let size = Size { depth: options.depth, leaf };
    let words: Vec<Unit> = surroundings.words.iter().map(|word| (*word).clone()).collect();
    let rows = surroundings.rows;
    let fit = move || tree(&training, &test, classes, size, &words);
    let tree = predictor.passes.compute(fit).await?;
    Ok(Tree { rows, finished, ..tree })
}

/// Draws texts around the input.
struct Sampler {
    generator: Generator,
    observations: Vec<Observation>,
}

impl Sampler {
    fn new(predictor: &Predictor, stream: u64) -> Self {
        Self { generator: Generator::stream(predictor.seed, stream), observations: Vec::new() }
    }

    /// Draws `count` more texts. Returns false if time runs out.
    async fn draw(&mut self, surroundings: &mut Surroundings<'_>, count: usize) -> Result<bool> {
        let words = surroundings.words.len();
        let draws = (0..count).map(|_| draw_present(&mut self.generator, words)).collect();
        let Some(samples) = surroundings.samples(draws, &mut self.generator).await? else {
            return Ok(false);
        };
        self.observations.extend(samples.into_iter().map(|sample| Observation {
            weight: proximity(&sample.present),
            class: sample.label,
            present: sample.present,
        }));
        Ok(true)
    }
}

/// Draws a text with 0 to all words absent, each number equally likely.
fn draw_present(generator: &mut Generator, words: usize) -> Present {
    let mut present = vec![true; words];
    let absent = generator.below(words + 1);
    generator.choose(absent, words).into_iter().for_each(|word| present[word] = false);
    present.into()
}

/// Returns the weight `sqrt(exp(-d²/25²))`, with `d` 100 times the cosine distance to the input.
fn proximity(present: &[bool]) -> f64 {
    let share = present.iter().filter(|present| **present).count() as f64 / present.len() as f64;
    let distance = 100. * (1. - share.sqrt());
    (-(distance / WIDTH).powi(2)).exp().sqrt()
}

/// Fits a tree to `training` and evaluates it on `test`.
fn tree(
    training: &[Observation],
    test: &[Observation],
    classes: usize,
    size: Size,
    words: &[Unit],
) -> Tree {
    let all: Vec<&Observation> = training.iter().collect();
    let grown = cart::grow(&all, classes, size).simplified();
    let weight: f64 = training.iter().map(|one| one.weight).sum();
    let path = |leaf: cart::Leaf| {
        let (then, own) = (cart::majority(&leaf.weights), leaf.weights.iter().sum::<f64>());
        let condition = |&(word, present): &(usize, bool)| (words[word].clone(), present);
        Path {
            conditions: leaf.conditions.iter().map(condition).collect(),
            then,
            share: own / weight,
            confidence: leaf.weights[then] / own,
        }
    };
    let baseline = cart::grow(&all, classes, Size { depth: 0, ..size });
    Tree {
        paths: grown.leaves().into_iter().map(path).collect(),
        fidelity: agreement(&grown, test),
        majority: agreement(&baseline, test),
        n_samples: training.len(),
        n_fresh: test.len(),
        rows: 0,
        finished: true,
    }
}

/// Returns the weighted share of texts for which tree and model agree.
fn agreement(tree: &Node, test: &[Observation]) -> f64 {
    let agrees = |one: &&Observation| tree.class(&one.present) == one.class;
    let weight = |one: &Observation| one.weight;
    let all: f64 = test.iter().map(weight).sum();
    test.iter().filter(agrees).map(weight).sum::<f64>() / all
}
