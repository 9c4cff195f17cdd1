//! What a predictor answers for one text, and the scores of all labels that it means.

use super::failed;
use crate::error::{Code, Error, Result};

/// The answer for one text.
#[derive(Debug, Clone, PartialEq)]
pub enum Answered {
    /// In the order of the labels.
    Scores(Vec<f64>),
    Named(Vec<(String, f64)>),
    /// Only the predicted label.
    Label(String),
}

impl Answered {
    /// Returns the names of the outputs, as far as the answer tells.
    pub fn labels(&self) -> Result<Vec<String>> {
        match self {
            Self::Scores(scores) => Ok(crate::heads::placeholders(scores.len())),
            Self::Named(named) => Ok(named.iter().map(|(name, _)| name.clone()).collect()),
            Self::Label(label) => {
                let detail = format!(
                    "the predictor answers with a label, {label:?}; configure predictor.labels with \
                     all of them"
                );
                Err(Error::new(Code::PredictorFailed, detail))
            }
        }
    }

    /// Returns the score of each label: finite numbers. A label alone, or its index, has the
    /// score 1.
    pub fn scores(&self, labels: &[String]) -> Result<Vec<f64>> {
        let scores = match self {
            Self::Scores(scores) if scores.len() == labels.len() => scores.clone(),
            Self::Scores(scores) => match scores[..] {
                [index]
                    if index.fract() == 0. && index >= 0. && (index as usize) < labels.len() =>
                {
                    one_hot(index as usize, labels.len())
                }
                _ => {
                    let (found, known) = (scores.len(), labels.len());
                    return Err(failed(format!(
                        "has {found} scores, and there are {known} labels"
                    )));
                }
            },
            Self::Named(named) => {
                let score = |label: &String| {
                    let found = named.iter().find(|(name, _)| name == label);
                    found
                        .map(|(_, score)| *score)
                        .ok_or_else(|| failed(format!("has no score of {label}")))
                };
                labels.iter().map(score).collect::<Result<_>>()?
            }
            Self::Label(label) => {
                let index = labels.iter().position(|name| name == label);
                let index =
                    index.ok_or_else(|| failed(format!("has the unknown label {label:?}")))?;
                one_hot(index, labels.len())
            }
        };
        match scores.iter().all(|score| score.is_finite()) {
            true => Ok(scores),
            false => Err(failed("has a number that is not finite")),
        }
    }
}

fn one_hot(index: usize, count: usize) -> Vec<f64> {
    (0..count).map(|label| f64::from(u8::from(label == index))).collect()
}
