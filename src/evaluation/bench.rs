//! Test bench of the measures: runs one target of one input without some of its units.

use super::Settings;
use crate::attribution::perturbation::{self, Mask, Perturbation, Replacement, UnitKind};
use crate::attribution::{Attribution, MaskValues, MethodEntry, Options, Subject};
use crate::error::{Error, Result};
use crate::passes::Passes;
use crate::rows::{Output, Scalar};

/// One method's scores, and how they were computed.
pub struct Scored<'a> {
    pub method: &'static MethodEntry,
    pub options: &'a Options,
    /// `[tokens]`
    pub scores: &'a [f64],
    /// Number of rows that the scores took.
    pub rows: usize,
}

/// The outputs of the model for one target, without some units.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TargetValue {
    /// The explained scalar.
    pub scalar: f64,
    /// The target's probability.
    pub probability: f64,
}

/// One target and its values, which the measures share.
pub struct Bench<'a> {
    pub settings: &'a Settings,
    /// Rows fail with `deadline_exceeded` while there is still time to respond.
    passes: Passes,
    /// Its first scalar is measured.
    subject: Subject<'a>,
    /// The target's probability at the unperturbed input.
    probability: f64,
    perturbation: Perturbation<'a>,
    /// Values for methods that are run with other options.
    reruns: MaskValues,
}

/// Returns the outputs of the explained scalar as probabilities.
pub fn probability(explained: &Scalar) -> Scalar {
    match explained {
        Scalar::Sum { terms, .. } => {
            Scalar::Sum { output: Output::Probability, terms: terms.clone() }
        }
        Scalar::Highest(_) => Scalar::Highest(Output::Probability),
        cosine @ Scalar::Cosine(_) => cosine.clone(),
    }
}

impl<'a> Bench<'a> {
    /// Creates a bench for the first scalar of a `subject` whose mask values include its
    /// [`probability`], and that probability at the unperturbed input.
    pub fn new(
        passes: &'a Passes,
        subject: Subject<'a>,
        probability: f64,
        settings: &'a Settings,
    ) -> Result<Self> {
        let model = passes.model();
        let replacement = Replacement::of(settings.replacement, model)
            .map_err(|error| Error::field("/evaluate/replacement", error.detail))?;
        let units = perturbation::units(subject.encoding, settings.unit);
        let perturbation = Perturbation::new(model, subject, units, replacement);
        let passes = passes.expendable();
        let reruns = MaskValues::default();
        Ok(Self { settings, passes, subject, probability, perturbation, reruns })
    }

    /// Returns the number of tokens in the input.
    pub fn tokens(&self) -> usize {
        self.subject.encoding.tokens.len()
    }

    /// Fails with `deadline_exceeded` if so many rows would not be done in time. There is always
    /// time for zero rows.
    pub fn check_time_for(&self, rows: usize) -> Result<()> {
        match rows == 0 || self.passes.have_time_for(rows) {
            true => Ok(()),
            false => Err(self.passes.late()),
        }
    }

    pub fn seed(&self) -> u64 {
        self.subject.seed
    }

    /// Returns the number of units.
    pub fn units(&self) -> usize {
        self.perturbation.count()
    }

    /// Sums the method's scores per unit.
    pub fn by_unit(&self, scored: &Scored<'_>) -> Vec<f64> {
        let sum = |tokens: &Vec<usize>| tokens.iter().map(|&token| scored.scores[token]).sum();
        self.perturbation.units().tokens.iter().map(sum).collect()
    }

    /// Sums token scores per word.
    pub fn words_of(&self, scores: &[f64]) -> Vec<f64> {
        let words = perturbation::units(self.subject.encoding, UnitKind::Word);
        words.iter().map(|tokens| tokens.iter().map(|&token| scores[token]).sum()).collect()
    }

    /// Returns the scores of the tokens that the text consists of, and whether the rationale
    /// contains each.
    pub fn rationale(&self, scores: &[f64]) -> (Vec<f64>, Vec<bool>) {
        let encoding = self.subject.encoding;
        let content = (0..encoding.tokens.len()).filter(|&token| encoding.is_content(token));
        content
            .map(|token| (scores[token], encoding.rationale.binary_search(&token).is_ok()))
            .unzip()
    }

    /// Returns the values at the unperturbed input.
    pub fn unperturbed(&self) -> TargetValue {
        TargetValue { scalar: self.subject.values[0], probability: self.probability }
    }

    /// Returns the values with only the units of each mask present.
    pub async fn values(&self, masks: &[Mask]) -> Result<Vec<TargetValue>> {
        let values = self.perturbation.values_and_more(&self.passes, masks).await?;
        let value = |of: &Vec<f64>| Some(TargetValue { scalar: of[0], probability: *of.last()? });
        Ok(values.iter().filter_map(value).collect())
    }

    /// Computes a method's scores of the explained scalar with other options.
    pub async fn rerun(&self, method: &MethodEntry, options: &Options) -> Result<Attribution> {
        let scalars = &self.subject.scalars[..1];
        let (values, mask_values) = (&self.subject.values[..1], &self.reruns);
        let subject = Subject { scalars, values, mask_values, ..self.subject };
        let mut attributions = (method.run)(&self.passes, subject, options).await?;
        match attributions.pop() {
            // Scores from fewer samples than before are not comparable.
            Some(result) if result.sampling.is_some_and(|sampling| !sampling.finished) => {
                Err(self.passes.late())
            }
            Some(result) => Ok(result),
            None => Err(Error::internal("a method returned no scores")),
        }
    }
}
