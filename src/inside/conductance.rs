//! Conductance (Dhamdhere, Sundararajan & Yan 2018, arXiv:1805.12233): what flows from the baseline
//! to the output through each token's state after each layer.
//!
//! With `h(α)` the state at a point of the path and `g(α)` the gradient of the scalar there, the
//! score of a token is `∫ g · dh`. It is the limit of Captum's `LayerConductance` for many steps.
//! One row per point returns both for all layers. The trapezoid rule over neighbouring points,
//! `Σ (g_i + g_{i+1})/2 · (h_{i+1} - h_i)`, has an error in even powers of the step, two of which
//! are eliminated by Romberg's extrapolation.

use std::ops::Range;

use crate::attribution::nested::Rule;
use crate::attribution::{Granularity, Normalize, Subject, integrated_gradients, reduce};
use crate::error::Result;
use crate::explanation::{Conductance, Resolved};
use crate::model::Model;
use crate::passes::Passes;
use crate::rows::{LayerOutput, Row, RowOutput, Want, norm};

/// As of integrated gradients.
const TOLERANCE: f64 = 0.01;
const MAX_STEPS: usize = 135;

/// Number of steps that admission assumes.
const EXPECTED_STEPS: usize = 17;

/// The bytes of states and gradients that one input may hold at a time. Layers that do not fit
/// together run one group after the other.
const MAX_BYTES: usize = 128 << 20;

/// Returns the number of gradient rows that admission assumes.
pub fn expected_rows(model: &Model, tokens: usize) -> usize {
    groups(model, tokens).len() * EXPECTED_STEPS
}

/// Returns the bytes that one point of one layer takes.
fn bytes_per_point(model: &Model, tokens: usize) -> usize {
    2 * tokens * model.width() * size_of::<f64>()
}

/// Divides the layers, from 1, into groups that fit into memory with the expected steps.
fn groups(model: &Model, tokens: usize) -> Vec<Range<usize>> {
    let of_layer = EXPECTED_STEPS * bytes_per_point(model, tokens);
    let (size, end) = ((MAX_BYTES / of_layer.max(1)).max(1), model.layers() + 1);
    (1..end).step_by(size).map(|start| start..end.min(start + size)).collect()
}

/// Returns the most steps for which a group fits into memory.
fn max_steps(model: &Model, tokens: usize, group: &Range<usize>) -> usize {
    let fits = MAX_BYTES / (group.len() * bytes_per_point(model, tokens)).max(1);
    fits.clamp(EXPECTED_STEPS, MAX_STEPS)
}

pub async fn conductance(
    passes: &Passes,
    subject: Subject<'_>,
    target: &Resolved,
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
    for group in groups(model, tokens) {
        let max_steps = max_steps(model, tokens, &group);
        let found = Path { passes, subject, target, group }.integrate(max_steps).await?;
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
        let path = integrated_gradients::default_path(self.passes.model(), self.subject)?;
        let want = Want::Layers(self.group.clone(), self.target.scalar.clone());
        let mut points: Vec<RowOutput> = Vec::new();
        let mut found = None;
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
            let integrated = self.by(&points);
            let converged = integrated.converged;
            found = Some(integrated);
            if converged {
                break;
            }
        }
        found.ok_or_else(|| self.passes.late())
    }

    fn by(&self, points: &[RowOutput]) -> Integrated {
        let change = points.last().map_or(0., |end| end.values[0])
            - points.first().map_or(0., |start| start.values[0]);
        let allowed = TOLERANCE * if self.passes.model().is_smooth() { 5. } else { 1. };
        let (mut scores, mut deltas, mut converged) = (Vec::new(), Vec::new(), true);
        for layer in 0..self.group.len() {
            let layers: Vec<&LayerOutput> =
                points.iter().map(|point| &point.layers[layer]).collect();
            let own = romberg(&layers, self.subject.encoding.len());
            let previous: Vec<&LayerOutput> = layers.iter().copied().step_by(2).collect();
            let previous = romberg(&previous, self.subject.encoding.len());
            let delta = own.iter().sum::<f64>() - change;
            let size: f64 = own.iter().map(|score| score.abs()).sum();
            let moved: Vec<f64> = own.iter().zip(&previous).map(|(a, b)| a - b).collect();
            converged &= delta.abs() <= TOLERANCE * size && norm(&moved) <= allowed * norm(&own);
            scores.push(own);
            deltas.push(delta);
        }
        Integrated { scores, deltas, converged, n_steps: points.len() }
    }
}

/// Returns the scores of one layer from its states and gradients at equally spaced points.
fn romberg(points: &[&LayerOutput], tokens: usize) -> Vec<f64> {
    let [fine, middle, coarse] = [1, 2, 4].map(|step| trapezoid(points, step, tokens));
    let extrapolated = |fine: &[f64], coarse: &[f64], factor: f64| -> Vec<f64> {
        let pairs = fine.iter().zip(coarse);
        pairs.map(|(fine, coarse)| fine + (fine - coarse) / (factor - 1.)).collect()
    };
    let first = extrapolated(&fine, &middle, 4.);
    extrapolated(&first, &extrapolated(&middle, &coarse, 4.), 16.)
}

/// Uses every `step`-th point.
fn trapezoid(points: &[&LayerOutput], step: usize, tokens: usize) -> Vec<f64> {
    let used: Vec<&&LayerOutput> = points.iter().step_by(step).collect();
    let mut scores = vec![0.; tokens];
    for pair in used.windows(2) {
        let (a, b) = (pair[0], pair[1]);
        let width = a.states.len() / tokens.max(1);
        for (token, score) in scores.iter_mut().enumerate() {
            let own = token * width..(token + 1) * width;
            let gradients = a.gradient[own.clone()].iter().zip(&b.gradient[own.clone()]);
            let states = a.states[own.clone()].iter().zip(&b.states[own]);
            let parts = gradients.zip(states).map(|((g, k), (from, to))| (g + k) * (to - from));
            *score += parts.sum::<f64>() / 2.;
        }
    }
    scores
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn romberg_integrates_polynomials_of_degree_five() {
        // One token, one dimension: h = α³, g = α², so ∫ g dh = 3/5.
        let point = |k: usize| {
            let alpha = k as f64 / 8.;
            LayerOutput { states: vec![alpha.powi(3)], gradient: vec![alpha.powi(2)] }
        };
        let points: Vec<LayerOutput> = (0..9).map(point).collect();
        let points: Vec<&LayerOutput> = points.iter().collect();
        assert!((romberg(&points, 1)[0] - 0.6).abs() < 1e-12);
        assert!((trapezoid(&points, 1, 1)[0] - 0.6).abs() > 1e-4);
    }
}
