//! The statistics of one method over all texts.

use std::time::Duration;

use super::Record;
use super::plausibility::Plausibility;
use super::run::{CONVERGED, MEAN_RANK, mean_of, values_of};
use crate::evaluation::interval::Interval;

/// The statistics of one method over all texts.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    pub method: String,
    pub comprehensiveness: Option<Interval>,
    pub sufficiency: Option<Interval>,
    pub infidelity: Option<Interval>,
    pub loo_correlation: Option<Interval>,
    pub mean_rank: Option<Interval>,
    pub plausibility: Plausibility,
    /// How far the scores move with other baselines.
    pub baseline_change: Option<f64>,
    pub effective_words: Option<f64>,
    /// Share of the texts where the scores converged, for methods that report it.
    pub converged: Option<f64>,
    pub compute: Duration,
    pub forward_rows: f64,
    pub gradient_rows: f64,
}

pub fn row(records: &[Record], method: &str, seed: u64) -> Row {
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
        plausibility: Plausibility::of(records, method, seed),
        baseline_change: mean_of(records, method, "baseline_sensitivity.relative_change"),
        effective_words: mean_of(records, method, "complexity.effective_words"),
        converged: mean_of(records, method, CONVERGED),
        compute: Duration::from_secs_f64(each(&|found| found.compute.as_secs_f64())),
        forward_rows: each(&|found| found.forward_rows as f64),
        gradient_rows: each(&|found| found.gradient_rows as f64),
    }
}
