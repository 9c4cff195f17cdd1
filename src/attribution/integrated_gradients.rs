//! Integrated gradients along the straight path from a baseline, as Captum's
//! `LayerIntegratedGradients` on an embedding layer.

use futures_util::FutureExt;

use super::options::Preset;
use super::{Attribution, Completeness, Cost, MethodEntry, OptionKind, OptionSpec, Options};
use super::{Subject, baseline, quadrature};
use crate::error::{Error, Result};
use crate::passes::Passes;
use crate::rows::{Gradient, Layer, Path, Reduce, Row, RowOutput};

/// More steps than any input has needed; bounds what one method can cost.
const MAX_STEPS: u64 = 2_000;

/// The share of `Σ |scores|` that the delta of a converged answer stays below.
const TOLERANCE: f64 = 0.01;

pub const ENTRY: MethodEntry = MethodEntry {
    name: "integrated_gradients",
    summary: "Gradients integrated along the straight path from a baseline to the input; scores \
              add up to the change in the explained scalar.",
    paper: "Sundararajan, Taly & Yan 2017, arXiv:1703.01365",
    options: &[
        OptionSpec {
            name: "layer",
            kind: OptionKind::Choice(&["word_embeddings", "embeddings"]),
            default: Preset::Name("word_embeddings"),
            help: "Where the path runs: among the word embeddings, before position, type and \
                   layer norm, or among the outputs of the whole embedding block.",
        },
        baseline::OPTION,
        OptionSpec {
            name: "n_steps",
            kind: OptionKind::Integer { min: 1, max: MAX_STEPS },
            default: Preset::Integer(50),
            help: "Points of the path at which the gradient is taken.",
        },
        quadrature::OPTION,
    ],
    signed: true,
    complete: true,
    cost_note: "n_steps gradient rows and 1 forward row",
    cost: |options| Cost { forward_rows: 1, gradient_rows: options.integer("n_steps") },
    run: |passes, subject, options| run(passes, subject, options).boxed(),
};

/// `score_t = Σ_d (x - x')_td Σ_i w_i ∂F(x' + α_i (x - x'))/∂x_td`
async fn run(passes: &Passes, subject: Subject<'_>, options: &Options) -> Result<Vec<Attribution>> {
    let n_steps = options.integer("n_steps");
    if n_steps < 2 && options.name("quadrature") == "riemann_trapezoid" {
        return Err(Error::field("/n_steps", "riemann_trapezoid needs 2 steps or more"));
    }
    let nodes = quadrature::nodes(options, n_steps);
    let path = PathRows::new(passes, subject, options)?;
    let mut rows = vec![Row { gradient: None, ..path.row(0.) }];
    rows.extend(nodes.iter().map(|node| path.row(node.alpha)));
    let outputs = passes.run(rows).await?;
    let (at_baseline, on_path) =
        outputs.split_first().ok_or_else(|| Error::internal("no output on the path"))?;
    let weights = nodes.iter().map(|node| node.weight);
    let steps: Vec<(f64, &RowOutput)> = weights.zip(on_path).collect();
    Ok((0..subject.scalars.len()).map(|k| integrate(subject, k, at_baseline, &steps)).collect())
}

/// Makes the rows of one path.
struct PathRows<'a> {
    subject: Subject<'a>,
    layer: Layer,
    baseline: crate::rows::Baseline,
}

impl<'a> PathRows<'a> {
    fn new(passes: &Passes, subject: Subject<'a>, options: &Options) -> Result<Self> {
        let layer = match options.name("layer") {
            "embeddings" => Layer::Embeddings,
            _ => Layer::WordEmbeddings,
        };
        let baseline = baseline::resolve(passes.model(), subject.encoding, options)?;
        Ok(Self { subject, layer, baseline })
    }

    fn row(&self, alpha: f64) -> Row {
        let scalars = self.subject.scalars.to_vec();
        Row {
            layer: self.layer,
            path: Some(Path { baseline: self.baseline.clone(), alpha }),
            gradient: Some(Gradient { reduce: Reduce::TimesDifference, scalars }),
            ..Row::forward(self.subject.encoding.ids.clone())
        }
    }
}

fn integrate(
    subject: Subject<'_>,
    k: usize,
    at_baseline: &RowOutput,
    steps: &[(f64, &RowOutput)],
) -> Attribution {
    let mut scores = vec![0.; subject.encoding.tokens.len()];
    for (weight, output) in steps {
        for (score, along) in scores.iter_mut().zip(&output.token_scores[k]) {
            *score += weight * along;
        }
    }
    let scalar = &subject.scalars[k];
    let baseline_value = scalar.value(&at_baseline.logits, &at_baseline.probabilities);
    let change = subject.values[k] - baseline_value;
    let convergence_delta = scores.iter().sum::<f64>() - change;
    let size: f64 = scores.iter().map(|score| score.abs()).sum();
    let converged = convergence_delta.abs() <= TOLERANCE * size;
    let completeness = Some(Completeness { baseline_value, convergence_delta, converged });
    Attribution { scores, completeness }
}
