//! Conductance (Dhamdhere, Sundararajan & Yan 2018, arXiv:1805.12233): what flows from the baseline
//! to the output through each token's state after each layer.
//!
//! With `h(α)` the state at a point of the path and `g(α)` the gradient of the scalar there, the
//! score of a token is `∫ g · dh`. It is the limit of Captum's `LayerConductance` for many steps.
//! One row per point returns both for all layers. The integral is that of the cubic splines through
//! both.

use std::ops::Range;
use std::sync::Arc;

use serde_json::Map;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::spline;
use crate::attribution::nested::{Rule, largest_move};
use crate::attribution::{
    Granularity, Normalize, Options, Subject, integrated_gradients, layer, reduce,
};
use crate::error::{Error, Result};
use crate::explanation::{Conductance, Question, Resolved};
use crate::model::Model;
use crate::passes::Passes;
use crate::rows::{LayerOutput, Row, RowOutput, Want, dot, norm};

/// Number of steps that admission assumes.
const EXPECTED_STEPS: usize = 17;

/// Most steps if integrated gradients have a fixed number.
const MAX_STEPS: usize = 135;

/// The bytes of states and gradients that one input may hold at a time. Layers that do not fit
/// together run one group after the other.
const MAX_BYTES: usize = 256 << 20;

/// The mebibytes that all inputs of all requests may hold at a time; more wait.
const MAX_MEBIBYTES_TOTAL: usize = 512;
static MEMORY: Semaphore = Semaphore::const_new(MAX_MEBIBYTES_TOTAL);

/// Returns the number of gradient rows that admission assumes.
pub fn expected_rows(model: &Model, tokens: usize) -> usize {
    groups(model, tokens).len() * EXPECTED_STEPS
}

/// Returns the bytes that one point of one layer takes.
fn bytes_per_point(model: &Model, tokens: usize) -> usize {
    2 * tokens * model.width() * size_of::<f64>()
}

/// Returns the most tokens for which one layer fits into memory with the fewest steps.
pub fn max_tokens(model: &Model) -> usize {
    MAX_BYTES / (Rule::largest(0) * bytes_per_point(model, 1)).max(1)
}

/// Divides the layers, from 1, into groups that fit into memory with the expected steps.
fn groups(model: &Model, tokens: usize) -> Vec<Range<usize>> {
    let of_layer = EXPECTED_STEPS * bytes_per_point(model, tokens);
    let (size, end) = ((MAX_BYTES / of_layer.max(1)).max(1), model.layers() + 1);
    (1..end).step_by(size).map(|start| start..end.min(start + size)).collect()
}

/// Returns the most steps for which a group fits into memory.
fn fitting_steps(model: &Model, tokens: usize, group: &Range<usize>) -> usize {
    MAX_BYTES / (group.len() * bytes_per_point(model, tokens)).max(1)
}

/// How the path is integrated: as by the integrated gradients of the same request, if they run
/// through embeddings, or as by default.
pub struct Settings {
    options: Options,
    tolerance: f64,
    max_steps: usize,
}

impl Settings {
    pub fn of(question: &Question) -> Result<Self> {
        let own = question.methods.iter().find(|(method, options)| {
            method.name == integrated_gradients::ENTRY.name && !layer::is_hidden(options)
        });
        let default = integrated_gradients::ENTRY.options(&Map::new())?;
        let options = own.map_or(default, |(_, options)| options.clone());
        let max_steps = match options.integer("n_steps") {
            None => integrated_gradients::max_steps(&options),
            // The points of a fixed number of steps are not nested.
            Some(_) => MAX_STEPS,
        };
        Ok(Self { tolerance: options.number("tolerance"), max_steps, options })
    }
}

pub async fn conductance(
    passes: &Passes,
    subject: Subject<'_>,
    target: &Resolved,
    settings: &Settings,
) -> Result<Conductance> {
    let (model, tokens) = (passes.model(), subject.encoding.len());
    let mut all = Conductance {
        target: target.clone(),
        tokens: Vec::new(),
        words: Vec::new(),
        deltas: Vec::new(),
        converged: true,
        n_steps: 0,
    };
    let mut groups = groups(model, tokens);
    groups.reverse();
    while let Some(group) = groups.pop() {
        let fitting = fitting_steps(model, tokens, &group);
        let path = Path { passes, subject, target, settings, group: group.clone() };
        let found = path.integrate(fitting.min(settings.max_steps)).await?;
        // Fewer layers together have room for more steps.
        let more = Rule::largest(2 * fitting) > found.n_steps && fitting < settings.max_steps;
        if !found.converged && more && group.len() > 1 && passes.have_time_for(found.n_steps) {
            let middle = group.start + group.len() / 2;
            groups.extend([middle..group.end, group.start..middle]);
            continue;
        }
        all.tokens.extend(found.scores);
        all.deltas.extend(found.deltas);
        all.converged &= found.converged;
        all.n_steps = all.n_steps.max(found.n_steps);
    }
    let word_scores = |tokens: &Vec<f64>| {
        reduce::scores(tokens, subject.encoding, Granularity::Word, Normalize::None)
    };
    all.words = all.tokens.iter().map(word_scores).collect();
    Ok(all)
}

/// The path of one group of layers.
struct Path<'a> {
    passes: &'a Passes,
    subject: Subject<'a>,
    target: &'a Resolved,
    settings: &'a Settings,
    group: Range<usize>,
}

/// The result for one group of layers.
struct Integrated {
    scores: Vec<Vec<f64>>,
    deltas: Vec<f64>,
    converged: bool,
    n_steps: usize,
}

impl Path<'_> {
    /// Doubles the number of steps until all layers converge, or steps or time run out.
    async fn integrate(&self, max_steps: usize) -> Result<Integrated> {
        let path =
            integrated_gradients::path(self.passes.model(), self.subject, &self.settings.options)?;
        let want = Want::Layers(self.group.clone(), Some(self.target.scalar.clone()));
        let _memory = self.reserve(max_steps).await?;
        let mut points: Vec<RowOutput> = Vec::new();
        let mut found: Option<Integrated> = None;
        for rule in Rule::up_to(max_steps) {
            let rows: Vec<Row> =
                rule.new_nodes().map(|alpha| path.at(alpha, want.clone())).collect();
            let fresh = match points.is_empty() {
                true => Some(self.passes.run(rows).await?),
                false if !self.passes.have_time_for(rows.len()) => None,
                false => self.passes.run_in_time(rows).await?,
            };
            let Some(fresh) = fresh else { break };
            points = integrated_gradients::interleave(points, fresh);
            let integrated;
            (points, integrated) = self.by(points, found).await?;
            let converged = integrated.converged;
            found = Some(integrated);
            if converged {
                break;
            }
        }
        found.ok_or_else(|| self.passes.late())
    }

    /// Waits for the memory of the points.
    async fn reserve(&self, max_steps: usize) -> Result<SemaphorePermit<'static>> {
        let tokens = self.subject.encoding.len();
        let of_point = self.group.len() * bytes_per_point(self.passes.model(), tokens);
        let mebibytes = 1 + ((Rule::largest(max_steps) * of_point) >> 20);
        let permits = mebibytes.min(MAX_MEBIBYTES_TOTAL) as u32;
        let reserved = self.passes.in_time(MEMORY.acquire_many(permits)).await;
        // The semaphore is never closed.
        reserved.ok_or_else(|| self.passes.late())?.map_err(Error::internal)
    }

    /// Integrates on a thread that may block, and compares with the previous rule. Returns the points
    /// for the next one.
    async fn by(
        &self,
        points: Vec<RowOutput>,
        previous: Option<Integrated>,
    ) -> Result<(Vec<RowOutput>, Integrated)> {
        let model = Arc::clone(self.passes.model());
        let (layers, tokens) = (self.group.len(), self.subject.encoding.len());
        let tolerance = self.settings.tolerance;
        let allowed = largest_move(tolerance, model.is_smooth());
        let integrate = move || {
            let before = match previous {
                Some(previous) => previous.scores,
                // The first rule is compared with every other one of its points.
                None => by_splines(points.iter().step_by(2), layers, tokens),
            };
            let scores = by_splines(points.iter(), layers, tokens);
            let integrated = Integrated::new(&points, scores, &before, (tolerance, allowed));
            (points, integrated)
        };
        self.passes.compute(integrate).await
    }
}

impl Integrated {
    /// A layer has converged if its scores add up to the change of the scalar within the tolerance,
    /// a share of their magnitudes, and the previous rule's scores are as close as `allowed`.
    fn new(
        points: &[RowOutput],
        scores: Vec<Vec<f64>>,
        before: &[Vec<f64>],
        (tolerance, allowed): (f64, f64),
    ) -> Self {
        let value = |point: Option<&RowOutput>| point.map_or(0., |point| point.values[0]);
        let change = value(points.last()) - value(points.first());
        let delta = |own: &Vec<f64>| own.iter().sum::<f64>() - change;
        let deltas: Vec<f64> = scores.iter().map(delta).collect();
        let has_converged = |((own, before), delta): ((&Vec<f64>, &Vec<f64>), &f64)| {
            let size: f64 = own.iter().map(|score| score.abs()).sum();
            let moved: Vec<f64> = own.iter().zip(before).map(|(a, b)| a - b).collect();
            delta.abs() <= tolerance * size && norm(&moved) <= allowed * norm(own)
        };
        let converged = scores.iter().zip(before).zip(&deltas).all(has_converged);
        Self { scores, deltas, converged, n_steps: points.len() }
    }
}

/// Returns the scores of every layer, `[layers][tokens]`, from equally spaced points.
fn by_splines<'a>(
    points: impl Iterator<Item = &'a RowOutput>,
    layers: usize,
    tokens: usize,
) -> Vec<Vec<f64>> {
    let points: Vec<&RowOutput> = points.collect();
    let weights = spline::product_weights(points.len());
    (0..layers).map(|layer| scores(&points, &weights, layer, tokens)).collect()
}

/// Returns `Σ_ij w_ij g_i · h_j` per token of one layer.
fn scores(points: &[&RowOutput], weights: &[f64], layer: usize, tokens: usize) -> Vec<f64> {
    let layers: Vec<&LayerOutput> = points.iter().map(|point| &point.layers[layer]).collect();
    // Splines forget what is far away.
    let largest = weights.iter().fold(0_f64, |largest, weight| largest.max(weight.abs()));
    let mut scores = vec![0.; tokens];
    for (a, row) in layers.iter().zip(weights.chunks(layers.len())) {
        for (b, weight) in layers.iter().zip(row).filter(|(_, w)| w.abs() > 1e-12 * largest) {
            let width = a.gradient.len() / tokens.max(1);
            let vectors = a.gradient.chunks(width.max(1)).zip(b.states.chunks(width.max(1)));
            for (score, (gradient, state)) in scores.iter_mut().zip(vectors) {
                *score += weight * dot(gradient, state);
            }
        }
    }
    scores
}
