//! Perturbed texts, in which some words are absent: the samples that rules are learnt from.

use std::collections::HashMap;
use std::sync::Arc;

use super::words::{self, Change};
use super::{OptionSpec, Original, Predictor, Takes, fill};
use crate::attribution::perturbation::{Perturbation, Replacement};
use crate::attribution::{MaskValues, Subject};
use crate::error::Result;
use crate::model::Model;
use crate::random::Generator;
use crate::rows::Row;
use crate::text::Unit;

/// The option that selects an [`Absent`].
pub const FILL: OptionSpec = OptionSpec {
    name: "fill",
    takes: Takes::Described("\"mask\", \"drop\" or {\"model\": ID}"),
    default: None,
    help: "Replacement for absent words: the mask token (the default of models that have one), \
           nothing, or words from a masked language model.",
};

/// What replaces an absent word.
#[derive(Clone)]
pub enum Absent {
    /// The model's own mask token, for each token of the word.
    Mask,
    /// Nothing; the word is removed.
    Drop,
    /// A word sampled from a masked language model.
    Fill(Arc<Model>),
}

impl Absent {
    /// Returns the default for a model: `Mask` if the tokenizer has a mask token, else `Drop`.
    pub fn fitting(model: &Model) -> Self {
        if model.text.mask().is_ok() { Self::Mask } else { Self::Drop }
    }
}

/// Which words are present, `[words]`.
pub type Present = Box<[bool]>;

/// A perturbed text and its predicted label.
#[derive(Debug, Clone)]
pub struct Sample {
    pub present: Present,
    pub label: usize,
    /// Set only if `present` does not determine the text.
    text: Option<String>,
}

impl Sample {
    /// Creates a sample whose text is determined by `present`.
    pub fn of(present: Present, label: usize) -> Self {
        Self { present, label, text: None }
    }
}

/// Predicts perturbed versions of one input. Equal texts are predicted once.
pub struct Surroundings<'a> {
    predictor: &'a Predictor,
    original: &'a Original<'a>,
    pub words: Vec<&'a Unit>,
    absent: Absent,
    labels: HashMap<Present, usize>,
    /// Rows run, over all models.
    pub rows: usize,
}

impl<'a> Surroundings<'a> {
    pub fn new(predictor: &'a Predictor, original: &'a Original<'a>, absent: &Absent) -> Self {
        Self {
            predictor,
            original,
            words: words::changeable(original.encoding),
            absent: absent.clone(),
            labels: HashMap::new(),
            rows: 0,
        }
    }

    /// Whether the present words determine the text, and so its label.
    pub fn is_determined(&self) -> bool {
        !matches!(self.absent, Absent::Fill(_))
    }

    /// Predicts the label of each draw; `None` if time runs out.
    pub async fn samples(
        &mut self,
        draws: Vec<Present>,
        generator: &mut Generator,
    ) -> Result<Option<Vec<Sample>>> {
        match self.absent.clone() {
            Absent::Fill(filler) => self.filled(draws, &filler, generator).await,
            Absent::Mask => {
                let mask = self.predictor.model().text.mask()?;
                self.replaced(draws, Replacement::Token(mask)).await
            }
            Absent::Drop => self.replaced(draws, Replacement::Removed).await,
        }
    }

    async fn replaced(
        &mut self,
        draws: Vec<Present>,
        replacement: Replacement,
    ) -> Result<Option<Vec<Sample>>> {
        let mut new: Vec<Present> =
            draws.iter().filter(|present| !self.labels.contains_key(*present)).cloned().collect();
        new.sort_unstable();
        new.dedup();
        let rows = self.perturbed(&new, replacement);
        let Some(verdicts) = self.predictor.rows(rows).await? else { return Ok(None) };
        self.rows += new.len();
        self.labels.extend(new.into_iter().zip(verdicts.iter().map(|verdict| verdict.label)));
        let sample = |present: Present| {
            let label = self.labels.get(&present).copied();
            label.map(|label| Sample::of(present, label))
        };
        Ok(Some(draws.into_iter().filter_map(sample).collect()))
    }

    fn perturbed(&self, draws: &[Present], replacement: Replacement) -> Vec<Row> {
        let reads = [].into();
        let (encoding, scalars) = (self.original.encoding, &[]);
        let mask_values = &MaskValues::default();
        let subject =
            Subject { encoding, reads: &reads, scalars, values: &[], mask_values, seed: 0 };
        let units = self.words.iter().map(|word| word.tokens.clone()).collect();
        let perturbation = Perturbation::new(self.predictor.model(), subject, units, replacement);
        draws.iter().map(|present| perturbation.row(|word| present[word])).collect()
    }

    async fn filled(
        &mut self,
        draws: Vec<Present>,
        filler: &Arc<Model>,
        generator: &mut Generator,
    ) -> Result<Option<Vec<Sample>>> {
        let (predictor, input) = (self.predictor, self.original.input);
        let absent_words = |present: &Present| -> Vec<&Unit> {
            let absent = self.words.iter().zip(present).filter(|(_, present)| !**present);
            absent.map(|(word, _)| *word).collect()
        };
        let absent: Vec<Vec<&Unit>> = draws.iter().map(absent_words).collect();
        let filled = fill::draw(predictor, filler, input, &absent, generator).await?;
        let Some(texts) = filled else { return Ok(None) };
        let Some(verdicts) = predictor.texts(input, texts.clone()).await? else {
            return Ok(None);
        };
        self.rows += 2 * draws.len();
        let sample = |((present, text), verdict): ((Present, String), Option<_>)| {
            let verdict: super::Verdict = verdict?;
            Some(Sample { present, label: verdict.label, text: Some(text) })
        };
        Ok(Some(draws.into_iter().zip(texts).zip(verdicts).filter_map(sample).collect()))
    }

    /// Returns the text of a sample for display.
    pub fn text(&self, sample: &Sample) -> String {
        if let Some(text) = &sample.text {
            return text.clone();
        }
        let text = &self.original.input.text;
        let mask = self.mask_piece();
        let masks: Vec<Option<String>> = self
            .words
            .iter()
            .map(|word| mask.as_ref().map(|mask| vec![mask.as_str(); word.tokens.len()].join(" ")))
            .collect();
        let words = self.words.iter().zip(&masks).zip(&sample.present);
        let absent = words.filter(|(_, present)| !**present);
        let changes: Vec<Change<'_>> =
            absent.map(|((word, mask), _)| (*word, mask.as_deref())).collect();
        words::edited(text, &words::edits(text, &changes))
    }

    /// Returns the text shown for each token of an absent word, if any.
    fn mask_piece(&self) -> Option<String> {
        let text = &self.predictor.model().text;
        match self.absent {
            Absent::Mask => text.mask().ok().map(|mask| text.piece(mask)),
            Absent::Drop | Absent::Fill(_) => None,
        }
    }
}
