//! What measures run on: one target of one input, with some of its units away.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Settings;
use crate::attribution::perturbation::{self, Perturbation, Replacement};
use crate::attribution::{Attribution, MethodEntry, Options, Subject};
use crate::error::{Error, Result};
use crate::passes::Passes;
use crate::rows::{Output, Scalar};

/// One method's scores.
pub struct Scored<'a> {
    pub method: &'static MethodEntry,
    pub options: &'a Options,
    /// `[tokens]`
    pub scores: &'a [f64],
    /// What they took.
    pub rows: usize,
}

/// What the model says where some units are there and the others are not.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Said {
    /// The explained scalar.
    pub scalar: f64,
    /// The target's probability.
    pub probability: f64,
}

/// One target, and what is known of it so far: measures ask for the same inputs.
pub struct Bench<'a> {
    pub settings: &'a Settings,
    /// Whose rows fail with `deadline_exceeded` while there is time to answer still.
    passes: Passes,
    subject: Subject<'a>,
    perturbation: Perturbation<'a>,
    known: Mutex<HashMap<Vec<bool>, Said>>,
}

/// The explained scalar and the same outputs as probabilities.
pub fn scalars(explained: &Scalar) -> [Scalar; 2] {
    let probability = match explained {
        Scalar::Sum { terms, .. } => {
            Scalar::Sum { output: Output::Probability, terms: terms.clone() }
        }
        cosine @ Scalar::Cosine(_) => cosine.clone(),
    };
    [explained.clone(), probability]
}

impl<'a> Bench<'a> {
    /// `subject` has the two scalars of [`scalars`].
    pub fn new(passes: &'a Passes, subject: Subject<'a>, settings: &'a Settings) -> Result<Self> {
        let model = passes.model();
        let replacement = Replacement::of(settings.replacement, model)
            .map_err(|error| Error::field("/evaluate/replacement", error.detail))?;
        let units = perturbation::units(subject.encoding, settings.unit);
        let perturbation = Perturbation::new(model, subject, units, replacement);
        let passes = passes.expendable();
        Ok(Self { settings, passes, subject, perturbation, known: Mutex::default() })
    }

    /// Tokens of the input.
    pub fn tokens(&self) -> usize {
        self.subject.encoding.tokens.len()
    }

    /// Fails with `deadline_exceeded` where so many rows would not be done in time. For
    /// none there is always time.
    pub fn check_time_for(&self, rows: usize) -> Result<()> {
        match rows == 0 || self.passes.have_time_for(rows) {
            true => Ok(()),
            false => Err(self.passes.late()),
        }
    }

    pub fn seed(&self) -> u64 {
        self.subject.seed
    }

    /// How many units there are.
    pub fn units(&self) -> usize {
        self.perturbation.count()
    }

    /// The scores of the units.
    pub fn by_unit(&self, scored: &Scored<'_>) -> Vec<f64> {
        let sum = |tokens: &Vec<usize>| tokens.iter().map(|&token| scored.scores[token]).sum();
        self.perturbation.units().tokens.iter().map(sum).collect()
    }

    /// Token scores as scores of words.
    pub fn words_of(&self, scores: &[f64]) -> Vec<f64> {
        let words = perturbation::units(self.subject.encoding, "word");
        words.iter().map(|tokens| tokens.iter().map(|&token| scores[token]).sum()).collect()
    }

    /// What is said of the whole input.
    pub fn whole(&self) -> Said {
        Said { scalar: self.subject.values[0], probability: self.subject.values[1] }
    }

    /// What is said where only the units of each mask are there.
    pub async fn say(&self, masks: &[Vec<bool>]) -> Result<Vec<Said>> {
        let mut fresh: Vec<&Vec<bool>> = Vec::new();
        for mask in masks {
            if !self.known().contains_key(mask) && !fresh.contains(&mask) {
                fresh.push(mask);
            }
        }
        let rows = fresh.iter().map(|mask| self.perturbation.row(|unit| mask[unit])).collect();
        let outputs = self.passes.run(rows).await?;
        let said = outputs
            .into_iter()
            .map(|output| Said { scalar: output.values[0], probability: output.values[1] });
        self.known().extend(fresh.into_iter().cloned().zip(said));
        Ok(masks.iter().map(|mask| self.known()[mask]).collect())
    }

    /// A method's scores of the explained scalar by other options.
    pub async fn again(&self, method: &MethodEntry, options: &Options) -> Result<Attribution> {
        let scalars = &self.subject.scalars[..1];
        let subject = Subject { scalars, values: &self.subject.values[..1], ..self.subject };
        let mut attributions = (method.run)(&self.passes, subject, options).await?;
        match attributions.pop() {
            // Of fewer samples than the first time, the two do not compare.
            Some(one) if one.sampling.is_some_and(|sampling| !sampling.finished) => {
                Err(self.passes.late())
            }
            Some(one) => Ok(one),
            None => Err(Error::internal("a method gave no scores")),
        }
    }

    fn known(&self) -> MutexGuard<'_, HashMap<Vec<bool>, Said>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
