//! Integrated gradients along the straight path from a baseline, like Captum's
//! `LayerIntegratedGradients` on an embedding layer. The number of steps is fixed, or it is doubled
//! until the scores converge.

use std::sync::Arc;

use futures_util::FutureExt;

use super::nested::{Rule, largest_move};
use super::options::{AUTO, OptionValue, Preset};
use super::quadrature::Quadrature;
use super::{
    Attribution, Completeness, Cost, Extent, MethodEntry, OptionKind, OptionSpec, Options, PairsOf,
};
use super::{Subject, baseline, layer, quadrature, samples};
use crate::error::{Error, Result};
use crate::model::Model;
use crate::passes::Passes;
use crate::rows::{Baseline, Ends, Layer, Path, Reduce, Row, RowOutput, Want, norm};

/// Maximum number of steps, which bounds the cost of a request. No input has needed more.
const MAX_STEPS: u64 = 2_000;

/// Captum's default, for callers who set `quadrature` but not `n_steps`.
const CAPTUMS_STEPS: u64 = 50;

pub const ENTRY: MethodEntry = MethodEntry {
    name: "integrated_gradients",
    summary: "Gradients integrated along the straight path from a baseline to the input; scores \
              add up to the change in the explained scalar.",
    paper: "Sundararajan, Taly & Yan 2017, arXiv:1703.01365",
    options: &[
        OptionSpec {
            help: "Where the path runs: through the word embeddings, before position, type and \
                   layer norm; through the outputs of the whole embedding block; or through the \
                   outputs of a transformer layer, counted from 1.",
            ..layer::OPTION
        },
        baseline::OPTION,
        OptionSpec {
            name: "n_steps",
            kind: OptionKind::IntegerOrName { names: &[AUTO], min: 1, max: MAX_STEPS },
            default: Preset::Name(AUTO),
            help: "Number of points on the path at which the gradient is taken. auto takes 9, 17, \
                   33, 65, … until the scores are within the tolerance; the response's n_steps \
                   says how many.",
        },
        quadrature::OPTION,
        OptionSpec {
            name: "tolerance",
            kind: OptionKind::Number { min: 1e-6, max: 1. },
            default: Preset::Number(0.01),
            help: "converged is true if |convergence_delta| is at most this share of the sum of \
                   |scores| and, with n_steps auto, the last doubling of the steps moved the \
                   scores by no more than five times this share of their Euclidean norm (half its \
                   square root if that is less, once this share for a model with ReLU).",
        },
        OptionSpec {
            name: "max_steps",
            kind: OptionKind::Integer { min: 9, max: MAX_STEPS },
            default: Preset::Integer(135),
            help: "Maximum n_steps with auto; if it is not enough, converged is false.",
        },
    ],
    settle,
    signed: true,
    complete: true,
    pairs: PairsOf::None,
    // A fixed number of steps is run in one round.
    // Automatic steps begin with both ends of the path.
    row_at_input: |model, subject, options| match options.integer("n_steps") {
        None if !layer::is_hidden(options) => Some(path(model, subject, options).ok()?.row(1.)),
        _ => None,
    },
    stops_in_time: |options| options.integer("n_steps").is_none(),
    cost_note: "n_steps gradient rows and 1 forward row; with auto 9, 17, 33, 65 or 129 gradient \
                rows, mostly 9 or 17",
    cost,
    run: |passes, subject, options| run(passes, subject, options).boxed(),
};

/// Allows `quadrature` only with a number of steps, and `max_steps` only with `auto`.
fn settle(options: &mut Options) -> Result<()> {
    if options.is_given("quadrature") && !options.is_given("n_steps") {
        options.set("n_steps", OptionValue::Integer(CAPTUMS_STEPS));
    }
    match options.integer("n_steps") {
        None => {
            let reason = "quadrature needs a number as n_steps; n_steps auto has its own points";
            options.rule_out("quadrature", reason)
        }
        Some(n_steps) => {
            if n_steps < 2
                && options.choice::<Quadrature>(quadrature::OPTION.name)
                    == Quadrature::RiemannTrapezoid
            {
                return Err(Error::field("/n_steps", "riemann_trapezoid needs at least 2 steps"));
            }
            options.rule_out("max_steps", "max_steps applies only with n_steps auto")
        }
    }
}

/// Number of steps that admission assumes for `auto`: most inputs take 9 or 17. Assuming the
/// maximum would reject concurrent requests for a large model although there is time for all.
const EXPECTED_STEPS: usize = 17;

/// The cost that admission assumes.
fn cost(options: &Options, of: Extent) -> Cost {
    let (own_rows, steps) = match options.integer("n_steps") {
        Some(n_steps) => (1, n_steps),
        None => (0, Rule::largest(max_steps(options)).min(EXPECTED_STEPS)),
    };
    let forward_rows = own_rows + if layer::is_hidden(options) { 2 } else { 0 };
    Cost { forward_rows, gradient_rows: of.targets * steps, ..Cost::default() }
}

/// Returns the most steps that `n_steps: auto` may take.
pub fn max_steps(options: &Options) -> usize {
    options.integer("max_steps").unwrap_or_default()
}

/// `score_t = Σ_d (x - x')_td Σ_i w_i ∂F(x' + α_i (x - x'))/∂x_td`
async fn run(passes: &Passes, subject: Subject<'_>, options: &Options) -> Result<Vec<Attribution>> {
    let path = PathRows::new(passes, subject, options).await?;
    match options.integer("n_steps") {
        Some(n_steps) => fixed(passes, &path, n_steps, options).await,
        None => adaptive(passes, &path, options).await,
    }
}

/// Integrates with a fixed rule, like Captum.
async fn fixed(
    passes: &Passes,
    path: &PathRows<'_>,
    n_steps: usize,
    options: &Options,
) -> Result<Vec<Attribution>> {
    let nodes = quadrature::nodes(options.choice(quadrature::OPTION.name), n_steps);
    let mut rows = vec![path.at_baseline()];
    rows.extend(nodes.iter().map(|node| path.row(node.alpha)));
    let outputs = passes.run(rows).await?;
    let (at_baseline, on_path) =
        outputs.split_first().ok_or_else(|| Error::internal("no output on the path"))?;
    let attribution = |k| {
        let weights = nodes.iter().map(|node| node.weight);
        let scores = path.integrate(k, weights.zip(on_path));
        let tolerance = options.number("tolerance");
        let completeness = path.completeness(k, &scores, at_baseline, on_path.len(), tolerance);
        Attribution { completeness: Some(completeness), ..Attribution::plain(scores) }
    };
    Ok((0..path.subject.scalars.len()).map(attribution).collect())
}

/// Doubles the number of steps until all scalars converge or only rounding is in the way, or steps or
/// time run out.
async fn adaptive(
    passes: &Passes,
    path: &PathRows<'_>,
    options: &Options,
) -> Result<Vec<Attribution>> {
    let mut on_path: Vec<RowOutput> = Vec::new();
    let mut attributions: Vec<Option<Attribution>> = vec![None; path.subject.scalars.len()];
    let rounding = passes.model().rounding();
    for rule in Rule::up_to(max_steps(options)) {
        let rows: Vec<Row> = rule.new_nodes().map(|alpha| path.row(alpha)).collect();
        let fresh = match on_path.is_empty() {
            // The first rule is the minimum for a response.
            true => Some(passes.run(rows).await?),
            false if !passes.have_time_for(rows.len()) => None,
            false => passes.run_in_time(rows).await?,
        };
        let Some(fresh) = fresh else { break };
        on_path = interleave(on_path, fresh);
        let mut unconverged = false;
        for (k, attribution) in attributions.iter_mut().enumerate() {
            // Converged scores are final: scalars do not depend on each other.
            if !attribution.as_ref().is_some_and(Attribution::has_converged) {
                let smooth = passes.model().is_smooth();
                let within = |tolerance| path.attribution(k, rule, &on_path, tolerance, smooth);
                let new = within(options.number("tolerance"));
                // More steps do not make up for rounding.
                unconverged |= !new.has_converged() && !within(rounding).has_converged();
                *attribution = Some(new);
            }
        }
        let partial_scores = || samples::scores(attributions.iter().flatten().cloned().collect());
        passes.report(rule.n, max_steps(options), partial_scores);
        if !unconverged {
            break;
        }
    }
    Ok(attributions.into_iter().flatten().collect())
}

/// Merges the outputs of the previous rule with those of the new nodes between them.
pub fn interleave(old: Vec<RowOutput>, fresh: Vec<RowOutput>) -> Vec<RowOutput> {
    if old.is_empty() {
        return fresh;
    }
    let mut fresh = fresh.into_iter();
    old.into_iter().flat_map(|node| std::iter::once(node).chain(fresh.next())).collect()
}

/// Returns the path through embeddings that `options` of this method describe.
pub fn path<'a>(model: &Model, subject: Subject<'a>, options: &Options) -> Result<PathRows<'a>> {
    let baseline = baseline::resolve(model, subject.encoding, options)?;
    Ok(PathRows { subject, layer: layer::resolve(model, options)?, baseline })
}

/// Returns the states of the input and of the baseline after `layer`.
async fn ends(
    passes: &Passes,
    subject: Subject<'_>,
    layer: usize,
    baseline: Baseline,
) -> Result<Baseline> {
    let mut rows = vec![subject.row(Want::Layers(layer..layer + 1, None))];
    if baseline != Baseline::Zero {
        // The baseline itself, with the positions that the model gives it.
        let path = Some(Path { baseline, alpha: 0., noise: None, held: 0 });
        rows.push(Row { layer: Layer::Embeddings, path, ..rows[0].clone() });
    }
    let outputs = passes.run(rows).await?;
    let mut states = outputs.into_iter().flat_map(|output| output.layers).map(|own| own.states);
    let input = states.next().ok_or_else(|| Error::internal("a row returned no states"))?;
    let baseline = states.next().unwrap_or_else(|| vec![0.; input.len()]);
    Ok(Baseline::States(Arc::new(Ends { input, baseline })))
}

/// Builds the rows of one path and integrates their outputs.
pub struct PathRows<'a> {
    subject: Subject<'a>,
    layer: Layer,
    baseline: Baseline,
}

impl<'a> PathRows<'a> {
    /// Runs two forward rows for a path through the states after a layer.
    async fn new(passes: &Passes, subject: Subject<'a>, options: &Options) -> Result<Self> {
        let layer = layer::resolve(passes.model(), options)?;
        let resolved = baseline::resolve(passes.model(), subject.encoding, options)?;
        let baseline = match layer {
            Layer::WordEmbeddings | Layer::Embeddings => resolved,
            Layer::Hidden(layer) => ends(passes, subject, layer, resolved).await?,
        };
        Ok(Self { subject, layer, baseline })
    }

    fn row(&self, alpha: f64) -> Row {
        let scalars = self.subject.scalars.to_vec();
        self.at(alpha, Want::Gradients(Reduce::TimesDifference, scalars))
    }

    /// Builds the row that evaluates the scalars at the baseline.
    fn at_baseline(&self) -> Row {
        self.at(0., Want::Values(self.subject.scalars.to_vec()))
    }

    /// Builds the row at a point of the path.
    pub fn at(&self, alpha: f64, want: Want) -> Row {
        let path = Some(Path { baseline: self.baseline.clone(), alpha, noise: None, held: 0 });
        Row { layer: self.layer, path, ..self.subject.row(want) }
    }

    /// Returns the `k`-th scalar's scores: the weighted sum over points of the path.
    fn integrate<'o>(
        &self,
        k: usize,
        points: impl Iterator<Item = (f64, &'o RowOutput)>,
    ) -> Vec<f64> {
        let mut scores = vec![0.; self.subject.encoding.tokens.len()];
        for (weight, output) in points {
            for (score, contribution) in scores.iter_mut().zip(&output.token_scores[k]) {
                *score += weight * contribution;
            }
        }
        scores
    }

    fn by_rule(&self, k: usize, rule: Rule, nodes: &[RowOutput]) -> Vec<f64> {
        let step = (nodes.len() - 1) / (rule.n - 1);
        let used = nodes.iter().step_by(step).enumerate();
        self.integrate(k, used.map(|(number, output)| (rule.weight(number), output)))
    }

    /// Returns the scores by `rule`, and whether they have converged: by their sum, and by the
    /// distance from the previous rule's scores.
    fn attribution(
        &self,
        k: usize,
        rule: Rule,
        nodes: &[RowOutput],
        tolerance: f64,
        smooth: bool,
    ) -> Attribution {
        let scores = self.by_rule(k, rule, nodes);
        let previous = self.by_rule(k, rule.previous(), nodes);
        let changes = scores.iter().zip(&previous).map(|(a, b)| a - b);
        let allowed = largest_move(tolerance, smooth);
        let stable = norm(&changes.collect::<Vec<_>>()) <= allowed * norm(&scores);
        let checked = self.completeness(k, &scores, &nodes[0], rule.n, tolerance);
        let completeness = Completeness { converged: stable && checked.converged, ..checked };
        Attribution { completeness: Some(completeness), ..Attribution::plain(scores) }
    }

    fn completeness(
        &self,
        k: usize,
        scores: &[f64],
        at_baseline: &RowOutput,
        n_steps: usize,
        tolerance: f64,
    ) -> Completeness {
        let value = self.subject.values[k];
        let completeness = Completeness::of(scores, value, at_baseline.values[k], tolerance);
        Completeness { n_steps: Some(n_steps), ..completeness }
    }
}
