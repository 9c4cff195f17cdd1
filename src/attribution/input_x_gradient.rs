//! Input × gradient: the first-order drop of the scalar if a word embedding were zero.

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::{AS_GIVEN, Attribution, Cost, MethodEntry, NEVER, Options, PairsOf, Subject, layer};
use crate::error::Result;
use crate::passes::Passes;
use crate::rows::Reduce;

pub const ENTRY: MethodEntry = MethodEntry {
    name: "input_x_gradient",
    summary: "Word embedding, or state after a layer, times the gradient of the explained scalar \
              there, summed over the hidden dimension. After a layer, Captum's \
              LayerGradientXActivation.",
    paper: "Shrikumar et al. 2016, arXiv:1605.01713",
    options: &[layer::OPTION],
    settle: AS_GIVEN,
    signed: true,
    complete: false,
    pairs: PairsOf::None,
    row_at_input: |model, subject, options| {
        subject.gradient_row(model, Reduce::TimesInput, options).ok()
    },
    stops_in_time: NEVER,
    cost_note: "1 gradient row",
    cost: |_, of| Cost { gradient_rows: of.targets, ..Cost::default() },
    run,
};

/// Returns `Σ_d e_td ∂F/∂e_td` for each token t with word embedding, or state, e. Runs one row for any number
/// of scalars.
fn run<'a>(
    passes: &'a Passes,
    subject: Subject<'a>,
    options: &'a Options,
) -> BoxFuture<'a, Result<Vec<Attribution>>> {
    subject.gradient_at_input(passes, Reduce::TimesInput, options).boxed()
}
