//! Reduces flips to minimal sets of changes.

use super::super::step::{Step, go};
use super::trials::{Changes, Trials};

/// Sets of up to this many changes are reduced exhaustively.
const EXHAUSTIVE: usize = 4;

/// Returns the smallest subset of `changes` that still flips the prediction. Larger sets first
/// lose single changes, down to `EXHAUSTIVE` or until none can be dropped. If it has to
/// stop, it returns no set, because one that is not reduced is not a result.
pub async fn reduced(trials: &mut Trials<'_>, mut changes: Changes) -> Step<Changes> {
    while changes.len() > EXHAUSTIVE {
        let smaller: Vec<Changes> = (0..changes.len()).map(|i| without(&changes, i)).collect();
        go!(trials.predict(&smaller).await?);
        match surest(trials, smaller) {
            Some(smaller) => changes = smaller,
            None => return Ok(Ok(changes)),
        }
    }
    let count = changes.len();
    let subset = |bits: usize| -> Changes {
        (0..count).filter(|i| bits >> i & 1 == 1).map(|i| changes[i].clone()).collect()
    };
    // All non-empty proper subsets.
    let mut subsets: Vec<Changes> = (1..(1_usize << count) - 1).map(subset).collect();
    go!(trials.predict(&subsets).await?);
    subsets.sort_by_key(Vec::len);
    let least = subsets.iter().find(|subset| trials.flips(subset)).map(Vec::len);
    let Some(least) = least else { return Ok(Ok(changes)) };
    subsets.retain(|subset| subset.len() == least);
    Ok(Ok(surest(trials, subsets).unwrap_or(changes)))
}

fn without(changes: &Changes, index: usize) -> Changes {
    let mut smaller = changes.clone();
    smaller.remove(index);
    smaller
}

/// Returns the flip with the largest margin, if any flips.
fn surest(trials: &Trials<'_>, all: Vec<Changes>) -> Option<Changes> {
    let flips = all.into_iter().filter(|changes| trials.flips(changes));
    flips.max_by(|a, b| trials.margin(a).total_cmp(&trials.margin(b)))
}
