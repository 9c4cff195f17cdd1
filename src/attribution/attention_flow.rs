//! Attention flow: the maximum flow from the token that the head reads to each input token, in the
//! graph of all layers with attention weights as capacities.

use futures_util::FutureExt;

use super::{AS_GIVEN, Attribution, Cost, MethodEntry, NEVER, NO_ROW, PairsOf, Subject};
use crate::error::Result;
use crate::passes::Passes;
use crate::rows::{MapKind, Maps, Row, Scalar, Want};

pub const ENTRY: MethodEntry = MethodEntry {
    name: "attention_flow",
    summary: "Maximum flow from what the head reads to each input token, with attention and the \
              residual connection as capacities. Class-independent: the same for every target that \
              reads the same token.",
    paper: "Abnar & Zuidema 2020, arXiv:2005.00928",
    options: &[],
    settle: AS_GIVEN,
    signed: false,
    complete: false,
    pairs: PairsOf::None,
    row_at_input: NO_ROW,
    stops_in_time: NEVER,
    cost_note: "1 forward row per token that the head reads, and a maximum flow from there to each \
                token",
    cost: |_, of| Cost { forward_rows: of.reads, flow_rows: of.reads, ..Cost::default() },
    run: |passes, subject, _options| run(passes, subject).boxed(),
};

/// Returns, per token, the maximum flow from the query in the last layer of the layered graph to
/// that token in the first one. With several queries, returns the mean of their flows.
async fn run(passes: &Passes, subject: Subject<'_>) -> Result<Vec<Attribution>> {
    let model = passes.model();
    let queries: Vec<Vec<usize>> =
        subject.scalars.iter().map(|scalar: &Scalar| subject.queries(scalar, model)).collect();
    let mut unique = queries.concat();
    unique.sort_unstable();
    unique.dedup();
    let maps = Maps::of_all(model.layers(), MapKind::Weights);
    let row = |query: &usize| Row { maps: maps.clone(), ..subject.row(Want::Flow(*query)) };
    let outputs = passes.run(unique.iter().map(row).collect()).await?;
    let mean = |queries: &Vec<usize>| {
        let mut mean = vec![0.; subject.encoding.tokens.len()];
        let of_scalar = unique.iter().zip(&outputs).filter(|(query, _)| queries.contains(query));
        for flow in of_scalar.flat_map(|(_, output)| &output.token_scores) {
            mean.iter_mut().zip(flow).for_each(|(m, f)| *m += f / queries.len() as f64);
        }
        Attribution::plain(mean)
    };
    Ok(queries.iter().map(mean).collect())
}
