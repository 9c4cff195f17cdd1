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

use super::part::Part;
use super::spline;
use crate::attribution::nested::{Rule, largest_move};
use crate::attribution::{
    Granularity, Normalize, Options, Subject, integrated_gradients, layer, reduce,
};
use crate::error::{Error, Result};
use crate::explanation::{Conductance, Question, Resolved};
use crate::model::Model;
use crate::passes::Passes;
use crate::rows::{AttentionMap, LayerOutput, Maps, Row, RowOutput, Want, dot, norm};
use crate::text::Encoding;

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

/// What flows through the tokens of one part.
pub struct Flow {
    /// `[layers][tokens]`
    scores: Vec<Vec<f64>>,
    /// Per layer, the sum of the scores minus the change of the part's scalar.
    deltas: Vec<f64>,
    converged: bool,
    n_steps: usize,
}

/// Adds up the flows of all parts, over the tokens of the whole text. Converged if every part is.
pub fn sum(target: &Resolved, whole: &Encoding, parts: &[(&Part<'_>, Flow)]) -> Conductance {
    let layers = parts.first().map_or(0, |(_, flow)| flow.scores.len());
    let mut tokens = vec![vec![0.; whole.tokens.len()]; layers];
    let mut deltas = vec![0.; layers];
    for (part, flow) in parts {
        for (layer, scores) in flow.scores.iter().enumerate() {
            deltas[layer] += part.weight * flow.deltas[layer];
            for (position, score) in part.positions.iter().zip(scores) {
                tokens[layer][*position] += part.weight * score;
            }
        }
    }
    let of_words =
        |tokens: &Vec<f64>| reduce::scores(tokens, whole, Granularity::Word, Normalize::None);
    Conductance {
        target: target.clone(),
        words: tokens.iter().map(of_words).collect(),
        tokens,
        deltas,
        converged: parts.iter().all(|(_, flow)| flow.converged),
        n_steps: parts.iter().map(|(_, flow)| flow.n_steps).sum(),
    }
}

/// Returns the flow through one part, and the `maps` of a row at the input, which is the end of the
/// path.
pub async fn flow(
    part: &Part<'_>,
    settings: &Settings,
    maps: Maps,
) -> Result<(Flow, Vec<AttentionMap>)> {
    let (passes, subject) = (part.passes, part.subject);
    let places = &passes.shown_at(subject.encoding.len());
    let (model, tokens) = (passes.model(), places.len());
    let (mut maps, mut at_input) = (Some(maps), Vec::new());
    let mut all = Flow { scores: Vec::new(), deltas: Vec::new(), converged: true, n_steps: 0 };
    let mut groups = groups(model, tokens);
    groups.reverse();
    while let Some(group) = groups.pop() {
        let fitting = fitting_steps(model, tokens, &group);
        // The first group returns them.
        let maps = maps.take().unwrap_or_default();
        let path = Path { passes, subject, settings, places, group: group.clone(), maps };
        let (found, maps) = path.integrate(fitting.min(settings.max_steps)).await?;
        at_input.extend(maps);
        // Fewer layers together have room for more steps.
        let more = Rule::largest(2 * fitting) > found.n_steps && fitting < settings.max_steps;
        if !found.converged && more && group.len() > 1 && passes.have_time_for(found.n_steps) {
            let middle = group.start + group.len() / 2;
            groups.extend([middle..group.end, group.start..middle]);
            continue;
        }
        all.scores.extend(found.scores);
        all.deltas.extend(found.deltas);
        all.converged &= found.converged;
        all.n_steps = all.n_steps.max(found.n_steps);
    }
    Ok((all, at_input))
}

/// The path of one group of layers.
struct Path<'a> {
    passes: &'a Passes,
    subject: Subject<'a>,
    settings: &'a Settings,
    /// For each token that a row runs, the token that its score is added to.
    places: &'a Arc<[usize]>,
    group: Range<usize>,
    /// The maps of the row at the input.
    maps: Maps,
}

impl Path<'_> {
    /// Doubles the number of steps until all layers converge, or steps or time run out. Returns
    /// the maps at the input, too.
    async fn integrate(&self, max_steps: usize) -> Result<(Flow, Vec<AttentionMap>)> {
        let path =
            integrated_gradients::path(self.passes.model(), self.subject, &self.settings.options)?;
        let want = Want::Layers(self.group.clone(), self.subject.scalars.first().cloned());
        let _memory = self.reserve(max_steps).await?;
        let mut points: Vec<RowOutput> = Vec::new();
        let mut found: Option<Flow> = None;
        let row = |alpha| match alpha {
            1. => Row { maps: self.maps.clone(), ..self.subject.row(want.clone()) },
            _ => path.at(alpha, want.clone()),
        };
        for rule in Rule::up_to(max_steps) {
            let rows: Vec<Row> = rule.new_nodes().map(row).collect();
            let fresh = match points.is_empty() {
                true => Some(self.passes.run(rows).await?),
                false if !self.passes.have_time_for(rows.len()) => None,
                false => self.passes.run_in_time(rows).await?,
            };
            let Some(fresh) = fresh else { break };
            points = integrated_gradients::interleave(points, fresh);
            let integrated;
            (points, integrated) = self.by(points).await?;
            let converged = integrated.converged;
            found = Some(integrated);
            if converged {
                break;
            }
        }
        let maps = points.pop().map(|at_input| at_input.attention).unwrap_or_default();
        found.map(|found| (found, maps)).ok_or_else(|| self.passes.late())
    }

    /// Waits for the memory of the points.
    async fn reserve(&self, max_steps: usize) -> Result<SemaphorePermit<'static>> {
        let of_point = self.group.len() * bytes_per_point(self.passes.model(), self.places.len());
        let mebibytes = 1 + ((Rule::largest(max_steps) * of_point) >> 20);
        let permits = mebibytes.min(MAX_MEBIBYTES_TOTAL) as u32;
        let reserved = self.passes.in_time(MEMORY.acquire_many(permits)).await;
        // The semaphore is never closed.
        reserved.ok_or_else(|| self.passes.late())?.map_err(Error::internal)
    }

    /// Integrates on a thread that may block. Returns the points for the next rule, too.
    async fn by(&self, points: Vec<RowOutput>) -> Result<(Vec<RowOutput>, Flow)> {
        let (layers, places) = (self.group.len(), Arc::clone(self.places));
        let (tokens, tolerance) = (self.subject.encoding.len(), self.settings.tolerance);
        let allowed = largest_move(tolerance, self.passes.model().is_smooth());
        let integrate = move || {
            let integrated = Flow::of(&points, layers, (&places, tokens), (tolerance, allowed));
            (points, integrated)
        };
        self.passes.compute(integrate).await
    }
}

impl Flow {
    /// A layer has converged if its scores add up to the change of the scalar within the tolerance,
    /// a share of their magnitudes, and the previous rule's scores, by every other point, are as
    /// close as `allowed`.
    fn of(
        points: &[RowOutput],
        layers: usize,
        (places, tokens): (&[usize], usize),
        (tolerance, allowed): (f64, f64),
    ) -> Self {
        let value = |point: Option<&RowOutput>| point.map_or(0., |point| point.values[0]);
        let change = value(points.last()) - value(points.first());
        let pairs = pairs(points.len());
        let n_steps = points.len();
        let mut all = Self { scores: Vec::new(), deltas: Vec::new(), converged: true, n_steps };
        for layer in 0..layers {
            let layers: Vec<&LayerOutput> =
                points.iter().map(|point| &point.layers[layer]).collect();
            let [own, before] = scores(&layers, &pairs, places, tokens);
            let delta = own.iter().sum::<f64>() - change;
            let size: f64 = own.iter().map(|score| score.abs()).sum();
            let moved: Vec<f64> = own.iter().zip(&before).map(|(a, b)| a - b).collect();
            all.converged &=
                delta.abs() <= tolerance * size && norm(&moved) <= allowed * norm(&own);
            all.scores.push(own);
            all.deltas.push(delta);
        }
        all
    }
}

/// The weights of `g_i · h_j` by the splines through all points, and through every other one.
struct Pair {
    i: usize,
    j: usize,
    weights: [f64; 2],
}

/// Returns the pairs of `n` points whose weights matter: splines forget what is far away.
fn pairs(n: usize) -> Vec<Pair> {
    let m = n.div_ceil(2);
    let [fine, coarse] = [n, m].map(spline::product_weights);
    let largest = fine.iter().fold(0_f64, |largest, weight| largest.max(weight.abs()));
    let pair = |index: usize| {
        let (i, j) = (index / n, index % n);
        let is_shared = i.is_multiple_of(2) && j.is_multiple_of(2);
        let coarse = if is_shared { coarse[i / 2 * m + j / 2] } else { 0. };
        Pair { i, j, weights: [fine[index], coarse] }
    };
    let matters = |pair: &Pair| pair.weights.iter().any(|weight| weight.abs() > 1e-12 * largest);
    (0..n * n).map(pair).filter(matters).collect()
}

/// Returns `Σ_ij w_ij g_i · h_j` per token of one layer, by both weights. The products of each token
/// of the points are added to that at its place.
fn scores(
    points: &[&LayerOutput],
    pairs: &[Pair],
    places: &[usize],
    tokens: usize,
) -> [Vec<f64>; 2] {
    let width = points.first().map_or(0, |point| point.states.len()) / places.len().max(1);
    let mut scores = [vec![0.; tokens], vec![0.; tokens]];
    for (token, &place) in places.iter().enumerate() {
        let own = token * width..(token + 1) * width;
        for Pair { i, j, weights } in pairs {
            let product = dot(&points[*i].gradient[own.clone()], &points[*j].states[own.clone()]);
            for (scores, weight) in scores.iter_mut().zip(weights) {
                scores[place] += weight * product;
            }
        }
    }
    scores
}
