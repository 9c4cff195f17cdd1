//! One text in several pairs, and scalars of all of them: each candidate of zero-shot
//! classification is read beside the text, and their outputs compete.
//!
//! Methods make rows of one pair and scalars of candidates. Each row is run with every second
//! text that its scalars need, and what comes back is put together by the chain rule:
//! `∂F/∂x = Σ_j ∂F/∂z_j ∂z_j/∂x`, with z_j the logits of pair j.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::heads::activation::OutputActivation;
use crate::model::Model;
use crate::rows::{
    AttentionMap, Baseline, Maps, Output, Path, Reduce, Row, RowOutput, Scalar, Tokens, Want, norm,
};

/// What is made of the pairs' logits: a number a pair, of which probabilities are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// The output that is a pair's logit.
    pub output: usize,
    pub competition: Competition,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Competition {
    /// The pairs' logits against each other.
    Pairs,
    /// In each pair, the logit against this output's.
    Within(usize),
}

/// A number of one pair that a scalar is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Basis {
    Logit,
    /// Above the output that it competes with.
    Margin(usize),
}

impl Outcome {
    /// What a scalar's gradient goes through on its way to the pairs.
    fn basis(self, scalar: &Scalar) -> Basis {
        match (self.competition, scalar) {
            (Competition::Within(other), Scalar::Sum { output: Output::Probability, .. }) => {
                Basis::Margin(other)
            }
            _ => Basis::Logit,
        }
    }

    /// From what is [`Self::basis`] to what is served.
    fn activation(self) -> OutputActivation {
        match self.competition {
            Competition::Pairs => OutputActivation::Softmax,
            Competition::Within(_) => OutputActivation::Sigmoid,
        }
    }

    /// A pair's scalar.
    fn of_pair(self, basis: Basis) -> Scalar {
        let terms = match basis {
            Basis::Logit => vec![(self.output, 1.)],
            Basis::Margin(other) => vec![(self.output, 1.), (other, -1.)],
        };
        Scalar::Sum { output: Output::Logit, terms }
    }

    /// The pairs that a scalar of `count` of them depends on, ascending.
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
            (_, Scalar::Cosine(_)) => Vec::new(),
        }
    }

    /// The outputs of all pairs as one: a logit and a probability each.
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

/// A text's pairs.
pub struct Joint {
    outcome: Outcome,
    /// Each pair's tokens.
    pairs: Vec<Arc<Tokens>>,
    /// The pair that rows are made of.
    own: usize,
    /// Its first tokens, which methods may change. They are the same in all pairs, or, where
    /// no other pair is needed, all of it.
    shared: usize,
    /// Rows that a row becomes.
    copies: usize,
}

/// One row's way through the pairs.
struct Expanded {
    rows: Vec<Row>,
    /// The pair of each, and what is asked of it.
    pairs: Vec<(usize, Vec<Basis>)>,
}

impl Joint {
    /// For rows of pair `own` and scalars such as `scalar`.
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

    /// The rows of one job, one output each.
    pub async fn run<F: Future<Output = Result<Vec<RowOutput>>>>(
        &self,
        rows: Vec<Row>,
        model: &Model,
        run: impl Fn(Vec<Row>) -> F,
    ) -> Result<Vec<RowOutput>> {
        let mut combined = Vec::with_capacity(rows.len());
        // Whole gradients of many pairs are large: those of one row at a time.
        let keeps =
            |row: &Row| matches!(row.want, Want::Gradients(reduce, _) if !is_number(reduce));
        let large = self.copies > 1 && rows.iter().any(keeps);
        let together = if large { 1 } else { rows.len().max(1) };
        for rows in rows.chunks(together) {
            let expanded: Vec<Expanded> =
                rows.iter().map(|row| self.expand(row, model)).collect::<Result<_>>()?;
            let all = expanded.iter().flat_map(|expanded| expanded.rows.iter().cloned()).collect();
            let mut outputs = run(all).await?.into_iter();
            for (row, Expanded { pairs, .. }) in rows.iter().zip(&expanded) {
                let outputs: Vec<RowOutput> = outputs.by_ref().take(pairs.len()).collect();
                combined.push(Found { joint: self, row, pairs, outputs: &outputs }.output());
            }
        }
        Ok(combined)
    }

    /// Tokens of a pair that are held.
    fn tail(&self, pair: usize) -> usize {
        self.pairs[pair].len().saturating_sub(self.shared)
    }

    fn expand(&self, row: &Row, model: &Model) -> Result<Expanded> {
        // Without a scalar it is about its own pair: its attention, or what flows there.
        if row.scalars().is_empty() {
            return Ok(Expanded { rows: vec![row.clone()], pairs: vec![(self.own, Vec::new())] });
        }
        let mut pairs: Vec<(usize, Vec<Basis>)> = Vec::new();
        for scalar in row.scalars() {
            let basis = self.outcome.basis(scalar);
            for pair in self.outcome.needed(scalar, self.pairs.len()) {
                match pairs.iter_mut().find(|(other, _)| *other == pair) {
                    Some((_, asked)) if asked.contains(&basis) => {}
                    Some((_, asked)) => asked.push(basis),
                    None => pairs.push((pair, vec![basis])),
                }
            }
        }
        if !row.maps.layers.is_empty() && !pairs.iter().any(|(pair, _)| *pair == self.own) {
            pairs.push((self.own, Vec::new()));
        }
        if self.tail(self.own) == 0 && pairs.iter().any(|(pair, _)| *pair != self.own) {
            return Err(Error::internal("a second text that changes is read beside others"));
        }
        let alone = pairs.iter().map(|(_, asked)| asked.len()).sum::<usize>() == 1;
        let rows = pairs.iter().map(|(pair, asked)| self.in_pair(row, *pair, asked, alone, model));
        Ok(Expanded { rows: rows.collect(), pairs })
    }

    /// The row with the second text of `pair`. Gradients of several pairs are added before
    /// they are reduced, where that makes a difference.
    fn in_pair(&self, row: &Row, pair: usize, asked: &[Basis], alone: bool, model: &Model) -> Row {
        let scalars = asked.iter().map(|&basis| self.outcome.of_pair(basis)).collect();
        let want = match &row.want {
            Want::Gradients(reduce, _) if alone || is_linear(*reduce) => {
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
            let moved = tokens.len() - held;
            let baseline = match &path.baseline {
                Baseline::Zero => Baseline::Zero,
                Baseline::Ids(ids) => {
                    let end = &tokens.input_ids[moved..];
                    Baseline::Ids(ids[..moved].iter().chain(end).copied().collect())
                }
            };
            Path { baseline, held, ..path.clone() }
        });
        let maps = if pair == self.own { row.maps.clone() } else { Maps::default() };
        Row { tokens, path, maps, want, ..row.clone() }
    }

    /// The row's text, whole or a part of it, with the second text of `pair`.
    fn tokens(&self, row: &Row, pair: usize, model: &Model) -> Arc<Tokens> {
        let (text, other) = (row.tokens.len() - self.tail(self.own), &self.pairs[pair]);
        let with = |own: &[u32], other: &[u32]| -> Vec<u32> {
            own[..text].iter().chain(&other[self.shared..]).copied().collect()
        };
        let ids = with(&row.tokens.input_ids, &other.input_ids);
        let types = with(&row.tokens.token_type_ids, &other.token_type_ids);
        Arc::new(match text == self.shared {
            // Words that are replaced leave positions as they are.
            true => Tokens {
                position_ids: with(&row.tokens.position_ids, &other.position_ids),
                input_ids: ids,
                token_type_ids: types,
            },
            false => model.text.tokens(ids, types),
        })
    }
}

/// What the pairs of one row gave.
struct Found<'a> {
    joint: &'a Joint,
    row: &'a Row,
    pairs: &'a [(usize, Vec<Basis>)],
    outputs: &'a [RowOutput],
}

impl Found<'_> {
    /// What the row's scalars come to.
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

    /// Where a pair's number of this kind is: its row, and its place among what was asked.
    fn place(&self, pair: usize, basis: Basis) -> Option<(usize, usize)> {
        let row = self.pairs.iter().position(|(other, _)| *other == pair)?;
        Some((row, self.pairs[row].1.iter().position(|other| *other == basis)?))
    }

    /// The pairs' numbers of one kind; 0 where they were not needed.
    fn numbers(&self, basis: Basis) -> Vec<f64> {
        let number = |pair| {
            let (row, k) = self.place(pair, basis)?;
            Some(self.outputs[row].values[k])
        };
        (0..self.joint.pairs.len()).map(|pair| number(pair).unwrap_or_default()).collect()
    }

    fn value(&self, scalar: &Scalar) -> f64 {
        let numbers = self.numbers(self.joint.outcome.basis(scalar));
        let probabilities = self.joint.outcome.activation().probabilities(&numbers, numbers.len());
        scalar.value(&numbers, &probabilities)
    }

    /// `∂F/∂z_j` of each pair.
    fn weights(&self, scalar: &Scalar) -> Vec<f64> {
        let numbers = self.numbers(self.joint.outcome.basis(scalar));
        let activation = self.joint.outcome.activation();
        let probabilities = activation.probabilities(&numbers, numbers.len());
        activation.gradient(scalar, &numbers, &probabilities, numbers.len())
    }

    /// The scalar's gradient at the row's tokens as it was asked for; at a second text that
    /// is held, 0.
    fn gradient(&self, scalar: &Scalar) -> Vec<f64> {
        let Want::Gradients(reduce, _) = self.row.want else { return Vec::new() };
        let basis = self.joint.outcome.basis(scalar);
        let tokens = self.row.tokens.len();
        let text = tokens - self.joint.tail(self.joint.own);
        let mut sum: Vec<f64> = vec![0.; tokens];
        for (pair, weight) in self.weights(scalar).into_iter().enumerate() {
            let Some((row, k)) = self.place(pair, basis) else { continue };
            let scores = &self.outputs[row].token_scores[k];
            let width = scores.len() / (text + self.joint.tail(pair));
            sum.resize(tokens * width, 0.);
            for (sum, score) in sum[..text * width].iter_mut().zip(scores) {
                *sum += weight * score;
            }
        }
        let width = sum.len() / tokens;
        match is_linear(reduce) {
            true => sum,
            // Of one pair it was reduced before, which a factor does not mind.
            false => sum.chunks(width).map(|gradient| reduced(gradient, reduce)).collect(),
        }
    }

    /// The own pair's maps; those of a gradient are of the first scalar's.
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

/// Whether gradients can be added after they were reduced.
fn is_linear(reduce: Reduce) -> bool {
    match reduce {
        Reduce::TimesInput | Reduce::TimesDifference | Reduce::Keep => true,
        Reduce::L1 | Reduce::L2 | Reduce::Mean => false,
    }
}

/// Whether a token's gradient comes back as one number.
fn is_number(reduce: Reduce) -> bool {
    matches!(reduce, Reduce::TimesInput | Reduce::TimesDifference)
}

/// One token's gradient, `[hidden]`.
fn reduced(gradient: &[f64], reduce: Reduce) -> f64 {
    let magnitudes = || gradient.iter().map(|g| g.abs()).sum::<f64>();
    match reduce {
        Reduce::L1 => magnitudes(),
        Reduce::Mean => magnitudes() / gradient.len() as f64,
        _ => norm(gradient),
    }
}
