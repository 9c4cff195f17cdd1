//! The heads, ranked, and the effects of switching them off.

use super::ablation::Ablations;
use super::tally::Tally;
use crate::evaluation::interval::Interval;
use crate::explanation::Pattern;
use crate::report::{Run, Scope};
use crate::rows::AttentionHead;

/// The contents of the report.
#[derive(Debug, Clone)]
pub struct Summary {
    pub model: String,
    pub revision: String,
    pub data: String,
    pub texts: usize,
    /// Distinct texts in the file, and the number of repetitions.
    pub of: usize,
    pub repeated: usize,
    pub truncated: usize,
    pub failed: usize,
    /// The error of the first text that failed.
    pub first_failure: Option<String>,
    /// Texts that were not begun in time.
    pub left: usize,
    pub layers: usize,
    pub heads_per_layer: usize,
    /// All heads, the most important first; none for fewer than two texts.
    pub heads: Vec<HeadRow>,
    /// `None` if no head was switched off.
    pub ablation: Option<Ablation>,
}

/// The importance of one head.
#[derive(Debug, Clone, Copy)]
pub struct HeadRow {
    pub head: AttentionHead,
    /// Mean magnitude of the importance, over texts.
    pub size: Interval,
    /// Mean importance, signed.
    pub signed: Interval,
    /// The most frequent pattern, and the share of the texts with it.
    pub pattern: Pattern,
    pub share: f64,
}

/// What changes without single heads.
#[derive(Debug, Clone)]
pub struct Ablation {
    pub texts: usize,
    pub failed: usize,
    /// The error of the first text that failed.
    pub first_failure: Option<String>,
    pub left: usize,
    /// Number of texts with a label of the model, and the share of them where it is predicted.
    pub labelled: usize,
    pub accuracy: Option<f64>,
    /// The most important heads first.
    pub heads: Vec<Ablated>,
}

/// What changes without one head.
#[derive(Debug, Clone, Copy)]
pub struct Ablated {
    pub head: AttentionHead,
    /// The change of the logit that the importance predicts to first order: minus its mean.
    pub estimate: f64,
    /// Mean change of the mean logit of what is predicted.
    pub change: Interval,
    /// Number of predictions that flip, and their share; `None` if the model does not choose.
    pub flips: Option<(usize, Interval)>,
    /// Change of the accuracy; `None` for fewer than two texts with a label.
    pub accuracy: Option<Interval>,
}

impl Summary {
    pub(super) fn new(
        scope: &Scope<'_>,
        tally: &Tally,
        run: &Run,
        ablations: &Ablations,
        ablated: &Run,
    ) -> Self {
        let (model, texts) = (scope.model, scope.texts);
        let heads = ranked(tally);
        Self {
            model: model.id.clone(),
            revision: model.revision.clone(),
            data: texts.name.clone(),
            texts: tally.texts,
            of: texts.of,
            repeated: texts.repeated,
            truncated: tally.truncated,
            failed: run.failed.len(),
            first_failure: first_failure(run),
            left: run.left,
            layers: model.layers(),
            heads_per_layer: model.heads(),
            ablation: (!ablations.heads.is_empty()).then(|| Ablation {
                texts: ablations.texts,
                failed: ablated.failed.len(),
                first_failure: first_failure(ablated),
                left: ablated.left,
                labelled: ablations.labelled,
                accuracy: (ablations.labelled > 0)
                    .then(|| ablations.right as f64 / ablations.labelled as f64),
                heads: effects(ablations, &heads),
            }),
            heads,
        }
    }

    /// Returns the row of a head.
    pub fn row(&self, layer: usize, head: usize) -> Option<&HeadRow> {
        self.heads.iter().find(|row| row.head == AttentionHead { layer, head })
    }
}

fn first_failure(run: &Run) -> Option<String> {
    run.failed.first().map(|(_, error)| error.detail.clone())
}

fn ranked(tally: &Tally) -> Vec<HeadRow> {
    let row = |index: usize| {
        let head = &tally.heads[index];
        let (pattern, count) = head.pattern();
        Some(HeadRow {
            head: tally.name(index),
            size: head.size.interval(tally.texts)?,
            signed: head.signed.interval(tally.texts)?,
            pattern,
            share: count as f64 / tally.texts as f64,
        })
    };
    tally.ranked().into_iter().filter_map(row).collect()
}

fn effects(ablations: &Ablations, rows: &[HeadRow]) -> Vec<Ablated> {
    let texts = ablations.texts;
    let heads = ablations.heads.iter().zip(&ablations.effects);
    heads
        .filter_map(|(head, effect)| {
            Some(Ablated {
                head: *head,
                estimate: -rows.iter().find(|row| row.head == *head)?.signed.mean,
                change: effect.change.interval(texts)?,
                flips: (ablations.choices > 1)
                    .then(|| Some((effect.flips, Interval::wilson(effect.flips, texts)?)))
                    .flatten(),
                accuracy: effect.gain.interval(ablations.labelled),
            })
        })
        .collect()
}
