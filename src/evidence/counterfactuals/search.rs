//! Searches for flips: tries every deletion and the most promising replacements alone, then
//! combines them by beam search. If many words have to change, it chooses the words of the best
//! small sets again.

use std::collections::HashSet;
use std::sync::Arc;

use super::super::step::{Step, Stop, go};
use super::super::{Original, Predictor, masked_path};
use super::candidates::{self, Reach, Source};
use super::trials::{Changes, Trials};
use super::{Counterfactuals, Flip, Flips, Reason, choose, minimal, rechoose};
use crate::error::Result;
use crate::text::Unit;

/// Where replacements come from in each round, and how many are tried alone.
const ROUNDS: [(Reach, usize); 2] = [(Reach::Near, 96), (Reach::Everything, 288)];

/// Sets of changes kept per level, and single changes that extend each.
pub const BEAM: usize = 8;
const MOVES: usize = 24;

/// How many times the words of the best sets are chosen again.
pub const CLIMBS: usize = 4;

/// Levels to search after the first one with a flip.
const AFTER: usize = 1;

/// The default for `max_edits`: a share of the words, with a lower and an upper limit.
const SHARE: f64 = 0.2;
const LEAST: usize = 3;
const MOST: usize = 12;

/// Returns the default for the most words to change in a text of `words` words.
pub fn most_edits(words: usize) -> usize {
    ((words as f64 * SHARE).ceil() as usize).clamp(LEAST, MOST).min(words)
}

pub struct Search<'a> {
    options: &'a Counterfactuals,
    predictor: &'a Predictor,
    original: &'a Original<'a>,
    max_edits: usize,
    trials: Trials<'a>,
    /// The gradient of the target's logit minus the original label's, `[tokens · width]`; `None`
    /// until a round needs it.
    gradient: Option<Arc<[f64]>>,
    /// Minimal flips found so far.
    found: HashSet<Changes>,
}

impl<'a> Search<'a> {
    pub fn new(
        options: &'a Counterfactuals,
        predictor: &'a Predictor,
        original: &'a Original<'a>,
        words: Vec<&'a Unit>,
        max_edits: usize,
    ) -> Self {
        let trials = Trials::new(predictor, original, words, options.to, options.max_rows);
        let (gradient, found) = (None, HashSet::new());
        Self { options, predictor, original, max_edits, trials, gradient, found }
    }

    pub async fn run(mut self) -> Result<Flips> {
        let stop = self.rounds().await?.err();
        let found = self.found.into_iter().collect();
        let chosen = choose::diverse(&self.trials, found, self.options.n);
        let flip = |changes: &Changes| {
            let verdict = self.trials.verdict(changes)?.clone();
            let (text, edits) = (self.trials.text(changes), self.trials.edits(changes));
            Some(Flip { text, edits, verdict })
        };
        let flips: Vec<Flip> = chosen.iter().filter_map(flip).collect();
        let reason = match (flips.is_empty(), stop) {
            (false, _) => None,
            (true, None) => Some(Reason::NoneFlips),
            (true, Some(_)) => Some(Reason::Stopped),
        };
        Ok(Flips {
            flips,
            reason,
            words: self.trials.words.len(),
            max_edits: self.max_edits,
            rows: self.trials.rows,
            finished: stop != Some(Stop::Time),
        })
    }

    /// Searches until few words flip the prediction or nothing is left to try.
    async fn rounds(&mut self) -> Step<()> {
        // A masked language model's proposals do not depend on the reach.
        let rounds = if self.options.filler.is_some() { 1 } else { ROUNDS.len() };
        for &(reach, count) in &ROUNDS[..rounds] {
            go!(self.levels(reach, count).await?);
            // If near words flip only together with many others, a more distant word may flip
            // with fewer changes.
            if self.is_found() {
                return Ok(Ok(()));
            }
        }
        match self.options.filler {
            Some(_) => Ok(Ok(())),
            None => self.climb().await,
        }
    }

    /// Returns how many changed words are few: the search goes on until no more are needed.
    fn few(&self) -> usize {
        ((self.trials.words.len() as f64 * SHARE) as usize).clamp(1, self.max_edits)
    }

    /// Whether a flip with few changes is found.
    fn is_found(&self) -> bool {
        self.found.iter().any(|changes| changes.len() <= self.few())
    }

    /// Improves the best sets of few changes: chooses each of their words again, while that
    /// increases the margin and none flips.
    async fn climb(&mut self) -> Step<()> {
        let mut seen: HashSet<Changes> = HashSet::new();
        let mut beam = self.best_per_words(self.trials.replacing(self.few()));
        for _ in 0..CLIMBS {
            let mut next = Vec::new();
            for changes in beam.iter().filter(|changes| seen.insert((*changes).clone())) {
                let (predictor, original) = (self.predictor, self.original);
                let more = rechoose::neighbours(predictor, original, &self.trials, changes);
                next.extend(go!(more.await?));
            }
            go!(self.try_all(&next).await?);
            if next.is_empty() || self.is_found() {
                break;
            }
            beam.extend(next);
            beam = self.best_per_words(beam);
        }
        Ok(Ok(()))
    }

    /// Returns the best sets of the beam, at most one per set of changed words.
    fn best_per_words(&self, mut all: Vec<Changes>) -> Vec<Changes> {
        self.sort_by_margin(&mut all);
        let mut seen = HashSet::new();
        let words = |changes: &Changes| changes.iter().map(|(word, _)| *word).collect::<Vec<_>>();
        all.retain(|changes| seen.insert(words(changes)));
        all.truncate(BEAM);
        all
    }

    /// Runs the beam search until it has enough flips.
    async fn levels(&mut self, reach: Reach, replacements: usize) -> Step<()> {
        let mut singles: Vec<Changes> =
            (0..self.trials.words.len()).map(|word| vec![(word, None)]).collect();
        // Deletions need no gradient, so they give a result even if time is short.
        go!(self.try_all(&singles).await?);
        singles.extend(go!(self.replacements(reach, replacements).await?));
        go!(self.try_all(&singles).await?);
        let mut moves: Vec<Changes> =
            singles.into_iter().filter(|changes| !self.trials.flips(changes)).collect();
        self.sort_by_margin(&mut moves);
        let mut beam = moves.clone();
        let mut after = 0;
        for size in 2..=self.max_edits {
            if after == AFTER || choose::varied(&self.found) >= self.options.n {
                break;
            }
            after += usize::from(!self.found.is_empty());
            let larger = self.extended(&beam, &moves, size);
            go!(self.try_all(&larger).await?);
            beam = larger.into_iter().filter(|changes| !self.trials.flips(changes)).collect();
            self.sort_by_margin(&mut beam);
            beam.truncate(BEAM);
        }
        Ok(Ok(()))
    }

    /// Returns the most promising replacements as single changes.
    async fn replacements(&mut self, reach: Reach, count: usize) -> Step<Vec<Changes>> {
        let gradient = go!(self.gradient().await?);
        let (predictor, original, words) = (self.predictor, self.original, &self.trials.words);
        let source = match &self.options.filler {
            None => Source::Table(reach),
            Some(filler) => match candidates::filled(predictor, original, filler, words).await? {
                Some(source) => source,
                None => return Ok(Err(Stop::Time)),
            },
        };
        let units = words.iter().map(|word| (*word).clone()).collect();
        let all = candidates::replacements(predictor, original.encoding, units, gradient, source);
        let single = |one: candidates::Replacement| vec![(one.word, Some(Arc::from(one.to)))];
        Ok(Ok(all.await?.into_iter().take(count).map(single).collect()))
    }

    async fn gradient(&mut self) -> Step<Arc<[f64]>> {
        if let Some(gradient) = &self.gradient {
            return Ok(Ok(Arc::clone(gradient)));
        }
        let (towards, from) = self.trials.labels();
        let encoding = self.original.encoding;
        let masked = masked_path::all_content(encoding);
        let gradient = self.predictor.gradients(encoding, &masked, towards, from).await?;
        let Some(gradient) = gradient else { return Ok(Err(Stop::Time)) };
        Ok(Ok(Arc::clone(self.gradient.insert(gradient.into()))))
    }

    /// Predicts these sets and keeps the flips, each reduced to a minimal set. If it has to stop,
    /// it still keeps the flips among those predicted.
    async fn try_all(&mut self, all: &[Changes]) -> Step<()> {
        let predicted = self.trials.predict(all).await?;
        let mut flips: Vec<Changes> =
            all.iter().filter(|changes| self.trials.flips(changes)).cloned().collect();
        self.sort_by_margin(&mut flips);
        for changes in flips {
            if self.found.iter().any(|smaller| is_part(smaller, &changes)) {
                continue;
            }
            let least = go!(minimal::reduced(&mut self.trials, changes).await?);
            self.found.insert(least);
        }
        Ok(predicted)
    }

    /// Extends the best sets of the beam by one of the best single changes each.
    fn extended(&self, beam: &[Changes], moves: &[Changes], size: usize) -> Vec<Changes> {
        let mut seen = HashSet::new();
        let mut larger = Vec::new();
        for changes in beam.iter().take(BEAM) {
            let changed = |word: usize| changes.iter().any(|(own, _)| *own == word);
            let free = moves.iter().flatten().filter(|(word, _)| !changed(*word));
            for one in free.take(MOVES) {
                let mut more = changes.clone();
                more.push(one.clone());
                more.sort();
                if more.len() == size && seen.insert(more.clone()) {
                    larger.push(more);
                }
            }
        }
        larger
    }

    fn sort_by_margin(&self, all: &mut [Changes]) {
        let margin = |changes: &Changes| self.trials.margin(changes);
        all.sort_by(|a, b| margin(b).total_cmp(&margin(a)).then_with(|| a.cmp(b)));
    }
}

/// Whether `smaller` is a subset of `larger`.
pub fn is_part(smaller: &Changes, larger: &Changes) -> bool {
    smaller.iter().all(|change| larger.contains(change))
}
