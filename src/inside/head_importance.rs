//! The importance of attention heads (Michel, Levy & Neubig 2019, arXiv:1905.10650): the derivative
//! of the scalar with respect to a factor on a head's context, at 1.
//!
//! A factor on the context of head h scales all of its attention weights A, so the derivative is
//! `Σ A ∂F/∂A` over the head's queries and keys.

use crate::attribution::Subject;
use crate::error::Result;
use crate::passes::Passes;
use crate::rows::{MapHeads, MapKind, Maps, Norm, Reduce, Row, Scalar, Want};

/// Returns the importance of every head for a scalar, signed, `[layers][heads]`. Runs one gradient
/// row.
pub async fn scores(
    passes: &Passes,
    subject: Subject<'_>,
    scalar: &Scalar,
) -> Result<Vec<Vec<f64>>> {
    let maps = Maps {
        layers: (0..passes.model().layers()).collect(),
        kind: MapKind::Gradients,
        heads: MapHeads::Sums,
    };
    let want = Want::Gradients(Reduce::Norm(Norm::L2), vec![scalar.clone()]);
    let output = passes.run_one(Row { maps, ..subject.row(want) }).await?;
    Ok(output.attention.into_iter().map(|map| map.weights).collect())
}
