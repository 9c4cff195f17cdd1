//! Scalars of several text pairs with the same first text. In zero-shot classification, the text is
//! paired with each candidate's hypothesis, and the pairs' outputs compete.
//!
//! Methods build rows of one pair, with scalars of candidates. Each row is run with every second
//! text that its scalars need. The outputs are combined by the chain rule:
//! `∂F/∂x = Σ_j ∂F/∂z_j ∂z_j/∂x`, with z_j the logits of pair j.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::heads::activation::OutputActivation;
use crate::model::Model;
use crate::rows::{
    AttentionMap, Baseline, Maps, Output, Path, Reduce, Row, RowOutput, Scalar, Tokens, Want,
};

/// How the pairs' logits become one number per pair, and these become probabilities.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// Index of the output that is a pair's logit.
    pub output: usize,
    pub competition: Competition,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Competition {
    /// The pairs' logits compete with each other.
    Pairs,
    /// In each pair, the logit competes with that of this output.
    Within(usize),
}

/// The number of one pair that a scalar is computed from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Basis {
    Logit,
    /// The logit minus that of the output it competes with.
    Margin(usize),
}

impl Outcome {
    /// Returns what a scalar is computed from in each pair.
    fn basis(self, scalar: &Scalar) -> Basis {
        match (self.competition, scalar) {
            (Competition::Within(other), Scalar::Sum { output: Output::Probability, .. }) => {
                Basis::Margin(other)
            }
            _ => Basis::Logit,
        }
    }

    /// Returns the activation that turns the competing numbers into probabilities.
    fn activation(self) -> OutputActivation {
        match self.competition {
            Competition::Pairs => OutputActivation::Softmax,
            Competition::Within(_) => OutputActivation::Sigmoid,
        }
    }

    /// Returns the scalar of one pair that evaluates `basis`.
    fn of_pair(self, basis: Basis) -> Scalar {
        let terms = match basis {
            Basis::Logit => vec![(self.output, 1.)],
            Basis::Margin(other) => vec![(self.output, 1.), (other, -1.)],
        };
        Scalar::Sum { output: Output::Logit, terms }
    }

    /// Returns the pairs that `scalar` depends on, of `count` pairs, in ascending order.
    pub fn needed(self, scalar: &Scalar, count: usize) -> Vec<usize> {
        match (self.competition, scalar) {
            (Competition::Pairs, Scalar::Sum { output: Output::Probability, .. }) => {
                (0..count).collect()
            }
            (_, Scalar::Sum { terms, .. }) => {
                let mut pairs: Vec<usize> = terms.iter().map(|&(pair, _)| pair).collect();
                pairs.sort_unstable();
                pairs.dedup();
                pairs
            }
            (_, Scalar::Cosine(_) | Scalar::Highest(_)) => Vec::new(),
        }
    }

    /// Combines the outputs of all pairs into one, with a logit and a probability per pair.
    pub fn of(self, pairs: &[RowOutput]) -> RowOutput {
        let numbers = |basis: Basis| -> Vec<f64> {
            let scalar = self.of_pair(basis);
            pairs.iter().map(|pair| scalar.value(&pair.logits, &pair.probabilities)).collect()
        };
        let competing = match self.competition {
            Competition::Pairs => Basis::Logit,
            Competition::Within(other) => Basis::Margin(other),
        };
        let competing = numbers(competing);
        let probabilities = self.activation().probabilities(&competing, competing.len());
        RowOutput { logits: numbers(Basis::Logit), probabilities, ..RowOutput::default() }
    }
}

/// One text paired with several second texts.
pub struct Joint {
    outcome: Outcome,
    /// Tokens of each pair.
    pairs: Vec<Arc<Tokens>>,
    /// Index of the pair that rows are built from.
    own: usize,
    /// Number of its leading tokens that methods may change. They are the same in all pairs; or, if
    /// no other pair is needed, they are the whole pair.
    shared: usize,
    /// Number of rows that each row expands to.
    copies: usize,
}

/// A row expanded to the pairs that it needs.
struct Expanded {
    rows: Vec<Row>,
    /// Per row, the index of its pair and the numbers needed from it.
    pairs: Vec<(usize, Vec<Basis>)>,
}

impl Joint {
    /// Creates a joint for rows of pair `own`, with scalars that need as many pairs as `scalar`.
    pub fn new(
        outcome: Outcome,
        pairs: Vec<Arc<Tokens>>,
        own: usize,
        shared: usize,
        scalar: &Scalar,
    ) -> Self {
        let copies = outcome.needed(scalar, pairs.len()).len();
        Self { outcome, pairs, own, shared, copies }
    }

    pub fn copies(&self) -> usize {
        self.copies
    }

    /// Runs `rows`, expanded to pairs, through `run`. Returns one output per row.
    pub async fn run<F: Future<Output = Result<Vec<RowOutput>>>>(
        &self,
        rows: Vec<Row>,
        model: &Model,
        run: impl Fn(Vec<Row>) -> F,
    ) -> Result<Vec<RowOutput>> {
        let mut combined = Vec::with_capacity(rows.len());
        // Unreduced gradients of many pairs are large, so they are computed one row at a time.
        let is_unreduced =
            |row: &Row| matches!(row.want, Want::Gradients(reduce, _) if !is_number(reduce));
        let large = self.copies > 1 && rows.iter().any(is_unreduced);
        let chunk = if large { 1 } else { rows.len().max(1) };
        for rows in rows.chunks(chunk) {
            let expanded: Vec<Expanded> =
                rows.iter().map(|row| self.expand(row, model)).collect::<Result<_>>()?;
            let all = expanded.iter().flat_map(|expanded| expanded.rows.iter().cloned()).collect();
            let mut outputs = run(all).await?.into_iter();
            for (row, Expanded { pairs, .. }) in rows.iter().zip(&expanded) {
                let outputs: Vec<RowOutput> = outputs.by_ref().take(pairs.len()).collect();
                combined.push(PairOutputs { joint: self, row, pairs, outputs: &outputs }.output());
            }
        }
        Ok(combined)
    }

    /// Returns the number of trailing tokens of a pair, which methods do not change.
    fn tail(&self, pair: usize) -> usize {
        self.pairs[pair].len().saturating_sub(self.shared)
    }

    fn expand(&self, row: &Row, model: &Model) -> Result<Expanded> {
        // Rows without scalars need only their own pair, for attention or flow.
        if row.scalars().is_empty() {
            return Ok(Expanded { rows: vec![row.clone()], pairs: vec![(self.own, Vec::new())] });
        }
        let mut pairs: Vec<(usize, Vec<Basis>)> = Vec::new();
        for scalar in row.scalars() {
            let basis = self.outcome.basis(scalar);
            for pair in self.outcome.needed(scalar, self.pairs.len()) {
                match pairs.iter_mut().find(|(other, _)| *other == pair) {
                    Some((_, bases)) if bases.contains(&basis) => {}
                    Some((_, bases)) => bases.push(basis),
                    None => pairs.push((pair, vec![basis])),
                }
            }
        }
        if !row.maps.layers.is_empty() && !pairs.iter().any(|(pair, _)| *pair == self.own) {
            pairs.push((self.own, Vec::new()));
        }
        if self.tail(self.own) == 0 && pairs.iter().any(|(pair, _)| *pair != self.own) {
            return Err(Error::internal("the second text changes, but other pairs are needed"));
        }
        let single = pairs.iter().map(|(_, bases)| bases.len()).sum::<usize>() == 1;
        let rows = pairs.iter().map(|(pair, bases)| self.in_pair(row, *pair, bases, single, model));
        Ok(Expanded { rows: rows.collect(), pairs })
    }

    /// Builds the row with the second text of `pair`. Gradients of several pairs must be added
    /// before a nonlinear reduction, so these are not reduced yet.
    fn in_pair(&self, row: &Row, pair: usize, bases: &[Basis], single: bool, model: &Model) -> Row {
        let scalars = bases.iter().map(|&basis| self.outcome.of_pair(basis)).collect();
        let want = match &row.want {
            Want::Gradients(reduce, _) if single || is_linear(*reduce) => {
                Want::Gradients(*reduce, scalars)
            }
            Want::Gradients(..) => Want::Gradients(Reduce::Keep, scalars),
            _ => Want::Values(scalars),
        };
        let tokens = match pair == self.own {
            true => Arc::clone(&row.tokens),
            false => self.tokens(row, pair, model),
        };
        let held = self.tail(pair);
        let path = row.path.as_ref().map(|path| {
            let text = tokens.len() - held;
            let baseline = match &path.baseline {
                // Paths after a layer are refused with candidates.
                Baseline::Zero | Baseline::States(_) => Baseline::Zero,
                Baseline::Ids(ids) => {
                    let end = &tokens.input_ids[text..];
                    Baseline::Ids(ids[..text].iter().chain(end).copied().collect())
                }
            };
            Path { baseline, held, ..path.clone() }
        });
        let maps = if pair == self.own { row.maps.clone() } else { Maps::default() };
        Row { tokens, path, maps, want, ..row.clone() }
    }

    /// Returns the row's text, or what is left of it, with the second text of `pair`.
    fn tokens(&self, row: &Row, pair: usize, model: &Model) -> Arc<Tokens> {
        let (text, other) = (row.tokens.len() - self.tail(self.own), &self.pairs[pair]);
        let join = |own: &[u32], other: &[u32]| -> Vec<u32> {
            own[..text].iter().chain(&other[self.shared..]).copied().collect()
        };
        let ids = join(&row.tokens.input_ids, &other.input_ids);
        let types = join(&row.tokens.token_type_ids, &other.token_type_ids);
        Arc::new(match text == self.shared {
            // Replaced tokens keep their positions.
            true => Tokens {
                position_ids: join(&row.tokens.position_ids, &other.position_ids),
                input_ids: ids,
                token_type_ids: types,
            },
            false => model.text.tokens(ids, types),
        })
    }
}

/// The outputs of all pairs of one row.
struct PairOutputs<'a> {
    joint: &'a Joint,
    row: &'a Row,
    pairs: &'a [(usize, Vec<Basis>)],
    outputs: &'a [RowOutput],
}

impl PairOutputs<'_> {
    /// Combines the outputs into one for the row.
    fn output(&self) -> RowOutput {
        if self.row.scalars().is_empty() {
            return self.outputs.first().cloned().unwrap_or_default();
        }
        RowOutput {
            values: self.row.scalars().iter().map(|scalar| self.value(scalar)).collect(),
            token_scores: self.row.differentiated().iter().map(|s| self.gradient(s)).collect(),
            attention: self.attention(),
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

    /// Returns the scalar's gradient at the row's tokens, reduced as requested; 0 at a second text
    /// that methods do not change.
    fn gradient(&self, scalar: &Scalar) -> Vec<f64> {
        let Want::Gradients(reduce, _) = self.row.want else { return Vec::new() };
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

    /// Returns the attention of the row's own pair. Gradient maps are those of the first scalar.
    fn attention(&self) -> Vec<AttentionMap> {
        let own = self.pairs.iter().position(|(pair, _)| *pair == self.joint.own);
        let maps = own.map(|row| self.outputs[row].attention.clone()).unwrap_or_default();
        match (self.row.maps.kind.needs_gradient(), self.row.differentiated().first()) {
            (true, Some(scalar)) => {
                let weight = self.weights(scalar)[self.joint.own];
                maps.into_iter().map(|map| map.map(|_, x| weight * x)).collect()
            }
            _ => maps,
        }
    }
}

/// Returns whether gradients can be added after they are reduced.
fn is_linear(reduce: Reduce) -> bool {
    match reduce {
        Reduce::TimesInput | Reduce::TimesDifference | Reduce::Keep => true,
        Reduce::Norm(_) => false,
    }
}

/// Returns whether gradients are always reduced to one number per token.
fn is_number(reduce: Reduce) -> bool {
    matches!(reduce, Reduce::TimesInput | Reduce::TimesDifference)
}
