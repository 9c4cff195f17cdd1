//! The importance of attention heads (Michel, Levy & Neubig 2019, arXiv:1905.10650): the derivative
//! of the scalar with respect to a factor on a head's context, at 1.
//!
//! A factor on the context of head h scales all of its attention weights A, so the derivative is
//! `Σ A ∂F/∂A` over the head's queries and keys.

use super::part::Part;
use crate::error::Result;
use crate::model::Model;
use crate::rows::{AttentionMap, MapHeads, MapKind, Maps, Reduce, Row, Want};

/// Returns the importance of every head for the scalar of a part, signed, `[layers][heads]`. Runs
/// one gradient row.
pub async fn scores(part: &Part<'_>) -> Result<Vec<Vec<f64>>> {
    // The scores of tokens are not used: the cheapest ones.
    let want = Want::Gradients(Reduce::TimesInput, part.scalar().cloned().into_iter().collect());
    let row = Row { maps: maps(part.passes.model()), ..part.subject.row(want) };
    Ok(of_maps(part.passes.run_one(row).await?.attention))
}

/// Returns the maps of a gradient row at the input that hold the importance.
pub fn maps(model: &Model) -> Maps {
    Maps { layers: (0..model.layers()).collect(), kind: MapKind::Gradients, heads: MapHeads::Sums }
}

pub fn of_maps(maps: Vec<AttentionMap>) -> Vec<Vec<f64>> {
    maps.into_iter().map(|map| map.weights).collect()
}
