//! Occlusion: how much the explained scalar falls when a token, word or span is
//! taken away, one after the other; Captum's `FeatureAblation` of the token ids.

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::perturbation::{Perturbation, REPLACEMENT, UNIT};
use super::{AS_GIVEN, Attribution, Cost, MethodEntry, NEVER, Options, Subject};
use crate::error::Result;
use crate::passes::Passes;

pub const ENTRY: MethodEntry = MethodEntry {
    name: "occlusion",
    summary: "Fall of the explained scalar when one unit is taken away, each by itself (leave one \
              out); special tokens stay and have 0.",
    paper: "Zeiler & Fergus 2014, arXiv:1311.2901; Li et al. 2016, arXiv:1612.08220",
    options: &[UNIT, REPLACEMENT],
    settle: AS_GIVEN,
    signed: true,
    complete: false,
    stops_in_time: NEVER,
    cost_note: "1 forward row for each unit",
    cost: |_, of| Cost { forward_rows: of.tokens, ..Cost::default() },
    run,
};

/// `score_u = F(x) - F(x without unit u)`. One row a unit, whatever the number of
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
    let model = passes.model();
    let perturbation = Perturbation::by(model, subject, options)?;
    let without = |away: usize| perturbation.row(|unit| unit != away);
    let outputs = passes.run((0..perturbation.count()).map(without).collect()).await?;
    let attribution = |k: usize| {
        let falls: Vec<f64> =
            outputs.iter().map(|output| subject.values[k] - output.values[k]).collect();
        Attribution::plain(perturbation.units().spread(&falls))
    };
    Ok((0..subject.scalars.len()).map(attribution).collect())
}
