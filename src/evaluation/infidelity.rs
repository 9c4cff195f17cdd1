//! Infidelity (Yeh et al. 2019): how far the scores are from saying what happens
//! when random units are taken away.

use futures_util::FutureExt;

use super::statistics::mean;
use super::{Bench, MeasureEntry, Scored, Value};
use crate::error::Result;
use crate::random::Generator;

/// Random sets of units.
const SAMPLES: usize = 64;

/// The sequence of the seed that they are drawn from.
const STREAM: u64 = 2 << 32;

pub const ENTRY: MeasureEntry = MeasureEntry {
    name: "infidelity",
    summary: "Mean squared error of the scores' sum over random sets of units as a prediction of \
              how much the explained scalar falls without them, the scores scaled as suits them \
              best; as a share of the falls' mean square, so 0 is perfect and 1 says nothing.",
    paper: "Yeh et al. 2019, arXiv:1901.09392",
    better: "lower",
    cost: |_, _, _| SAMPLES,
    run: |bench, scored| run(bench, scored).boxed(),
};

/// `E[(β Σ_{u ∈ I} φ_u - (F(x) - F(x without I)))²] / E[(F(x) - F(x without I))²]`,
/// I a set of between one and all units, β the best scale (as Captum's
/// `normalize`).
async fn run(bench: &Bench<'_>, scored: &Scored<'_>) -> Result<Option<Value>> {
    let scores = bench.by_unit(scored);
    let mut generator = Generator::stream(bench.seed(), STREAM);
    let mut sample = |_| {
        let away = 1 + generator.below(scores.len());
        let mut present = vec![true; scores.len()];
        generator.choose(away, scores.len()).into_iter().for_each(|unit| present[unit] = false);
        present
    };
    let masks: Vec<Vec<bool>> = (0..SAMPLES).map(&mut sample).collect();
    let whole = bench.whole().scalar;
    let falls: Vec<f64> = bench.say(&masks).await?.iter().map(|said| whole - said.scalar).collect();
    let sum = |present: &Vec<bool>| {
        scores.iter().zip(present).filter(|(_, present)| !**present).map(|(s, _)| s).sum::<f64>()
    };
    let sums: Vec<f64> = masks.iter().map(sum).collect();
    Ok(share_unsaid(&sums, &falls).map(Value::Number))
}

/// None where nothing falls.
fn share_unsaid(sums: &[f64], falls: &[f64]) -> Option<f64> {
    let product =
        |a: &[f64], b: &[f64]| mean(&a.iter().zip(b).map(|(a, b)| a * b).collect::<Vec<f64>>());
    let (own, all) = (product(sums, sums), product(falls, falls));
    let said = if own > 0. { product(sums, falls).powi(2) / own } else { 0. };
    (all > 0.).then(|| ((all - said) / all).max(0.))
}

#[cfg(test)]
mod tests {
    use super::share_unsaid;

    #[test]
    fn scale_does_not_matter_and_direction_does() {
        let falls = [1., -2., 3.];
        assert!(share_unsaid(&[10., -20., 30.], &falls).unwrap() < 1e-12);
        assert_eq!(share_unsaid(&[0.; 3], &falls), Some(1.));
        assert!(share_unsaid(&[2., 1., 0.], &falls).unwrap() > 0.99);
        assert_eq!(share_unsaid(&[1.; 3], &[0.; 3]), None);
    }
}
