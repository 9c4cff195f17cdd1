//! Occlusion: the drop of the explained scalar when a single token, word or span is taken away;
//! like Captum's `FeatureAblation` of the token ids.

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::perturbation::{Perturbation, REPLACEMENT, UNIT, leave_one_out};
use super::{AS_GIVEN, Attribution, Cost, MethodEntry, NEVER, NO_ROW, Options, PairsOf, Subject};
use crate::error::Result;
use crate::passes::Passes;

pub const ENTRY: MethodEntry = MethodEntry {
    name: "occlusion",
    summary: "Drop of the explained scalar when a single unit is taken away (leave one out); \
              special tokens stay and score 0.",
    paper: "Zeiler & Fergus 2014, arXiv:1311.2901; Li et al. 2016, arXiv:1612.08220",
    options: &[UNIT, REPLACEMENT],
    settle: AS_GIVEN,
    signed: true,
    complete: false,
    pairs: PairsOf::None,
    row_at_input: NO_ROW,
    stops_in_time: NEVER,
    cost_note: "1 forward row per unit",
    cost: |_, of| Cost { forward_rows: of.tokens, ..Cost::default() },
    run,
};

/// Returns `score_u = F(x) - F(x without unit u)`. Runs one row per unit, for any number of
/// scalars.
fn run<'a>(
    passes: &'a Passes,
    subject: Subject<'a>,
    options: &'a Options,
) -> BoxFuture<'a, Result<Vec<Attribution>>> {
    occlude(passes, subject, options).boxed()
}

async fn occlude(
    passes: &Passes,
    subject: Subject<'_>,
    options: &Options,
) -> Result<Vec<Attribution>> {
    let perturbation = Perturbation::by(passes.model(), subject, options)?;
    let masks = leave_one_out(perturbation.count());
    let values = perturbation.values(passes, &masks).await?;
    let attribution = |k: usize| {
        let drops: Vec<f64> = values.iter().map(|values| subject.values[k] - values[k]).collect();
        Attribution::plain(perturbation.units().spread(&drops))
    };
    Ok((0..subject.scalars.len()).map(attribution).collect())
}
