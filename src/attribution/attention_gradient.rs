//! Relevance: attention times its gradient, accumulated over the layers; without layer-wise
//! relevance propagation.

use futures_util::FutureExt;
use futures_util::future::try_join_all;

use super::spread::{mean_of, relevance};
use super::{AS_GIVEN, Attribution, Cost, MethodEntry, NEVER, NO_ROW, PairsOf, Subject};
use crate::error::Result;
use crate::passes::Passes;
use crate::rows::{MapKind, Maps, Norm, Reduce, Row, Scalar, Want};

pub const ENTRY: MethodEntry = MethodEntry {
    name: "attention_gradient",
    summary: "Positive part of attention times the gradient of the explained scalar at it, \
              accumulated over the layers. The token that the head reads starts with 1.",
    paper: "Chefer, Gur & Wolf 2021, arXiv:2103.15679",
    options: &[],
    settle: AS_GIVEN,
    signed: false,
    complete: false,
    pairs: PairsOf::None,
    row_at_input: NO_ROW,
    stops_in_time: NEVER,
    cost_note: "1 gradient row",
    cost: |_, of| Cost { gradient_rows: of.targets, ..Cost::default() },
    run: |passes, subject, _options| run(passes, subject).boxed(),
};

/// Returns `R_q` of `R ← R + Ā_l R` over the layers, `Ā = mean_h max(A ∂F/∂A, 0)`. q is the token
/// that the head reads; with several, the mean over them. Runs one row per scalar.
async fn run(passes: &Passes, subject: Subject<'_>) -> Result<Vec<Attribution>> {
    let model = passes.model();
    let of_scalar = async |scalar: &Scalar| {
        let maps = Maps::of_all(model.layers(), MapKind::PositiveGradients);
        let want = Want::Gradients(Reduce::Norm(Norm::L2), vec![scalar.clone()]);
        let output = passes.run_one(Row { maps, ..subject.row(want) }).await?;
        let scores = mean_of(&relevance(&output.attention), &subject.queries(scalar, model));
        Ok(Attribution::plain(scores))
    };
    try_join_all(subject.scalars.iter().map(of_scalar)).await
}
