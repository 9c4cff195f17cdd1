//! Texts with some words changed, and their predictions.

use std::collections::HashMap;
use std::sync::Arc;

use super::super::step::{Step, Stop};
use super::super::words::{self, Change, Edit};
use super::super::{Original, Predictor, Verdict};
use crate::text::Unit;

/// The index of each changed word, ascending, and its replacement; `None` deletes the word.
pub type Changes = Vec<(usize, Option<Arc<str>>)>;

/// The changes tried for one input. Each set of changes is predicted once.
pub struct Trials<'a> {
    predictor: &'a Predictor,
    original: &'a Original<'a>,
    pub words: Vec<&'a Unit>,
    /// The target label, if one was requested.
    to: Option<usize>,
    /// Predictions so far; `None` if a text cannot be encoded.
    predicted: HashMap<Changes, Option<Verdict>>,
    pub rows: usize,
    max_rows: usize,
}

impl<'a> Trials<'a> {
    pub fn new(
        predictor: &'a Predictor,
        original: &'a Original<'a>,
        words: Vec<&'a Unit>,
        to: Option<usize>,
        max_rows: usize,
    ) -> Self {
        Self { predictor, original, words, to, predicted: HashMap::new(), rows: 0, max_rows }
    }

    /// Predicts the sets not predicted before, as far as `max_rows` allows.
    pub async fn predict(&mut self, all: &[Changes]) -> Step<()> {
        let mut new: Vec<Changes> =
            all.iter().filter(|changes| !self.predicted.contains_key(*changes)).cloned().collect();
        let room = self.max_rows.saturating_sub(self.rows);
        let cut = new.len() > room;
        new.truncate(room);
        let texts = new.iter().map(|changes| self.text(changes)).collect();
        let verdicts = self.predictor.texts(self.original.input, texts).await?;
        let Some(verdicts) = verdicts else { return Ok(Err(Stop::Time)) };
        self.rows += new.len();
        self.predicted.extend(new.into_iter().zip(verdicts));
        Ok(if cut { Err(Stop::Rows) } else { Ok(()) })
    }

    /// Returns the predicted sets of this many changes with at least one replacement, in no order.
    pub fn replacing(&self, size: usize) -> Vec<Changes> {
        let replaces = |changes: &&Changes| {
            changes.len() == size && changes.iter().any(|(_, to)| to.is_some())
        };
        let encoded = self.predicted.iter().filter(|(_, verdict)| verdict.is_some());
        encoded.map(|(changes, _)| changes).filter(replaces).cloned().collect()
    }

    pub fn edits(&self, changes: &Changes) -> Vec<Edit> {
        let changes: Vec<Change<'_>> =
            changes.iter().map(|(word, to)| (self.words[*word], to.as_deref())).collect();
        words::edits(&self.original.input.text, &changes)
    }

    pub fn text(&self, changes: &Changes) -> String {
        words::edited(&self.original.input.text, &self.edits(changes))
    }

    pub fn verdict(&self, changes: &Changes) -> Option<&Verdict> {
        self.predicted.get(changes)?.as_ref()
    }

    /// Whether the changes flip the prediction; false if they have not been predicted.
    pub fn flips(&self, changes: &Changes) -> bool {
        let has_target = |verdict: &Verdict| match self.to {
            Some(to) => verdict.label == to,
            None => verdict.label != self.original.verdict.label,
        };
        self.verdict(changes).is_some_and(has_target)
    }

    /// Returns the margin, which is positive if the changes flip the prediction: the target
    /// logit minus the highest other one. Without a target, the highest logit of the other
    /// labels minus that of the original label.
    pub fn margin(&self, changes: &Changes) -> f64 {
        self.verdict(changes).map_or(f64::NEG_INFINITY, |verdict| self.margin_of(verdict))
    }

    fn margin_of(&self, verdict: &Verdict) -> f64 {
        let highest = |but: usize| {
            let others = verdict.logits.iter().enumerate().filter(|(label, _)| *label != but);
            others.map(|(_, logit)| *logit).fold(f64::NEG_INFINITY, f64::max)
        };
        match self.to {
            Some(to) => verdict.logits[to] - highest(to),
            None => {
                let own = self.original.verdict.label;
                highest(own) - verdict.logits[own]
            }
        }
    }

    /// Returns the target label, by default the runner-up, and the original label.
    pub fn labels(&self) -> (usize, usize) {
        let Verdict { label: own, logits, .. } = &self.original.verdict;
        let others = (0..logits.len()).filter(|label| label != own);
        let runner_up = others.max_by(|&a, &b| logits[a].total_cmp(&logits[b]));
        (self.to.or(runner_up).unwrap_or(*own), *own)
    }
}
