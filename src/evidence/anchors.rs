//! Anchors (Ribeiro, Singh & Guestrin 2018): the smallest set of words that keeps the
//! prediction, whatever happens to the other words.
//!
//! In a perturbed text, each word outside of the anchor is absent with probability 1/2. If the
//! words of a larger anchor happen to be present, the sample also belongs to the distribution of
//! that anchor. Larger anchors therefore start with the samples of smaller ones.

mod arms;
mod order;
mod search;

use std::sync::Arc;

use super::masked_path;
use super::perturb::{self, Absent, Surroundings};
use super::step::Stop;
use super::{Entry, Found, OptionSpec, Original, Predictor, Takes};
use crate::attribution::OptionKind;
use crate::attribution::options::Preset;
use crate::choice::{Choice, choices};
use crate::error::Result;
use crate::explanation::Load;
use crate::model::Model;
use crate::text::{Encoding, Unit};
pub use order::Rarity;
pub use search::{DELTA, SLACK};

pub static ENTRY: Entry = Entry {
    name: "anchors",
    route: "/rules",
    summary: "The smallest set of words that keeps the prediction whatever happens to the other \
              words, with how often it does.",
    paper: "Ribeiro, Singh & Guestrin 2018, AAAI; Lopardo, Precioso & Garreau 2022, \
            arXiv:2205.13789",
    cost_note: "at most max_rows forward rows, 4 gradient rows",
    options: &[
        OptionSpec {
            name: "kind",
            takes: Takes::Kind(OptionKind::Choice(&["anchor"])),
            default: Some(Preset::Name("anchor")),
            help: "Selects this kind of rule.",
        },
        OptionSpec {
            name: "precision",
            takes: Takes::Kind(OptionKind::Number { min: 0.5, max: 1. }),
            default: Some(Preset::Number(0.95)),
            help: "Minimum share of texts with the anchor's words that keep the prediction.",
        },
        perturb::FILL,
        OptionSpec {
            name: "order",
            takes: Takes::Kind(OptionKind::Choice(Order::NAMES)),
            default: Some(Preset::Name("gradient")),
            help: "Words that extend a candidate: the most promising ones, or all in text order.",
        },
        OptionSpec {
            name: "max_rows",
            takes: Takes::integer(400, 20_000),
            default: Some(Preset::Integer(2_000)),
            help: "Maximum number of rows per input.",
        },
    ],
};

choices! {
    /// Which words extend a candidate.
    pub enum Order {
        /// The most promising ones only: by gradient times rarity (arXiv:2205.13789) and by the
        /// samples that the extended candidates already have.
        Gradient = "gradient",
        /// All words, in text order, as in the anchors paper.
        Text = "text",
    }
}

impl Order {
    /// Returns the default for a model: `Gradient` if it has gradients.
    pub fn fitting(model: &Model) -> Self {
        if model.is_remote() { Self::Text } else { Self::Gradient }
    }
}

#[derive(Clone)]
pub struct Options {
    /// The lowest share of texts with the anchor that must keep the prediction.
    pub precision: f64,
    pub absent: Absent,
    pub order: Order,
    pub rarity: Rarity,
    pub max_rows: usize,
}

/// A rule: texts with these words keep the prediction.
#[derive(Debug, Clone)]
pub struct Anchor {
    /// In text order. Empty if the prediction hardly ever changes, whichever words are absent.
    pub words: Vec<Unit>,
    /// The predicted label.
    pub then: usize,
    /// The share of texts with the anchor that have the label: exact, or on fresh samples.
    pub precision: f64,
    /// Bounds that contain the precision with probability at least `1 - DELTA`.
    pub bounds: (f64, f64),
    /// The share of all perturbed texts that have these words.
    pub coverage: f64,
    /// Number of texts that the precision is measured on.
    pub n_samples: usize,
    /// Whether these are all possible texts.
    pub exact: bool,
    /// Whether the requested precision was reached.
    pub met: bool,
    /// Texts with the anchor that have the label.
    pub fits: Vec<Example>,
    /// Texts with the anchor that have another label.
    pub breaks: Vec<Example>,
    /// Rows run, over all models.
    pub rows: usize,
    /// Why the search ended early, if it did.
    pub stopped: Option<Stop>,
}

/// A perturbed text and its label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Example {
    pub text: String,
    pub label: usize,
}

impl Found for Anchor {
    fn is_finished(&self) -> bool {
        self.stopped != Some(Stop::Time)
    }
}

/// Returns the most work that the search may take.
pub fn loads(options: &Options, model: &Arc<Model>, encoding: &Encoding) -> Vec<Load> {
    let tokens = encoding.len();
    let mut loads = vec![Load::forward(model, tokens, options.max_rows)];
    match &options.absent {
        Absent::Fill(filler) => loads.push(Load::forward(filler, tokens, options.max_rows)),
        Absent::Mask | Absent::Drop => {}
    }
    loads.push(Load::gradients(model, tokens, masked_path::POINTS));
    loads
}

/// Finds the anchor of one input.
pub async fn find(
    options: &Options,
    predictor: &Predictor,
    original: &Original<'_>,
) -> Result<Anchor> {
    let surroundings = Surroundings::new(predictor, original, &options.absent);
    search::Search::new(options, predictor, original, surroundings).await?.run().await
}
