//! Counterfactuals: the fewest words that, deleted or replaced, flip the prediction.
//!
//! Every returned text was tokenised and predicted exactly as returned. Its edits are minimal:
//! no proper subset of them flips the prediction.

mod candidates;
mod choose;
mod minimal;
mod rechoose;
mod search;
mod trials;

use std::sync::Arc;

use super::words::Edit;
use super::{
    Entry, Found, Kind, OptionSpec, Original, Predictor, Takes, Verdict, fill, masked_path, words,
};
use crate::attribution::options::Preset;
use crate::error::Result;
use crate::explanation::Load;
use crate::model::Model;
use crate::text::{Encoding, Unit};

pub static ENTRY: Entry = Entry {
    name: "counterfactuals",
    route: "/counterfactuals",
    summary: "The fewest words that, deleted or replaced, flip the prediction; each text is \
              predicted as returned, and none of its edits can be undone.",
    paper: "Ebrahimi, Rao, Lowd & Dou 2018, arXiv:1712.06751; Ross, Marasović & Peters 2021, \
            arXiv:2012.13985",
    cost_note: "at most max_rows forward rows, 4 to 132 gradient rows; with a masked language \
                model, 4 gradient rows and one row of it per word",
    options: &[
        OptionSpec {
            name: "n",
            takes: Takes::integer(1, 20),
            default: Some(Preset::Integer(3)),
            help: "Maximum number of counterfactuals per input.",
        },
        OptionSpec {
            name: "keep",
            takes: Takes::Described("a list of words and phrases"),
            default: None,
            help: "Words that must not change.",
        },
        OptionSpec {
            name: "to",
            takes: Takes::Described("a label of the model"),
            default: None,
            help: "The target label; by default any label other than the predicted one.",
        },
        OptionSpec {
            name: "max_edits",
            takes: Takes::integer(1, 32),
            default: None,
            help: "Maximum number of changed words; by default a fifth of the words, from 3 to 12.",
        },
        OptionSpec {
            name: "fill",
            takes: Takes::Described("{\"model\": ID}"),
            default: None,
            help: "A masked language model that proposes words; by default they are the nearest \
                   ones in the model's own embedding table.",
        },
        OptionSpec {
            name: "max_rows",
            takes: Takes::integer(100, 20_000),
            default: Some(Preset::Integer(2_000)),
            help: "Maximum number of rows per input.",
        },
    ],
};

/// The options of one request.
#[derive(Clone)]
pub struct Counterfactuals {
    /// The most counterfactuals to return.
    pub n: usize,
    /// Words and phrases that must not change.
    pub keep: Vec<String>,
    /// The target label. `None` means any label except the predicted one.
    pub to: Option<usize>,
    /// The most words to change. By default it depends on the length of the text.
    pub max_edits: Option<usize>,
    /// The masked language model that proposes words. `None` uses the embedding table.
    pub filler: Option<Arc<Model>>,
    pub max_rows: usize,
}

/// The counterfactuals of one input.
#[derive(Debug, Clone)]
pub struct Flips {
    /// Fewest edits first.
    pub flips: Vec<Flip>,
    /// Why `flips` is empty.
    pub reason: Option<Reason>,
    /// Words that may be changed.
    pub words: usize,
    /// The most words that a text may change.
    pub max_edits: usize,
    /// Rows run, over all models.
    pub rows: usize,
    pub finished: bool,
}

/// A changed text that has another label.
#[derive(Debug, Clone)]
pub struct Flip {
    pub text: String,
    /// In text order.
    pub edits: Vec<Edit>,
    pub verdict: Verdict,
}

/// Why no counterfactual was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The model already predicts the target label.
    Already,
    /// No word may be changed.
    AllKept,
    /// None of the changes that were tried flips the prediction.
    NoneFlips,
    /// The time or the rows of the request ran out.
    Stopped,
}

impl Found for Flips {
    fn is_finished(&self) -> bool {
        self.finished
    }
}

impl Counterfactuals {
    /// Returns the words that may be changed.
    fn words<'a>(&self, original: &Original<'a>) -> Vec<&'a Unit> {
        let all = words::changeable(original.encoding);
        let kept = words::matching(&original.input.text, &original.encoding.words, &self.keep);
        all.into_iter().filter(|word| !kept.contains(&(word.start, word.end))).collect()
    }
}

impl Kind for Counterfactuals {
    type Found = Flips;

    fn entry(&self) -> &'static Entry {
        &ENTRY
    }

    fn depends_on(&self) -> String {
        self.filler.as_ref().map(|filler| filler.revision.clone()).unwrap_or_default()
    }

    fn check(&self, _model: &Model) -> Result<()> {
        match &self.filler {
            Some(filler) => fill::check(filler, "/fill/model"),
            None => Ok(()),
        }
    }

    fn loads(&self, model: &Arc<Model>, encoding: &Encoding) -> Vec<Load> {
        let tokens = encoding.len();
        let climbs = if self.filler.is_some() { 0 } else { search::CLIMBS };
        let gradients = masked_path::POINTS * (1 + climbs * search::BEAM);
        let mut loads = vec![
            Load::forward(model, tokens, self.max_rows),
            Load::gradients(model, tokens, gradients),
        ];
        if let Some(filler) = &self.filler {
            loads.push(Load::forward(filler, tokens, encoding.words.len()));
        }
        loads
    }

    async fn find(&self, predictor: &Predictor, original: &Original<'_>) -> Result<Flips> {
        let words = self.words(original);
        let max_edits = self.max_edits.unwrap_or_else(|| search::most_edits(words.len()));
        let none = |reason| Flips {
            flips: Vec::new(),
            reason: Some(reason),
            words: words.len(),
            max_edits,
            rows: 0,
            finished: true,
        };
        if self.to == Some(original.verdict.label) {
            return Ok(none(Reason::Already));
        }
        if words.is_empty() {
            return Ok(none(Reason::AllKept));
        }
        let search = search::Search::new(self, predictor, original, words.clone(), max_edits);
        search.run().await
    }
}
