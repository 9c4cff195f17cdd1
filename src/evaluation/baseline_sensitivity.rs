//! How much an explanation depends on the baseline or replacement.

use futures_util::FutureExt;
use futures_util::future::try_join_all;

use super::statistics::{mean, spearman};
use super::{Bench, MeasureEntry, Scored, Value};
use crate::attribution::{OptionValue, Options};
use crate::error::{Code, Result};

/// The options that define absence, and the values to try.
const CHOICES: [(&str, &[&str]); 2] =
    [("baseline", &["pad", "mask", "zero"]), ("replacement", &["mask", "pad", "remove"])];

pub const ENTRY: MeasureEntry = MeasureEntry {
    name: "baseline_sensitivity",
    summary: "Change of the words' scores with another baseline (pad, mask, zero) or replacement \
              (mask, pad, remove): relative_change, the mean Euclidean distance between scores \
              scaled to length 1, and rank_correlation, the mean Spearman correlation. Not \
              measured for methods that have neither.",
    paper: "Sturmfels, Lundberg & Lee 2020, doi:10.23915/distill.00022",
    better: "a low change and a high correlation",
    cost: |_, rows, _| 3 * rows,
    run: |bench, scored| run(bench, scored).boxed(),
};

async fn run(bench: &Bench<'_>, scored: &Scored<'_>) -> Result<Option<Value>> {
    let rerun = async |options: Options| match bench.rerun(scored.method, &options).await {
        Ok(attribution) => Ok(Some(attribution)),
        // Skips values that this model or input does not support.
        Err(error) if error.code == Code::InvalidField => Ok(None),
        Err(error) => Err(error),
    };
    let others = try_join_all(others(scored.options).into_iter().map(rerun)).await?;
    let base = bench.words_of(scored.scores);
    let words: Vec<Vec<f64>> =
        others.into_iter().flatten().map(|other| bench.words_of(&other.scores)).collect();
    let changes: Vec<f64> = words.iter().filter_map(|other| change(&base, other)).collect();
    let correlations: Vec<f64> = words.iter().filter_map(|other| spearman(&base, other)).collect();
    if changes.is_empty() || correlations.is_empty() {
        return Ok(None);
    }
    Ok(Some(Value::Named(vec![
        ("relative_change", mean(&changes)),
        ("rank_correlation", mean(&correlations)),
    ])))
}

/// Returns the options with each other value in turn.
fn others(options: &Options) -> Vec<Options> {
    let mut others = Vec::new();
    for (name, choices) in CHOICES.into_iter().filter(|(name, _)| options.has(name)) {
        for choice in choices {
            let mut other = options.clone();
            other.set(name, OptionValue::Name(choice));
            others.push(other);
        }
    }
    others.retain(|other| !other.same(options));
    others
}

/// Returns the distance between the normalized lists; `None` if one is all zeros.
fn change(a: &[f64], b: &[f64]) -> Option<f64> {
    let (size_a, size_b) = (crate::rows::norm(a), crate::rows::norm(b));
    let difference: Vec<f64> = a.iter().zip(b).map(|(a, b)| a / size_a - b / size_b).collect();
    (size_a > 0. && size_b > 0.).then(|| crate::rows::norm(&difference))
}
