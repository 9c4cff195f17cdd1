//! The importance of attention heads (Michel, Levy & Neubig 2019, arXiv:1905.10650): the derivative
//! of the scalar with respect to a factor on a head's context, at 1.
//!
//! A factor on the context of head h scales all of its attention weights A, so the derivative is
//! `Σ A ∂F/∂A` over the head's queries and keys.

use crate::attribution::Subject;
use crate::error::Result;
use crate::model::Model;
use crate::passes::Passes;
use crate::rows::{AttentionMap, MapHeads, MapKind, Maps, Norm, Reduce, Row, Scalar, Want};

/// Returns the importance of every head for a scalar, signed, `[layers][heads]`. Runs one gradient
/// row.
pub async fn scores(
    passes: &Passes,
    subject: Subject<'_>,
    scalar: &Scalar,
) -> Result<Vec<Vec<f64>>> {
    let want = Want::Gradients(Reduce::Norm(Norm::L2), vec![scalar.clone()]);
    let row = Row { maps: maps(passes.model()), ..subject.row(want) };
    Ok(of_maps(passes.run_one(row).await?.attention))
}

/// Returns the maps of a gradient row at the input that hold the importance.
pub fn maps(model: &Model) -> Maps {
    Maps { layers: (0..model.layers()).collect(), kind: MapKind::Gradients, heads: MapHeads::Sums }
}

pub fn of_maps(maps: Vec<AttentionMap>) -> Vec<Vec<f64>> {
    maps.into_iter().map(|map| map.weights).collect()
}
