//! Whether scores rank units as leaving them out does (Jain & Wallace 2019).

use futures_util::FutureExt;

use super::statistics::kendall;
use super::{Bench, MeasureEntry, Scored, Value};
use crate::error::Result;

pub const ENTRY: MeasureEntry = MeasureEntry {
    name: "loo_correlation",
    summary: "Kendall's tau-b between the scores of the units and the fall of the target's \
              probability when each is left out by itself.",
    paper: "Jain & Wallace 2019, arXiv:1902.10186",
    better: "higher",
    cost: |_, _, tokens| tokens,
    run: |bench, scored| run(bench, scored).boxed(),
};

async fn run(bench: &Bench<'_>, scored: &Scored<'_>) -> Result<Option<Value>> {
    let units = bench.units();
    let without = |away: usize| (0..units).map(|unit| unit != away).collect();
    let masks: Vec<Vec<bool>> = (0..units).map(without).collect();
    let said = bench.say(&masks).await?;
    let whole = bench.whole().probability;
    let falls: Vec<f64> = said.iter().map(|said| whole - said.probability).collect();
    Ok(kendall(&falls, &bench.by_unit(scored)).map(Value::Number))
}
