//! Comprehensiveness and sufficiency (DeYoung et al. 2020, "ERASER"): does the probability drop
//! without the highest-scored units, and does it stay with them alone? Both are the area over the
//! perturbation curve: the mean over several sizes of the rationale.

use futures_util::FutureExt;

use super::statistics::mean;
use super::{Bench, MeasureEntry, Rule, Scored, Value};
use crate::error::Result;

/// Which units are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// All but the rationale: comprehensiveness.
    Others,
    /// The rationale alone: sufficiency.
    Rationale,
}

const PAPER: &str = "DeYoung et al. 2020, arXiv:1911.03429";

pub const COMPREHENSIVENESS: MeasureEntry = MeasureEntry {
    name: "comprehensiveness",
    summary: "Mean drop of the target's probability without the highest-scored units, over the \
              thresholds.",
    paper: PAPER,
    better: "higher",
    cost: |settings, _, _| settings.thresholds.len(),
    run: |bench, scored| number(bench, scored, Kept::Others).boxed(),
};

pub const SUFFICIENCY: MeasureEntry = MeasureEntry {
    name: "sufficiency",
    summary: "Mean drop of the target's probability with the highest-scored units alone, over the \
              thresholds.",
    paper: PAPER,
    better: "lower",
    cost: |settings, _, _| settings.thresholds.len(),
    run: |bench, scored| number(bench, scored, Kept::Rationale).boxed(),
};

async fn number(bench: &Bench<'_>, scored: &Scored<'_>, kept: Kept) -> Result<Option<Value>> {
    let units = bench.by_unit(scored);
    measure(bench, kept, &units).await.map(|value| Some(Value::Number(value)))
}

/// Returns the mean of `p(x) - p(x without r)`, or of `p(x) - p(r alone)`, over rationales r. If
/// there is no rationale, these are 0 and 1 by definition.
pub async fn measure(bench: &Bench<'_>, kept: Kept, units: &[f64]) -> Result<f64> {
    let rationales = rationales(bench.settings.rule, &bench.settings.thresholds, units);
    if rationales.is_empty() {
        return Ok(match kept {
            Kept::Others => 0.,
            Kept::Rationale => 1.,
        });
    }
    let present = |rationale: &Vec<bool>| match kept {
        Kept::Others => rationale.iter().map(|inside| !inside).collect(),
        Kept::Rationale => rationale.clone(),
    };
    let values = bench.values(&rationales.iter().map(present).collect::<Vec<_>>()).await?;
    let full = bench.unperturbed().probability;
    let drops: Vec<f64> = values.iter().map(|value| full - value.probability).collect();
    Ok(mean(&drops))
}

/// Returns which units are in the rationale of each threshold.
fn rationales(rule: Rule, thresholds: &[f64], units: &[f64]) -> Vec<Vec<bool>> {
    let mut order: Vec<usize> = (0..units.len()).collect();
    order.sort_by(|&a, &b| units[a].total_cmp(&units[b]));
    let highest = |count: usize| {
        let mut inside = vec![false; units.len()];
        order.iter().rev().take(count).for_each(|&unit| inside[unit] = true);
        inside
    };
    let share = |threshold: &f64| threshold * units.len() as f64;
    match rule {
        Rule::Eraser => {
            thresholds.iter().map(|t| highest((share(t) - 1e-9).ceil() as usize)).collect()
        }
        Rule::Ferret => {
            let positive = |threshold: &f64| {
                let inside = highest((share(threshold) + 1e-9) as usize);
                inside.iter().zip(units).map(|(inside, score)| *inside && *score > 0.).collect()
            };
            let mut kept: Vec<Vec<bool>> = thresholds.iter().map(positive).collect();
            kept.retain(|rationale| rationale.contains(&true));
            kept.dedup();
            kept
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rationales_by_either_rule() {
        let units = [0.1, -0.5, 0.7, 0.3];
        let eraser = rationales(Rule::Eraser, &[0.01, 0.5, 1.], &units);
        assert_eq!(eraser[0], [false, false, true, false], "at least one unit");
        assert_eq!(eraser[1], [false, false, true, true]);
        assert_eq!(eraser[2], [true; 4]);
        let ferret = rationales(Rule::Ferret, &Rule::Ferret.thresholds(), &units);
        let positive = [true, false, true, true];
        assert_eq!(ferret, [eraser[0].clone(), eraser[1].clone(), positive.to_vec()]);
        assert!(rationales(Rule::Ferret, &[0.5], &[-1., -2.]).is_empty());
    }
}
