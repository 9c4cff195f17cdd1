//! Saliency: the norm of the gradient at each word embedding, or at each token's state after a
//! layer.

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::reduce::NORM;
use super::{AS_GIVEN, Attribution, Cost, MethodEntry, NEVER, Options, PairsOf, Subject, layer};
use crate::error::Result;
use crate::passes::Passes;
use crate::rows::{Norm, Reduce};

pub const ENTRY: MethodEntry = MethodEntry {
    name: "saliency",
    summary: "Norm of the gradient of the explained scalar at each word embedding, or after a layer.",
    paper: "Simonyan, Vedaldi & Zisserman 2013, arXiv:1312.6034",
    options: &[NORM, layer::OPTION],
    settle: AS_GIVEN,
    signed: false,
    complete: false,
    pairs: PairsOf::None,
    row_at_input: |model, subject, options| {
        let norm = Reduce::Norm(options.choice(NORM.name));
        subject.gradient_row(model, norm, options).ok()
    },
    stops_in_time: NEVER,
    cost_note: "1 gradient row",
    cost: |_, of| Cost { gradient_rows: of.targets, ..Cost::default() },
    run,
};

/// Returns `‖∂F/∂e_t‖` for each token t with word embedding, or state, e. Runs one row for any number of
/// scalars.
fn run<'a>(
    passes: &'a Passes,
    subject: Subject<'a>,
    options: &'a Options,
) -> BoxFuture<'a, Result<Vec<Attribution>>> {
    let norm: Norm = options.choice(NORM.name);
    subject.gradient_at_input(passes, Reduce::Norm(norm), options).boxed()
}
