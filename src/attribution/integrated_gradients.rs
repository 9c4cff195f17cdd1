//! Integrated gradients along the straight path from a baseline, as Captum's
//! `LayerIntegratedGradients` on an embedding layer; with as many steps as the
//! input needs, or a fixed number.

use futures_util::FutureExt;

use super::nested::Rule;
use super::options::{AUTO, OptionValue, Preset};
use super::{
    Attribution, Completeness, Cost, Extent, MethodEntry, OptionKind, OptionSpec, Options,
};
use super::{Subject, baseline, quadrature, samples};
use crate::error::{Error, Result};
use crate::passes::Passes;
use crate::rows::{Baseline, Layer, Path, Reduce, Row, RowOutput, Want, norm};

/// More steps than any input has needed; bounds what one method can cost.
const MAX_STEPS: u64 = 2_000;

/// What Captum takes, for a caller who names a quadrature and no number.
const CAPTUMS_STEPS: u64 = 50;

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
            kind: OptionKind::IntegerOrAuto { min: 1, max: MAX_STEPS },
            default: Preset::Name(AUTO),
            help: "Points of the path at which the gradient is taken. auto takes 9, 17, 33, 65, \
                   … until the scores are within the tolerance, and says how many in the \
                   answer's n_steps.",
        },
        quadrature::OPTION,
        OptionSpec {
            name: "tolerance",
            kind: OptionKind::Number { min: 1e-6, max: 1. },
            default: Preset::Number(0.01),
            help: "converged is true where |convergence_delta| is at most this share of the sum \
                   of |scores| and, with n_steps auto, the last doubling of the steps moved the \
                   scores by no more than five times this share of their Euclidean norm (once \
                   this share for a model with ReLU).",
        },
        OptionSpec {
            name: "max_steps",
            kind: OptionKind::Integer { min: 9, max: MAX_STEPS },
            default: Preset::Integer(135),
            help: "Where n_steps auto gives up; converged is then false.",
        },
    ],
    settle,
    signed: true,
    complete: true,
    // A fixed rule is one round.
    stops_in_time: |options| options.integer("n_steps").is_none(),
    cost_note: "n_steps gradient rows and 1 forward row; with auto 9, 17, 33, 65 or 129 gradient \
                rows, mostly 9 or 17",
    cost,
    run: |passes, subject, options| run(passes, subject, options).boxed(),
};

/// A quadrature goes with a number of steps, a bound with none.
fn settle(options: &mut Options) -> Result<()> {
    if options.is_given("quadrature") && !options.is_given("n_steps") {
        options.set("n_steps", OptionValue::Integer(CAPTUMS_STEPS));
    }
    match options.integer("n_steps") {
        None => {
            let reason = "n_steps auto has a rule of its own; give a number with a quadrature";
            options.rule_out("quadrature", reason)
        }
        Some(n_steps) => {
            if n_steps < 2 && options.name("quadrature") == "riemann_trapezoid" {
                return Err(Error::field("/n_steps", "riemann_trapezoid needs 2 steps or more"));
            }
            options.rule_out("max_steps", "max_steps goes with n_steps auto")
        }
    }
}

/// Steps that auto is counted as where it may take more: most inputs take 9 or 17.
/// Counted as its most, four callers of a large model would be told to come back
/// while there was time for all.
const EXPECTED_STEPS: usize = 17;

/// What a request is admitted with.
fn cost(options: &Options, of: Extent) -> Cost {
    match options.integer("n_steps") {
        Some(n_steps) => {
            Cost { forward_rows: 1, gradient_rows: of.targets * n_steps, ..Cost::default() }
        }
        None => {
            let steps = Rule::most(most(options)).min(EXPECTED_STEPS);
            Cost { gradient_rows: of.targets * steps, ..Cost::default() }
        }
    }
}

fn most(options: &Options) -> usize {
    options.integer("max_steps").unwrap_or_default()
}

/// `score_t = Σ_d (x - x')_td Σ_i w_i ∂F(x' + α_i (x - x'))/∂x_td`
async fn run(passes: &Passes, subject: Subject<'_>, options: &Options) -> Result<Vec<Attribution>> {
    let path = PathRows::new(passes, subject, options)?;
    match options.integer("n_steps") {
        Some(n_steps) => fixed(passes, &path, n_steps, options).await,
        None => adaptive(passes, &path, options).await,
    }
}

/// A fixed rule, as Captum takes it.
async fn fixed(
    passes: &Passes,
    path: &PathRows<'_>,
    n_steps: usize,
    options: &Options,
) -> Result<Vec<Attribution>> {
    let nodes = quadrature::nodes(options, n_steps);
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

/// Doubles the steps until every scalar's scores are within the tolerance.
async fn adaptive(
    passes: &Passes,
    path: &PathRows<'_>,
    options: &Options,
) -> Result<Vec<Attribution>> {
    let mut on_path: Vec<RowOutput> = Vec::new();
    let mut attributions: Vec<Option<Attribution>> = vec![None; path.subject.scalars.len()];
    for rule in Rule::up_to(most(options)) {
        let rows: Vec<Row> = rule.fresh().map(|alpha| path.row(alpha)).collect();
        let fresh = match on_path.is_empty() {
            // The first rule is the least that can be answered.
            true => Some(passes.run(rows).await?),
            false if !passes.have_time_for(rows.len()) => None,
            false => passes.run_in_time(rows).await?,
        };
        let Some(fresh) = fresh else { break };
        on_path = interleave(on_path, fresh);
        let mut open = false;
        for (k, attribution) in attributions.iter_mut().enumerate() {
            // What has converged stays: no scalar's scores depend on the others.
            if !attribution.as_ref().is_some_and(Attribution::has_converged) {
                let judged = path.judged(k, rule, &on_path, options, passes.model().is_smooth());
                open |= !judged.has_converged();
                *attribution = Some(judged);
            }
        }
        let so_far = || samples::scores(attributions.iter().flatten().cloned().collect());
        passes.report(rule.n, most(options), so_far);
        if !open {
            break;
        }
    }
    Ok(attributions.into_iter().flatten().collect())
}

/// The nodes of a rule from those of the one before and those between them.
fn interleave(old: Vec<RowOutput>, fresh: Vec<RowOutput>) -> Vec<RowOutput> {
    if old.is_empty() {
        return fresh;
    }
    let mut fresh = fresh.into_iter();
    old.into_iter().flat_map(|node| std::iter::once(node).chain(fresh.next())).collect()
}

/// Makes the rows of one path and adds up what they give.
struct PathRows<'a> {
    subject: Subject<'a>,
    layer: Layer,
    baseline: Baseline,
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
        self.at(alpha, Want::Gradients(Reduce::TimesDifference, scalars))
    }

    /// The path's beginning, for its value alone.
    fn at_baseline(&self) -> Row {
        self.at(0., Want::Values(self.subject.scalars.to_vec()))
    }

    fn at(&self, alpha: f64, want: Want) -> Row {
        let path = Some(Path { baseline: self.baseline.clone(), alpha, noise: None, held: 0 });
        Row { layer: self.layer, path, ..self.subject.row(want) }
    }

    /// The `k`-th scalar's scores from weighted points of the path.
    fn integrate<'o>(
        &self,
        k: usize,
        points: impl Iterator<Item = (f64, &'o RowOutput)>,
    ) -> Vec<f64> {
        let mut scores = vec![0.; self.subject.encoding.tokens.len()];
        for (weight, output) in points {
            for (score, along) in scores.iter_mut().zip(&output.token_scores[k]) {
                *score += weight * along;
            }
        }
        scores
    }

    fn by_rule(&self, k: usize, rule: Rule, nodes: &[RowOutput]) -> Vec<f64> {
        let step = (nodes.len() - 1) / (rule.n - 1);
        let used = nodes.iter().step_by(step).enumerate();
        self.integrate(k, used.map(|(number, output)| (rule.weight(number), output)))
    }

    /// The scores by `rule` and whether they hold: by their sum, and by how far
    /// they are from the rule before. On smooth paths that distance is several
    /// times the error that is left; where gradients jump it is not.
    fn judged(
        &self,
        k: usize,
        rule: Rule,
        nodes: &[RowOutput],
        options: &Options,
        smooth: bool,
    ) -> Attribution {
        let tolerance = options.number("tolerance");
        let scores = self.by_rule(k, rule, nodes);
        let before = self.by_rule(k, rule.before(), nodes);
        let moved = scores.iter().zip(&before).map(|(a, b)| a - b);
        let allowed = tolerance * if smooth { 5. } else { 1. };
        let settled = norm(&moved.collect::<Vec<_>>()) <= allowed * norm(&scores);
        let whole = self.completeness(k, &scores, &nodes[0], rule.n, tolerance);
        let completeness = Completeness { converged: settled && whole.converged, ..whole };
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
        let whole = Completeness::of(scores, value, at_baseline.values[k], tolerance);
        Completeness { n_steps: Some(n_steps), ..whole }
    }
}
