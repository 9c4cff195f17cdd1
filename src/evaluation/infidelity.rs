//! Infidelity (Yeh et al. 2019): how badly the scores predict what happens without random units.

use futures_util::FutureExt;

use super::statistics::mean;
use super::{Bench, MeasureEntry, Scored, Value};
use crate::attribution::perturbation::random_mask;
use crate::error::Result;
use crate::random::Generator;

/// Number of random sets of units.
const SAMPLES: usize = 64;

/// Stream of the seed that they are drawn from.
const STREAM: u64 = 2 << 32;

pub const ENTRY: MeasureEntry = MeasureEntry {
    name: "infidelity",
    summary: "Mean squared error of the scores' sum over random sets of units as a prediction of \
              the explained scalar's drop without them, with the scores scaled optimally; as a \
              share of the drops' mean square, so 0 is perfect and 1 predicts nothing.",
    paper: "Yeh et al. 2019, arXiv:1901.09392",
    better: "lower",
    cost: |_, _, _| SAMPLES,
    run: |bench, scored| run(bench, scored).boxed(),
};

/// Returns `E[(β Σ_{u ∈ I} φ_u - (F(x) - F(x without I)))²] / E[(F(x) - F(x without I))²]`. I is a
/// set of between one and all units, and β the optimal scale (Captum's `normalize`).
async fn run(bench: &Bench<'_>, scored: &Scored<'_>) -> Result<Option<Value>> {
    let scores = bench.by_unit(scored);
    let mut generator = Generator::stream(bench.seed(), STREAM);
    let masks: Vec<Vec<bool>> =
        (0..SAMPLES).map(|_| random_mask(&mut generator, scores.len())).collect();
    let full = bench.unperturbed().scalar;
    let drops: Vec<f64> = bench.values(&masks).await?.iter().map(|v| full - v.scalar).collect();
    let sum = |present: &Vec<bool>| {
        scores.iter().zip(present).filter(|(_, present)| !**present).map(|(s, _)| s).sum::<f64>()
    };
    let sums: Vec<f64> = masks.iter().map(sum).collect();
    Ok(unexplained_share(&sums, &drops).map(Value::Number))
}

/// Returns the share of `drops` that `sums` do not explain; `None` if there are no drops.
fn unexplained_share(sums: &[f64], drops: &[f64]) -> Option<f64> {
    let product =
        |a: &[f64], b: &[f64]| mean(&a.iter().zip(b).map(|(a, b)| a * b).collect::<Vec<f64>>());
    let (own, total) = (product(sums, sums), product(drops, drops));
    let explained = if own > 0. { product(sums, drops).powi(2) / own } else { 0. };
    (total > 0.).then(|| ((total - explained) / total).max(0.))
}

#[cfg(test)]
mod tests {
    use super::unexplained_share;

    #[test]
    fn scale_does_not_matter_and_direction_does() {
        let drops = [1., -2., 3.];
        assert!(unexplained_share(&[10., -20., 30.], &drops).unwrap() < 1e-12);
        assert_eq!(unexplained_share(&[0.; 3], &drops), Some(1.));
        assert!(unexplained_share(&[2., 1., 0.], &drops).unwrap() > 0.99);
        assert_eq!(unexplained_share(&[1.; 3], &[0.; 3]), None);
    }
}
