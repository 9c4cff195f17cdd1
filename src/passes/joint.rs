//! Scalars of several text pairs with the same first text. In zero-shot classification, the text is
//! paired with each candidate's hypothesis, and the pairs' outputs compete.
//!
//! Methods build rows of one pair, with scalars of candidates. Each row is run with every second
//! text that its scalars need. The outputs are combined by the chain rule:
//! `∂F/∂x = Σ_j ∂F/∂z_j ∂z_j/∂x`, with z_j the logits of pair j.

mod combined;

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::heads::activation::OutputActivation;
use crate::model::Model;
use crate::rows::{
    Baseline, MapHeads, MapKind, Maps, Means, Output, Path, Reduce, Row, RowOutput, Scalar, Tokens,
    Want,
};
use combined::PairOutputs;

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
    /// The pairs that each row expands to, ascending.
    needed: Vec<usize>,
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
        let needed = outcome.needed(scalar, pairs.len());
        Self { outcome, pairs, own, shared, needed }
    }

    /// Returns the number of rows that each row expands to.
    pub fn copies(&self) -> usize {
        self.needed.len()
    }

    /// Returns, for each token of the pairs that a row expands to, the token of the row's own pair
    /// that stands for it: of the text the same one, of a second text the one at the same distance
    /// from its start, or the last one.
    pub fn shown_at(&self) -> Vec<usize> {
        let last = self.pairs[self.own].len().saturating_sub(1);
        let of_pair = |pair: &usize| (0..self.pairs[*pair].len()).map(move |token| token.min(last));
        self.needed.iter().flat_map(of_pair).collect()
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
        let large = self.copies() > 1 && rows.iter().any(is_unreduced);
        let chunk = if large { 1 } else { rows.len().max(1) };
        for rows in rows.chunks(chunk) {
            let expanded: Vec<Expanded> =
                rows.iter().map(|row| self.expand(row, model)).collect::<Result<_>>()?;
            let all = expanded.iter().flat_map(|expanded| expanded.rows.iter().cloned()).collect();
            let mut outputs = run(all).await?.into_iter();
            for (row, Expanded { pairs, .. }) in rows.iter().zip(&expanded) {
                let outputs: Vec<RowOutput> = outputs.by_ref().take(pairs.len()).collect();
                combined.push(PairOutputs { joint: self, row, pairs, outputs }.output());
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
        let mut scalars: Vec<Scalar> =
            bases.iter().map(|&basis| self.outcome.of_pair(basis)).collect();
        let want = match &row.want {
            Want::Gradients(reduce, _) if single || is_linear(*reduce) => {
                Want::Gradients(*reduce, scalars)
            }
            Want::Gradients(..) => Want::Gradients(Reduce::Keep, scalars),
            // Of one scalar, which has one basis.
            Want::Layers(layers, _) => Want::Layers(layers.clone(), scalars.pop()),
            Want::Means(means) => Want::Means(Means { scalar: scalars.pop(), ..means.clone() }),
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
        let maps = match pair == self.own || are_sums(&row.maps) {
            true => row.maps.clone(),
            false => Maps::default(),
        };
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

/// Returns whether gradients can be added after they are reduced.
fn is_linear(reduce: Reduce) -> bool {
    match reduce {
        Reduce::TimesInput | Reduce::TimesDifference | Reduce::Keep => true,
        Reduce::Norm(_) => false,
    }
}

/// Returns whether the maps of several pairs add up: they are numbers per head that are linear in
/// the gradient.
fn are_sums(maps: &Maps) -> bool {
    maps.kind == MapKind::Gradients && maps.heads == MapHeads::Sums
}

/// Returns whether gradients are always reduced to one number per token.
fn is_number(reduce: Reduce) -> bool {
    matches!(reduce, Reduce::TimesInput | Reduce::TimesDifference)
}
