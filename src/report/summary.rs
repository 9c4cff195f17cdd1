//! Figures over all texts, with intervals.

use std::time::Duration;

use super::run::{CONVERGED, MEAN_RANK, mean_of, values_of};
use super::{Record, verdict};
use crate::evaluation::REFERENCE;
use crate::evaluation::statistics::mean;
use crate::model::Model;
use crate::random::Generator;

/// Resamples of a bootstrap.
const RESAMPLES: usize = 1_000;

/// A mean and the bootstrap's 95 % interval around it (Efron 1979, percentiles).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    pub mean: f64,
    pub low: f64,
    pub high: f64,
}

impl Interval {
    /// None of nothing.
    pub fn of(values: &[f64], seed: u64) -> Option<Self> {
        let count = values.len();
        let mut generator = Generator::stream(seed, 0);
        let mut resample =
            |_| (0..count).map(|_| values[generator.below(count)]).sum::<f64>() / count as f64;
        if count == 0 {
            return None;
        }
        let mut means: Vec<f64> = (0..RESAMPLES).map(&mut resample).collect();
        means.sort_by(f64::total_cmp);
        let at = |share: f64| means[((RESAMPLES - 1) as f64 * share).round() as usize];
        Some(Self { mean: mean(values), low: at(0.025), high: at(0.975) })
    }
}

/// One method over all texts.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    pub method: String,
    pub comprehensiveness: Option<Interval>,
    pub sufficiency: Option<Interval>,
    pub infidelity: Option<Interval>,
    pub loo_correlation: Option<Interval>,
    pub mean_rank: Option<Interval>,
    /// Of other baselines: how far the scores move.
    pub baseline_change: Option<f64>,
    pub effective_words: Option<f64>,
    /// Share of the texts where it converged, of methods that promise it.
    pub converged: Option<f64>,
    pub compute: Duration,
    pub forward_rows: f64,
    pub gradient_rows: f64,
}

/// Everything that the report says.
#[derive(Debug, Clone)]
pub struct Summary {
    pub model: String,
    pub revision: String,
    pub architecture: &'static str,
    /// What the texts are from, in the reader's words.
    pub data: String,
    pub texts: usize,
    pub failed: usize,
    pub tokens: f64,
    pub accuracy: Option<f64>,
    pub seed: u64,
    /// Best mean rank first.
    pub rows: Vec<Row>,
    pub random: Option<Row>,
    /// Methods in the order of the matrix.
    pub names: Vec<String>,
    /// Mean Spearman correlation of each two, `[names][names]`.
    pub agreement: Vec<Vec<Option<f64>>>,
    /// Sentences for the reader, most important first.
    pub verdict: Vec<String>,
}

impl Summary {
    pub fn new(model: &Model, data: &str, records: &[Record], failed: usize, seed: u64) -> Self {
        let names: Vec<String> = records
            .first()
            .map(|record| record.methods.iter().map(|method| method.name.clone()).collect())
            .unwrap_or_default();
        let mut rows: Vec<Row> =
            names.iter().filter(|name| *name != REFERENCE).map(|n| row(records, n, seed)).collect();
        let rank = |row: &Row| row.mean_rank.map_or(f64::INFINITY, |rank| rank.mean);
        rows.sort_by(|a, b| rank(a).total_cmp(&rank(b)));
        let random = names.iter().find(|name| *name == REFERENCE).map(|n| row(records, n, seed));
        let order: Vec<String> = rows.iter().map(|row| row.method.clone()).collect();
        let tokens: Vec<f64> = records.iter().map(|record| record.tokens as f64).collect();
        Self {
            model: model.id.clone(),
            revision: model.revision.clone(),
            architecture: model.architecture,
            data: data.to_owned(),
            texts: records.len(),
            failed,
            tokens: if tokens.is_empty() { 0. } else { mean(&tokens) },
            accuracy: accuracy(records),
            seed,
            verdict: verdict::of(&rows, random.as_ref(), records, seed),
            agreement: agreement(records, &order),
            names: order,
            rows,
            random,
        }
    }
}

fn accuracy(records: &[Record]) -> Option<f64> {
    let correct: Vec<f64> = records
        .iter()
        .filter_map(|record| record.correct)
        .map(|correct| f64::from(u8::from(correct)))
        .collect();
    (!correct.is_empty()).then(|| mean(&correct))
}

fn row(records: &[Record], method: &str, seed: u64) -> Row {
    let interval = |measure: &str| Interval::of(&values_of(records, method, measure), seed);
    let found: Vec<_> = records
        .iter()
        .filter_map(|record| record.methods.iter().find(|found| found.name == method))
        .collect();
    let count = found.len().max(1) as f64;
    let each = |of: &dyn Fn(&super::run::Measured) -> f64| {
        found.iter().map(|found| of(found)).sum::<f64>() / count
    };
    Row {
        method: method.to_owned(),
        comprehensiveness: interval("comprehensiveness"),
        sufficiency: interval("sufficiency"),
        infidelity: interval("infidelity"),
        loo_correlation: interval("loo_correlation"),
        mean_rank: interval(MEAN_RANK),
        baseline_change: mean_of(records, method, "baseline_sensitivity.relative_change"),
        effective_words: mean_of(records, method, "complexity.effective_words"),
        converged: mean_of(records, method, CONVERGED),
        compute: Duration::from_secs_f64(each(&|found| found.compute.as_secs_f64())),
        forward_rows: each(&|found| found.forward_rows as f64),
        gradient_rows: each(&|found| found.gradient_rows as f64),
    }
}

fn agreement(records: &[Record], names: &[String]) -> Vec<Vec<Option<f64>>> {
    let of_pair = |a: &String, b: &String| {
        if a == b {
            return Some(1.);
        }
        let same = |pair: &&crate::evaluation::Agreement| {
            pair.methods.contains(a) && pair.methods.contains(b)
        };
        let found: Vec<f64> = records
            .iter()
            .filter_map(|record| record.agreement.iter().find(same)?.spearman)
            .collect();
        (!found.is_empty()).then(|| mean(&found))
    };
    names.iter().map(|a| names.iter().map(|b| of_pair(a, b)).collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::Interval;

    #[test]
    fn an_interval_holds_the_mean_and_shrinks_with_more_values() {
        let values = |n: usize| (0..n).map(|i| (i % 7) as f64).collect::<Vec<f64>>();
        let width = |n| {
            let found = Interval::of(&values(n), 3).unwrap();
            assert!(found.low <= found.mean && found.mean <= found.high);
            found.high - found.low
        };
        assert!(width(28) > 3. * width(28 * 16));
        assert_eq!(Interval::of(&[], 3), None);
    }
}
