//! Combines the outputs of all pairs of one row into one.

use super::{Basis, Joint, are_sums};
use crate::rows::{AttentionMap, LayerOutput, Reduce, Row, RowOutput, Scalar, Want};

/// The outputs of all pairs of one row.
pub struct PairOutputs<'a> {
    pub joint: &'a Joint,
    pub row: &'a Row,
    pub pairs: &'a [(usize, Vec<Basis>)],
    pub outputs: Vec<RowOutput>,
}

impl PairOutputs<'_> {
    /// Combines the outputs into one for the row.
    pub fn output(mut self) -> RowOutput {
        if self.row.scalars().is_empty() {
            return self.outputs.pop().unwrap_or_default();
        }
        RowOutput {
            values: self.row.scalars().iter().map(|scalar| self.value(scalar)).collect(),
            token_scores: self.token_scores(),
            attention: self.attention(),
            layers: self.layers(),
            ..RowOutput::default()
        }
    }

    /// Returns the row of `pair`, and the index of `basis` among the numbers requested of it.
    fn find(&self, pair: usize, basis: Basis) -> Option<(usize, usize)> {
        let row = self.pairs.iter().position(|(other, _)| *other == pair)?;
        Some((row, self.pairs[row].1.iter().position(|other| *other == basis)?))
    }

    /// Returns the number of kind `basis` of each pair; 0 for pairs that were not needed.
    fn numbers(&self, basis: Basis) -> Vec<f64> {
        let number = |pair| {
            let (row, k) = self.find(pair, basis)?;
            Some(self.outputs[row].values[k])
        };
        (0..self.joint.pairs.len()).map(|pair| number(pair).unwrap_or_default()).collect()
    }

    fn value(&self, scalar: &Scalar) -> f64 {
        let numbers = self.numbers(self.joint.outcome.basis(scalar));
        let probabilities = self.joint.outcome.activation().probabilities(&numbers, numbers.len());
        scalar.value(&numbers, &probabilities)
    }

    /// Returns `∂F/∂z_j` of each pair.
    fn weights(&self, scalar: &Scalar) -> Vec<f64> {
        let numbers = self.numbers(self.joint.outcome.basis(scalar));
        let activation = self.joint.outcome.activation();
        let probabilities = activation.probabilities(&numbers, numbers.len());
        activation.gradient(scalar, &numbers, &probabilities, numbers.len())
    }

    /// Returns the gradient of each scalar at the row's tokens, if it is requested there.
    fn token_scores(&self) -> Vec<Vec<f64>> {
        let Want::Gradients(reduce, scalars) = &self.row.want else { return Vec::new() };
        scalars.iter().map(|scalar| self.gradient(scalar, *reduce)).collect()
    }

    /// Returns the scalar's gradient at the row's tokens, reduced as requested; 0 at a second text
    /// that methods do not change.
    fn gradient(&self, scalar: &Scalar, reduce: Reduce) -> Vec<f64> {
        let basis = self.joint.outcome.basis(scalar);
        let tokens = self.row.tokens.len();
        let text = tokens - self.joint.tail(self.joint.own);
        let mut sum: Vec<f64> = vec![0.; tokens];
        for (pair, weight) in self.weights(scalar).into_iter().enumerate() {
            let Some((row, k)) = self.find(pair, basis) else { continue };
            let scores = &self.outputs[row].token_scores[k];
            let width = scores.len() / (text + self.joint.tail(pair));
            sum.resize(tokens * width, 0.);
            for (sum, score) in sum[..text * width].iter_mut().zip(scores) {
                *sum += weight * score;
            }
        }
        let width = sum.len() / tokens;
        match reduce {
            Reduce::TimesInput | Reduce::TimesDifference | Reduce::Keep => sum,
            // With a single pair, scores are reduced already, and a factor scales each norm alike.
            Reduce::Norm(norm) => sum.chunks(width).map(|gradient| norm.of(gradient)).collect(),
        }
    }

    /// Returns the attention of the row's own pair; of gradient maps, those of the first scalar.
    /// Sums of gradient maps are added up over all pairs.
    fn attention(&self) -> Vec<AttentionMap> {
        let maps = &self.row.maps;
        let scalar = self.row.differentiated().first().filter(|_| maps.kind.needs_gradient());
        let weights = scalar.map(|scalar| self.weights(scalar));
        let weight = |pair: usize| weights.as_ref().map_or(1., |weights| weights[pair]);
        let mut sums: Vec<AttentionMap> = Vec::new();
        for ((pair, _), output) in self.pairs.iter().zip(&self.outputs) {
            if *pair != self.joint.own && !are_sums(maps) {
                continue;
            }
            let weighted =
                output.attention.iter().map(|map| map.clone().map(|_, x| weight(*pair) * x));
            match sums.is_empty() {
                true => sums = weighted.collect(),
                false => sums.iter_mut().zip(weighted).for_each(|(sum, map)| {
                    sum.weights.iter_mut().zip(map.weights).for_each(|(sum, x)| *sum += x);
                }),
            }
        }
        sums
    }

    /// Returns the states and the scalar's gradient after each layer: those of all pairs, the
    /// tokens of one pair after those of another. Means are of the own pair's states and of the
    /// sum of the gradients.
    fn layers(&mut self) -> Vec<LayerOutput> {
        let Some(scalar) = self.row.differentiated().first() else { return Vec::new() };
        let weights = self.weights(scalar);
        let mut layers: Vec<LayerOutput> = Vec::new();
        for ((pair, _), output) in self.pairs.iter().zip(&mut self.outputs) {
            let own = std::mem::take(&mut output.layers);
            layers.resize_with(own.len(), LayerOutput::default);
            for (all, LayerOutput { states, gradient }) in layers.iter_mut().zip(own) {
                let gradient = gradient.iter().map(|x| weights[*pair] * x);
                if !matches!(self.row.want, Want::Means(_)) {
                    all.states.extend(states);
                    all.gradient.extend(gradient);
                    continue;
                }
                if *pair == self.joint.own {
                    all.states = states;
                }
                all.gradient.resize(gradient.len(), 0.);
                all.gradient.iter_mut().zip(gradient).for_each(|(sum, x)| *sum += x);
            }
        }
        layers
    }
}
