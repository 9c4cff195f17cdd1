//! What changes without an attention head: the importance is a first-order estimate, so the most
//! important heads are switched off, one at a time.

use crate::attribution::Subject;
use crate::error::Result;
use crate::explanation::{Ablation, Resolved};
use crate::model::Model;
use crate::passes::Passes;
use crate::rows::{AttentionHead, Row, Want};

/// The most heads that are switched off.
const MOST: usize = 10;

/// Returns the number of heads that are switched off, with a forward row each.
pub fn count(model: &Model) -> usize {
    MOST.min(model.layers() * model.heads())
}

/// Switches off the heads with the largest `scores`, `[layers][heads]`, in magnitude.
pub async fn ablation(
    passes: &Passes,
    subject: Subject<'_>,
    target: &Resolved,
    scores: &[Vec<f64>],
) -> Result<Ablation> {
    let heads = largest(scores, count(passes.model()));
    let row = |without: &AttentionHead| Row {
        without: Some(*without),
        ..subject.row(Want::Values(vec![target.scalar.clone()]))
    };
    let outputs = passes.run(heads.iter().map(row).collect()).await?;
    let changes = outputs.iter().map(|output| output.values[0] - subject.values[0]);
    Ok(Ablation { target: target.clone(), heads: heads.into_iter().zip(changes).collect() })
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
