//! Occlusion: how much the explained scalar falls when a token is taken away,
//! one token after the other; Captum's `FeatureAblation` of the token ids.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::options::Preset;
use super::{AS_GIVEN, Attribution, Cost, MethodEntry, OptionKind, OptionSpec, Options, Subject};
use crate::error::{Code, Result};
use crate::passes::Passes;
use crate::rows::{Row, Want};

const REPLACEMENT: &str = "replacement";

pub const ENTRY: MethodEntry = MethodEntry {
    name: "occlusion",
    summary: "Change of the explained scalar when one token is replaced, each token by itself; \
              special tokens stay and have 0.",
    paper: "Zeiler & Fergus 2014, arXiv:1311.2901; Li et al. 2016, arXiv:1612.08220",
    options: &[OptionSpec {
        name: REPLACEMENT,
        kind: OptionKind::Choice(&["mask", "pad"]),
        default: Preset::Name("mask"),
        help: "The token put in place of each; positions and token types stay the input's.",
    }],
    settle: AS_GIVEN,
    signed: true,
    complete: false,
    cost_note: "1 forward row for each token",
    cost: |_, tokens| Cost { forward_rows: tokens, gradient_rows: 0 },
    run,
};

/// `score_t = F(x) - F(x with token t replaced)`. One row a token, whatever the
/// number of scalars.
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
    let text = &passes.model().text;
    let id = match options.name(REPLACEMENT) {
        "pad" => text.pad(),
        _ => text.mask(),
    };
    let id = id.map_err(|error| match error.code {
        Code::InvalidField => error.at("/replacement"),
        _ => error,
    })?;
    let tokens = &subject.encoding.tokens;
    let content: Vec<usize> = (0..tokens.len()).filter(|&t| !tokens[t].special).collect();
    let without = |&token: &usize| {
        let mut ids = subject.encoding.ids.input_ids.clone();
        ids[token] = id;
        let row = subject.row(Want::Values(subject.scalars.to_vec()));
        Row { tokens: Arc::new(subject.encoding.ids.with_ids(ids)), ..row }
    };
    let outputs = passes.run(content.iter().map(without).collect()).await?;
    let attribution = |k: usize| {
        let mut scores = vec![0.; tokens.len()];
        for (&token, output) in content.iter().zip(&outputs) {
            scores[token] = subject.values[k] - output.values[k];
        }
        Attribution { scores, completeness: None }
    };
    Ok((0..subject.scalars.len()).map(attribution).collect())
}
