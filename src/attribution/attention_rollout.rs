//! Attention rollout: the product of the attention matrices of all layers.

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::spread::{mean_of, rollout};
use super::{AS_GIVEN, Attribution, Cost, MethodEntry, NEVER, NO_ROW, Options, PairsOf, Subject};
use crate::error::Result;
use crate::passes::Passes;
use crate::rows::MapKind;

pub const ENTRY: MethodEntry = MethodEntry {
    name: "attention_rollout",
    summary: "Share of each input token in what the head reads, if only attention and the residual \
              connection mixed tokens. Class-independent: the same for every target that reads the \
              same token.",
    paper: "Abnar & Zuidema 2020, arXiv:2005.00928",
    options: &[],
    settle: AS_GIVEN,
    signed: false,
    complete: false,
    pairs: PairsOf::None,
    row_at_input: NO_ROW,
    stops_in_time: NEVER,
    cost_note: "1 forward row",
    cost: |_, _| Cost { forward_rows: 1, ..Cost::default() },
    run,
};

/// Returns `R_q` of `R = A'_L … A'_1`, `A' = (A + I) / 2`, with A the mean over heads. q is the
/// token that the head reads; with several, the mean over them.
fn run<'a>(
    passes: &'a Passes,
    subject: Subject<'a>,
    _options: &'a Options,
) -> BoxFuture<'a, Result<Vec<Attribution>>> {
    async move {
        let maps = subject.maps(passes, MapKind::Weights, 0..passes.model().layers()).await?;
        let Some(last) = rollout(&maps).pop() else { return Ok(Vec::new()) };
        let of_scalar =
            |scalar| Attribution::plain(mean_of(&last, &subject.queries(scalar, passes.model())));
        Ok(subject.scalars.iter().map(of_scalar).collect())
    }
    .boxed()
}
