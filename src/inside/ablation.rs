//! What changes without an attention head: the importance is a first-order estimate, so the most
//! important heads are switched off, one at a time.

use futures_util::future::try_join_all;

use super::part::{self, Part};
use crate::error::Result;
use crate::explanation::{Ablation, Resolved};
use crate::model::Model;
use crate::rows::{AttentionHead, Row, Want};

/// The most heads that are switched off.
const MOST: usize = 10;

/// Returns the number of heads that are switched off, with a forward row each.
pub fn count(model: &Model) -> usize {
    MOST.min(model.layers() * model.heads())
}

/// Switches off the heads with the largest `scores`, `[layers][heads]`, in magnitude; each in all
/// parts together.
pub async fn ablation(
    model: &Model,
    target: &Resolved,
    parts: &[Part<'_>],
    scores: &[Vec<f64>],
) -> Result<Ablation> {
    let heads = largest(scores, count(model));
    let changes = try_join_all(parts.iter().map(|part| changes(part, &heads))).await?;
    let sums = part::sum(parts.iter().map(|part| part.weight).zip(&changes)).concat();
    Ok(Ablation { target: target.clone(), heads: heads.into_iter().zip(sums).collect() })
}

/// Returns the change of the part's scalar without each of `heads`, a row each.
async fn changes(part: &Part<'_>, heads: &[AttentionHead]) -> Result<Vec<Vec<f64>>> {
    let row = |without: &AttentionHead| Row {
        without: Some(*without),
        ..part.subject.row(Want::Values(part.scalar().cloned().into_iter().collect()))
    };
    let outputs = part.passes.run(heads.iter().map(row).collect()).await?;
    Ok(outputs.iter().map(|output| vec![output.values[0] - part.subject.values[0]]).collect())
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
