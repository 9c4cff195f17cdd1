//! Probes: change what should not matter in a text, such as terms of identity, its case or its
//! final punctuation, and measure the change of the prediction and of the attribution.

mod case;
mod plan;
mod punctuation;
mod shifts;
mod terms;
mod typos;

use std::sync::Arc;

use super::words::{self, Edit};
use super::{Entry, Found, Kind, OptionSpec, Original, Predictor, Takes, Verdict};
use crate::choice::{Choice, choices};
use crate::error::Result;
use crate::explanation::Load;
use crate::model::Model;
use crate::text::Encoding;

pub use terms::Terms;

use plan::{Plan, Plans};

pub static ENTRY: Entry = Entry {
    name: "probe",
    route: "/probe",
    summary: "How changes that should not matter (identity terms, case, typos, punctuation, \
              synonyms, places, or pairs of words that the caller gives) change the prediction \
              and the attribution of the changed words.",
    paper: "Kusner, Loftus, Russell & Silva 2017, arXiv:1703.06856; Garg et al. 2019, \
            arXiv:1809.10610; Ribeiro et al. 2020, arXiv:2005.04118",
    cost_note: "2 forward rows and 16 gradient rows per swap",
    options: &[
        OptionSpec {
            name: "pairs",
            takes: Takes::Described("a list of pairs of words or phrases"),
            default: None,
            help: "Swapped in both directions.",
        },
        OptionSpec {
            name: "groups",
            takes: Takes::Described("a list of gender, age, nationality, religion"),
            default: None,
            help: "Built-in English and Chinese terms; all groups by default if pairs is absent.",
        },
        OptionSpec {
            name: "properties",
            takes: Takes::Described(
                "a list of identity, case, typos, punctuation, synonyms, places",
            ),
            default: None,
            help: "Identity by default, unless there are pairs or groups.",
        },
    ],
};

/// Steps of integrated gradients. The number is fixed so that the cost of a swap is known.
const STEPS: u64 = 16;

/// The most swaps per input.
pub const MOST: usize = 64;

/// The property of the caller's own pairs in answers.
pub const PAIRS: &str = "pairs";

choices! {
    /// What a probe changes. A model should not depend on any of them.
    pub enum Property {
        /// Terms of gender, age, nationality and religion.
        Identity = "identity",
        /// Lower case, upper case and title case.
        Case = "case",
        /// Two neighbouring letters of a word swapped.
        Typos = "typos",
        /// The final punctuation removed, doubled or added.
        Punctuation = "punctuation",
        Synonyms = "synonyms",
        /// Names of cities, regions and countries.
        Places = "places",
    }
}

/// One way of changing a text.
#[derive(Debug, Clone)]
pub enum Change {
    Terms(Terms),
    Case,
    Typos,
    Punctuation,
}

impl Change {
    /// Returns the change that tests a property with the built-in terms.
    pub fn of(property: Property) -> Self {
        match property {
            Property::Identity | Property::Synonyms | Property::Places => {
                Self::Terms(Terms::of(property))
            }
            Property::Case => Self::Case,
            Property::Typos => Self::Typos,
            Property::Punctuation => Self::Punctuation,
        }
    }

    /// Returns the property of its swaps in answers.
    pub fn property(&self) -> &'static str {
        match self {
            Self::Terms(terms) => terms.property,
            Self::Case => Property::Case.name(),
            Self::Typos => Property::Typos.name(),
            Self::Punctuation => Property::Punctuation.name(),
        }
    }
}

/// What is measured of a swap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effects {
    Prediction,
    /// Also the score of the swapped words.
    PredictionAndScore,
}

/// The options of one request.
#[derive(Debug, Clone)]
pub struct Probe {
    pub changes: Vec<Change>,
    /// Selects the typos, and the places to swap for.
    pub seed: u64,
    pub effects: Effects,
}

/// The swaps of one input.
#[derive(Debug, Clone)]
pub struct Swaps {
    /// Flips first, then by absolute probability shift, largest first.
    pub swaps: Vec<Swap>,
    /// The number of swaps beyond [`MOST`], and of those that the model cannot read because the
    /// changed text is too long.
    pub left_out: usize,
    pub finished: bool,
}

/// A change of the text, and its effect.
#[derive(Debug, Clone)]
pub struct Swap {
    /// The name of a [`Property`], or [`PAIRS`].
    pub property: &'static str,
    /// Which of the property's changes it is, such as `upper`; `None` if `from` and `to` say it.
    pub variant: Option<&'static str>,
    /// The changed part as it occurs in the text, and its replacement. For a change of case, the
    /// whole text.
    pub from: String,
    pub to: String,
    pub text: String,
    pub edits: Vec<Edit>,
    pub verdict: Verdict,
    /// Probability of each label after the swap minus before, `[labels]`.
    pub shifts: Vec<f64>,
    /// The shift of the input's label.
    pub probability_shift: f64,
    /// Score of the swapped words for that label's logit after the swap minus before.
    pub attribution_shift: Option<f64>,
    pub flipped: bool,
}

impl Swap {
    fn new(plan: Plan, text: String, verdict: Verdict, before: &Verdict) -> Self {
        let pairs = verdict.probabilities.iter().zip(&before.probabilities);
        let shifts: Vec<f64> = pairs.map(|(after, before)| after - before).collect();
        Self {
            property: plan.property,
            variant: plan.variant,
            from: plan.from,
            to: plan.to,
            text,
            edits: plan.edits,
            probability_shift: shifts[before.label],
            shifts,
            attribution_shift: None,
            flipped: verdict.label != before.label,
            verdict,
        }
    }
}

impl Found for Swaps {
    fn is_finished(&self) -> bool {
        self.finished
    }
}

impl Kind for Probe {
    type Found = Swaps;

    fn entry(&self) -> &'static Entry {
        &ENTRY
    }

    fn check(&self, _model: &Model) -> Result<()> {
        Ok(())
    }

    fn loads(&self, model: &Arc<Model>, encoding: &Encoding) -> Vec<Load> {
        let text = encoding.texts.first().map_or("", String::as_str);
        let (plans, _) = plans(self, model, text, encoding);
        let changed = plans.iter().map(|plan| plan.most_tokens(model, encoding));
        let of_text = |tokens| match self.effects {
            Effects::Prediction => vec![Load::forward(model, tokens, 1)],
            Effects::PredictionAndScore => vec![
                Load::forward(model, tokens, 2),
                Load::gradients(model, tokens, STEPS as usize),
            ],
        };
        std::iter::once(encoding.len()).chain(changed).flat_map(of_text).collect()
    }

    async fn find(&self, predictor: &Predictor, original: &Original<'_>) -> Result<Swaps> {
        let input = original.input;
        let (plans, left_out) = plans(self, predictor.model(), &input.text, original.encoding);
        let texts: Vec<String> =
            plans.iter().map(|plan| words::edited(&input.text, &plan.edits)).collect();
        let Some(verdicts) = predictor.texts(input, texts.clone()).await? else {
            return Ok(Swaps { swaps: Vec::new(), left_out, finished: false });
        };
        let unreadable = verdicts.iter().filter(|verdict| verdict.is_none()).count();
        let swap = |((plan, text), verdict): ((Plan, String), Option<Verdict>)| {
            Some(Swap::new(plan, text, verdict?, &original.verdict))
        };
        let made = plans.into_iter().zip(texts).zip(verdicts).filter_map(swap);
        let mut swaps: Vec<Swap> = made.collect();
        let finished = match self.effects {
            Effects::Prediction => true,
            Effects::PredictionAndScore => shifts::compute(predictor, original, &mut swaps).await?,
        };
        swaps.sort_by(|a, b| {
            let size = |swap: &Swap| swap.probability_shift.abs();
            b.flipped.cmp(&a.flipped).then(size(b).total_cmp(&size(a)))
        });
        Ok(Swaps { swaps, left_out: left_out + unreadable, finished })
    }
}

/// Returns the changes of `text` to try, at most [`MOST`], and the number of those left out. The
/// ways of changing a text take turns, so that none of them uses up the limit.
fn plans(probe: &Probe, model: &Model, text: &str, encoding: &Encoding) -> (Vec<Plan>, usize) {
    let of_change = |change: &Change| {
        let mut plans = Plans::default();
        match change {
            Change::Terms(terms) => terms::plan(terms, text, encoding, probe.seed, &mut plans),
            Change::Case => case::plan(text, encoding, &mut plans),
            Change::Typos => typos::plan(model, encoding, probe.seed, &mut plans),
            Change::Punctuation => punctuation::plan(text, encoding, &mut plans),
        }
        plans
    };
    let lists: Vec<Plans> = probe.changes.iter().map(of_change).collect();
    let left_out: usize = lists.iter().map(|list| list.left_out).sum();
    let mut all = Plans::default();
    for turn in 0..MOST {
        let of_turn = lists.iter().filter_map(|list| list.plans.get(turn));
        of_turn.for_each(|plan| all.push(plan.clone()));
    }
    (all.plans, all.left_out + left_out)
}

/// Returns the names of all properties in answers.
pub fn property_names() -> impl Iterator<Item = &'static str> {
    Property::NAMES.iter().copied().chain([PAIRS])
}
