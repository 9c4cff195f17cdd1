//! Finds an anchor by beam search over word sets. KL-LUCB selects the best sets of each size.

use std::collections::HashSet;

use super::super::bounds;
use super::super::perturb::{Present, Sample, Surroundings};
use super::super::step::{Step, Stop, go};
use super::super::{Original, Predictor};
use super::arms::{self, Arm, Pool};
use super::{Anchor, Example, Options, Order, order};
use crate::error::{Error, Result};
use crate::random::Generator;

/// Probability that the bounds of a precision do not contain it.
pub const DELTA: f64 = 0.05;

/// How far the lower bound of a candidate may be below the requested precision.
pub const SLACK: f64 = 0.05;

/// Candidates whose precisions differ by less than this need not be separated (KL-LUCB's ε).
const TOLERANCE: f64 = 0.15;

/// Candidates of each size to extend.
const BEAM: usize = 2;

/// Weight of the gradient order relative to one sample of a candidate.
const TRUST: f64 = 8.;

/// Samples per draw, and in the first draw for the empty set.
const BATCH: usize = 16;
const FIRST: usize = 48;

/// Samples of one candidate after which its mean alone decides.
const MOST: usize = 320;

/// Fresh samples to measure the precision of a result.
const FRESH: usize = 250;

/// The most words outside of an anchor for which all combinations are evaluated.
const ENUMERATED: usize = 8;

/// Draws to measure coverage. They run no rows.
const COVERAGE: usize = 10_000;

/// The most examples of each kind to return.
const SHOWN: usize = 3;

/// Random streams of the seed: search samples, fresh samples and coverage.
const SEARCH: u64 = 0;
const CONFIRM: u64 = 1;
const COVER: u64 = 2;

pub struct Search<'a> {
    options: &'a Options,
    surroundings: Surroundings<'a>,
    label: usize,
    /// Word indices in the order in which they are tried.
    order: Vec<usize>,
    pool: Pool,
    draws: Generator,
    fresh: Generator,
    seed: u64,
}

impl<'a> Search<'a> {
    pub async fn new(
        options: &'a Options,
        predictor: &'a Predictor,
        original: &'a Original<'a>,
        surroundings: Surroundings<'a>,
    ) -> Result<Self> {
        let words = &surroundings.words;
        let order = match options.order {
            Order::Text => (0..words.len()).collect(),
            Order::Gradient => {
                order::by_gradient(predictor, original, words, &options.rarity).await?
            }
        };
        let seed = predictor.seed;
        Ok(Self {
            options,
            surroundings,
            label: original.verdict.label,
            order,
            pool: Pool::default(),
            draws: Generator::stream(seed, SEARCH),
            fresh: Generator::stream(seed, CONFIRM),
            seed,
        })
    }

    pub async fn run(mut self) -> Result<Anchor> {
        let mut best: Option<Anchor> = None;
        let mut beam = vec![Arm { words: Vec::new(), kept: 0, count: 0 }];
        let mut tested = 0;
        for size in 0..=self.surroundings.words.len() {
            if size > 0 {
                beam = self.extended(&beam);
            }
            let stop = match self.level(&mut beam, &mut best, &mut tested).await? {
                Ok(Some(anchor)) => return Ok(anchor),
                Ok(None) => continue,
                Err(stop) => stop,
            };
            let anchor = best.or_else(|| beam.first().map(|arm| self.unconfirmed(arm)));
            return anchor
                .map(|anchor| Anchor {
                    stopped: Some(stop),
                    rows: self.surroundings.rows,
                    ..anchor
                })
                .ok_or_else(|| Error::internal("a search without a candidate"));
        }
        // All words together are the input, which keeps its own prediction.
        Err(Error::internal("the whole text does not keep its own prediction"))
    }

    /// Evaluates the candidates of one size, keeps the best in `beam` and returns the first one
    /// that is confirmed. `best` keeps the most precise of those that are not.
    async fn level(
        &mut self,
        beam: &mut Vec<Arm>,
        best: &mut Option<Anchor>,
        tested: &mut usize,
    ) -> Step<Option<Anchor>> {
        // All sets of a short text's words are tried, because none of them needs other samples.
        if !self.is_enumerable(0) {
            go!(self.lead(beam).await?);
        }
        for arm in beam {
            if !go!(self.promises(arm).await?) {
                continue;
            }
            *tested += 1;
            let anchor = go!(self.confirmed(arm, *tested).await?);
            if anchor.met {
                return Ok(Ok(Some(anchor)));
            }
            if best.as_ref().is_none_or(|other| anchor.precision > other.precision) {
                *best = Some(anchor);
            }
        }
        Ok(Ok(None))
    }

    /// Returns the candidates that are one word larger, with the samples from the pool. Returns
    /// only the most promising ones with `Order::Gradient`.
    fn extended(&self, beam: &[Arm]) -> Vec<Arm> {
        let mut seen = HashSet::new();
        let mut arms = Vec::new();
        for arm in beam {
            for (rank, &word) in self.order.iter().enumerate() {
                if arm.words.contains(&word) {
                    continue;
                }
                let mut words = arm.words.clone();
                words.push(word);
                words.sort_unstable();
                if !seen.insert(words.clone()) {
                    continue;
                }
                let mut larger = Arm { words: Vec::new(), kept: 0, count: 0 };
                self.pool.of(&words).for_each(|sample| larger.record(sample.label == self.label));
                larger.words = words;
                let prior = TRUST * (1. - rank as f64 / self.order.len() as f64);
                let promise = (larger.kept as f64 + prior) / (larger.count as f64 + TRUST);
                arms.push((promise, larger));
            }
        }
        if self.options.order == Order::Gradient {
            arms.sort_by(|(a, _), (b, _)| b.total_cmp(a));
            if !self.is_enumerable(0) {
                arms.truncate(BEAM);
            }
        }
        arms.into_iter().map(|(_, arm)| arm).collect()
    }

    /// Draws samples until the best candidates are identified. Keeps only these, best first.
    async fn lead(&mut self, arms: &mut Vec<Arm>) -> Step<()> {
        for arm in arms.iter_mut().filter(|arm| arm.count == 0) {
            let first = if arm.words.is_empty() { FIRST } else { BATCH };
            go!(self.draw(arm, first).await?);
        }
        for round in 1.. {
            let level = bounds::exploration(arms.len(), round, DELTA);
            let (best, ambiguous) = arms::leaders(arms, BEAM, level, TOLERANCE);
            let open: Vec<usize> =
                ambiguous.into_iter().filter(|&arm| arms[arm].count < MOST).collect();
            if open.is_empty() {
                *arms = best.into_iter().map(|arm| arms[arm].clone()).collect();
                break;
            }
            for arm in open {
                go!(self.draw(&mut arms[arm], BATCH).await?);
            }
        }
        Ok(Ok(()))
    }

    /// Whether a candidate seems to reach the precision: by its bounds, or by its mean if they
    /// stay inconclusive.
    async fn promises(&mut self, arm: &mut Arm) -> Step<bool> {
        if self.is_enumerable(arm.words.len()) {
            return Ok(Ok(true));
        }
        let target = self.options.precision;
        let arms = 1 + (BEAM - 1) * self.surroundings.words.len();
        let level = (arms as f64 / DELTA).ln();
        loop {
            let above = arm.mean() >= target;
            let sure = match above {
                true => arm.lower(level) >= target - SLACK,
                false => arm.upper(level) < target + SLACK,
            };
            if sure || arm.count >= MOST {
                return Ok(Ok(above));
            }
            go!(self.draw(arm, BATCH).await?);
        }
    }

    /// Measures the precision of a candidate again: on all possible texts if they are few, else
    /// on fresh samples. `test` counts the candidates tested so far, including this one, so that
    /// all tests together are wrong with probability at most `DELTA`.
    async fn confirmed(&mut self, arm: &Arm, test: usize) -> Step<Anchor> {
        let (exact, words) = (self.is_enumerable(arm.words.len()), self.count());
        let draws: Vec<Present> = match exact {
            true => self.combinations(&arm.words),
            false => (0..FRESH).map(|_| present(&mut self.fresh, &arm.words, words)).collect(),
        };
        let Some(samples) = self.surroundings.samples(draws, &mut self.fresh).await? else {
            return Ok(Err(Stop::Time));
        };
        self.pool.add(&arm.words, if exact { &[] } else { &samples });
        let kept = samples.iter().filter(|sample| sample.label == self.label).count();
        let precision = kept as f64 / samples.len().max(1) as f64;
        let delta = DELTA / (test * (test + 1)) as f64;
        let bounds = match exact {
            true => (precision, precision),
            false => bounds::interval(precision, samples.len().max(1), delta),
        };
        Ok(Ok(Anchor {
            met: precision >= self.options.precision,
            precision,
            bounds,
            n_samples: samples.len(),
            exact,
            ..self.described(arm, &samples)
        }))
    }

    /// Builds an anchor from the samples of the search alone.
    fn unconfirmed(&self, arm: &Arm) -> Anchor {
        let samples: Vec<Sample> = self.pool.of(&arm.words).cloned().collect();
        let rounds = samples.len().max(1);
        let level = bounds::exploration(self.count().max(1), rounds, DELTA);
        Anchor {
            precision: arm.mean(),
            bounds: (arm.lower(level), arm.upper(level)),
            n_samples: arm.count,
            ..self.described(arm, &samples)
        }
    }

    /// Fills in the fields that do not depend on how the precision was measured.
    fn described(&self, arm: &Arm, samples: &[Sample]) -> Anchor {
        let examples = |kept: bool| {
            let mut texts: Vec<Example> = Vec::new();
            let own = samples.iter().filter(|sample| (sample.label == self.label) == kept);
            for sample in own {
                let example = Example { text: self.surroundings.text(sample), label: sample.label };
                if !texts.contains(&example) {
                    texts.push(example);
                }
                if texts.len() == SHOWN {
                    break;
                }
            }
            texts
        };
        Anchor {
            words: arm.words.iter().map(|&word| self.surroundings.words[word].clone()).collect(),
            then: self.label,
            precision: 0.,
            bounds: (0., 1.),
            coverage: self.coverage(&arm.words),
            n_samples: 0,
            exact: false,
            met: false,
            fits: examples(true),
            breaks: examples(false),
            rows: self.surroundings.rows,
            stopped: None,
        }
    }

    fn coverage(&self, words: &[usize]) -> f64 {
        let mut generator = Generator::stream(self.seed, COVER);
        let covered = (0..COVERAGE)
            .map(|_| present(&mut generator, &[], self.count()))
            .filter(|present| words.iter().all(|&word| present[word]));
        covered.count() as f64 / COVERAGE as f64
    }

    /// Draws `count` more samples of a candidate.
    async fn draw(&mut self, arm: &mut Arm, count: usize) -> Step<()> {
        // Reserve the rows that confirm the result.
        if self.surroundings.rows + count + FRESH > self.options.max_rows {
            return Ok(Err(Stop::Rows));
        }
        let words = self.count();
        let draws = (0..count).map(|_| present(&mut self.draws, &arm.words, words)).collect();
        let Some(samples) = self.surroundings.samples(draws, &mut self.draws).await? else {
            return Ok(Err(Stop::Time));
        };
        samples.iter().for_each(|sample| arm.record(sample.label == self.label));
        self.pool.add(&arm.words, &samples);
        Ok(Ok(()))
    }

    fn count(&self) -> usize {
        self.surroundings.words.len()
    }

    /// Whether all texts with `held` words fixed can be evaluated.
    fn is_enumerable(&self, held: usize) -> bool {
        self.surroundings.is_determined() && self.count() - held <= ENUMERATED
    }

    /// Returns all texts that contain `words`.
    fn combinations(&self, words: &[usize]) -> Vec<Present> {
        let others: Vec<usize> = (0..self.count()).filter(|word| !words.contains(word)).collect();
        let combination = |bits: usize| {
            let mut present: Present = vec![true; self.count()].into();
            for (bit, &word) in others.iter().enumerate() {
                present[word] = bits >> bit & 1 == 1;
            }
            present
        };
        (0..1 << others.len()).map(combination).collect()
    }
}

/// Draws a text: each word is present with probability 1/2, those of `held` always.
fn present(generator: &mut Generator, held: &[usize], words: usize) -> Present {
    let mut present: Present = (0..words).map(|_| generator.uniform() < 0.5).collect();
    held.iter().for_each(|&word| present[word] = true);
    present
}
