//! Norms of the attention-weighted value vectors.

use std::ops::Range;

use futures_util::FutureExt;

use super::options::{OptionKind, OptionSpec, Preset};
use super::spread::mean_of_map;
use super::{
    AS_GIVEN, Attribution, Cost, Extent, MethodEntry, NEVER, NO_ROW, Options, PairsOf, Subject,
};
use crate::choice::{Choice, choices};
use crate::error::Result;
use crate::passes::Passes;
use crate::rows::{MapKind, Scalar};

const LAYER: OptionSpec = OptionSpec {
    name: "layer",
    kind: OptionKind::Choice(Layers::NAMES),
    default: Preset::Name("last"),
    help: "last: the last layer, which the head reads; mean: the mean over all layers.",
};

choices! {
    enum Layers { Last = "last", Mean = "mean" }
}

pub const ENTRY: MethodEntry = MethodEntry {
    name: "attention_norm",
    summary: "Norm of the vector that each token gives to the one that the head reads, summed over \
              all attention heads. Class-independent: the same for every target that reads the \
              same token.",
    paper: "Kobayashi et al. 2020, arXiv:2004.10102",
    options: &[LAYER],
    settle: AS_GIVEN,
    signed: false,
    complete: false,
    pairs: PairsOf::None,
    row_at_input: NO_ROW,
    stops_in_time: NEVER,
    cost_note: "1 forward row",
    cost,
    run: |passes, subject, options| run(passes, subject, options).boxed(),
};

fn cost(options: &Options, of: Extent) -> Cost {
    let maps = selected(options, of.layers).len();
    Cost { forward_rows: 1, map_load: maps.saturating_mul(of.norm_load), ..Cost::default() }
}

fn selected(options: &Options, layers: usize) -> Range<usize> {
    match options.choice(LAYER.name) {
        Layers::Mean => 0..layers,
        Layers::Last => layers - 1..layers,
    }
}

/// Returns `‖Σ_h α^h_qt f^h(x_t)‖`, `f^h(x) = (x W_V^h + b_V^h) W_O^h`. q is the token that the
/// head reads; with several, the mean over them.
async fn run(passes: &Passes, subject: Subject<'_>, options: &Options) -> Result<Vec<Attribution>> {
    let selected = selected(options, passes.model().layers());
    let maps = subject.maps(passes, MapKind::Norms, selected).await?;
    let of_scalar = |scalar: &Scalar| {
        let queries = subject.queries(scalar, passes.model());
        let mut scores = vec![0.; subject.encoding.tokens.len()];
        for map in &maps {
            let row = mean_of_map(map, &queries);
            scores.iter_mut().zip(row).for_each(|(sum, x)| *sum += x / maps.len() as f64);
        }
        Attribution::plain(scores)
    };
    Ok(subject.scalars.iter().map(of_scalar).collect())
}
