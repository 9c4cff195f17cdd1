//! The importance of attention heads (Michel, Levy & Neubig 2019, arXiv:1905.10650): the derivative
//! of the scalar with respect to a factor on a head's context, at 1.
//!
//! A factor on the context of head h scales all of its attention weights A, so the derivative is
//! `Σ A ∂F/∂A` over the head's queries and keys. It is a first-order estimate, so the most important
//! heads are also switched off.

use crate::attribution::Subject;
use crate::error::Result;
use crate::explanation::{HeadImportance, Resolved};
use crate::model::Model;
use crate::passes::Passes;
use crate::rows::{AttentionHead, MapHeads, MapKind, Maps, Norm, Reduce, Row, Scalar, Want};

/// The most heads that are switched off to check their importance.
const ABLATED: usize = 10;

/// Returns the number of forward rows besides the gradient row.
pub fn ablations(model: &Model) -> usize {
    ABLATED.min(model.layers() * model.heads())
}

/// Runs one gradient row, and one forward row for each of the most important heads.
pub async fn head_importance(
    passes: &Passes,
    subject: Subject<'_>,
    target: &Resolved,
) -> Result<HeadImportance> {
    let scores = scores(passes, subject, &target.scalar).await?;
    let heads = largest(&scores, ablations(passes.model()));
    let row = |without: &AttentionHead| Row {
        without: Some(*without),
        ..subject.row(Want::Values(vec![target.scalar.clone()]))
    };
    let outputs = passes.run(heads.iter().map(row).collect()).await?;
    let changes = outputs.iter().map(|output| output.values[0] - subject.values[0]);
    let ablated = heads.into_iter().zip(changes).collect();
    Ok(HeadImportance { target: target.clone(), scores, ablated })
}

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

/// Returns the `count` heads with the largest scores in magnitude, largest first.
fn largest(scores: &[Vec<f64>], count: usize) -> Vec<AttentionHead> {
    let of_layer = |(layer, heads): (usize, &Vec<f64>)| {
        (0..heads.len()).map(move |head| AttentionHead { layer, head })
    };
    let mut heads: Vec<AttentionHead> = scores.iter().enumerate().flat_map(of_layer).collect();
    let size = |one: &AttentionHead| scores[one.layer][one.head].abs();
    heads.sort_by(|a, b| size(b).total_cmp(&size(a)).then(a.cmp(b)));
    heads.truncate(count);
    heads
}
