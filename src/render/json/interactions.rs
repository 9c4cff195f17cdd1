//! Scores of pairs of units.

use serde::Serialize;
use utoipa::ToSchema;

use super::number;
use crate::attribution::{self, Pairs};
use crate::choice::Choice as _;

/// What pairs of units do beyond what each does alone.
#[derive(Serialize, ToSchema)]
pub struct Interactions {
    /// `word`, `token`, `sentence` or `span`.
    #[schema(example = "word")]
    pub unit: &'static str,
    /// All pairs, largest magnitude first (`shapley_interactions`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pairs: Option<Vec<PairScore>>,
    /// Number of units of the first text and of the second (`pair_interactions`). Tokens are
    /// counted without special tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shape: Option<[usize; 2]>,
    /// A score per unit of the first text and unit of the second, `[first][second]`; 0 for units
    /// that cannot be taken away.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scores: Option<Vec<Vec<f32>>>,
}

/// The score of a pair.
#[derive(Serialize, ToSchema)]
pub struct PairScore {
    /// Two indices into `words`, or what `unit` names.
    pub units: [usize; 2],
    pub score: f32,
    /// 0 where all combinations were run.
    pub standard_error: f32,
}

pub fn json(of: &attribution::Interactions) -> Interactions {
    let none = Interactions { unit: of.unit.name(), pairs: None, shape: None, scores: None };
    match &of.pairs {
        Pairs::Ranked(pairs) => {
            let pair = |pair: &attribution::PairScore| PairScore {
                units: pair.units,
                score: number(pair.score),
                standard_error: number(pair.standard_error),
            };
            Interactions { pairs: Some(pairs.iter().map(pair).collect()), ..none }
        }
        Pairs::Between { units: [first, second], scores } => {
            let row = |row: &Vec<f64>| row.iter().map(|&score| number(score)).collect();
            Interactions {
                shape: Some([first.len(), second.len()]),
                scores: Some(scores.iter().map(row).collect()),
                ..none
            }
        }
    }
}
