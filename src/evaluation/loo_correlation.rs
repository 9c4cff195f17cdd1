//! Whether scores rank units like leaving them out does (Jain & Wallace 2019).

use futures_util::FutureExt;

use super::statistics::kendall;
use super::{Bench, MeasureEntry, Scored, Value};
use crate::attribution::perturbation::leave_one_out;
use crate::error::Result;

pub const ENTRY: MeasureEntry = MeasureEntry {
    name: "loo_correlation",
    summary: "Kendall's tau-b between the scores of the units and the drop of the target's \
              probability without each one by itself.",
    paper: "Jain & Wallace 2019, arXiv:1902.10186",
    better: "higher",
    cost: |_, _, tokens| tokens,
    run: |bench, scored| run(bench, scored).boxed(),
};

async fn run(bench: &Bench<'_>, scored: &Scored<'_>) -> Result<Option<Value>> {
    let values = bench.values(&leave_one_out(bench.units())).await?;
    let full = bench.unperturbed().probability;
    let drops: Vec<f64> = values.iter().map(|value| full - value.probability).collect();
    Ok(kendall(&drops, &bench.by_unit(scored)).map(Value::Number))
}
