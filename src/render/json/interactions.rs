//! Scores of pairs of units.

use serde::Serialize;
use utoipa::ToSchema;

use super::number;
use crate::attribution;
use crate::choice::Choice as _;

/// What pairs of units do beyond what each does alone.
#[derive(Serialize, ToSchema)]
pub struct Interactions {
    /// `word`, `token`, `sentence` or `span`.
    #[schema(example = "word")]
    pub unit: &'static str,
    /// Largest magnitude first.
    pub pairs: Vec<PairScore>,
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

pub fn json(interactions: attribution::Interactions) -> Interactions {
    let pair = |pair: attribution::PairScore| PairScore {
        units: pair.units,
        score: number(pair.score),
        standard_error: number(pair.standard_error),
    };
    Interactions {
        unit: interactions.unit.name(),
        pairs: interactions.pairs.into_iter().map(pair).collect(),
    }
}
