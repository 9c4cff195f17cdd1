//! Task heads: which hidden states are read, how they are pooled, and the steps after that.

use super::{Activation, LayerNorm, Linear};

/// Which hidden states a head reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pooling {
    /// The states of a row, pooled into one vector.
    Whole(Pool),
    /// The state of each token in the row's `reads`.
    Tokens,
}

/// How a row's states are pooled into one vector: the results of all modes, concatenated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pool {
    pub modes: Vec<PoolingMode>,
    /// Number of tokens to skip at the beginning of each row.
    pub skip: usize,
}

/// A pooling mode over `n` vectors (Reimers & Gurevych 2019).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PoolingMode {
    First,
    Last,
    /// The sum divided by `n`.
    Mean,
    /// The sum divided by `sqrt(n)`.
    MeanSqrt,
    /// The mean weighted by the position in the row, counted from 1.
    WeightedMean,
    /// The maximum per dimension.
    Max,
}

impl Pooling {
    pub fn by(mode: PoolingMode) -> Self {
        Self::Whole(Pool { modes: vec![mode], skip: 0 })
    }

    /// Returns the number of pooling modes: the output is `hidden · modes` wide.
    pub fn modes(&self) -> usize {
        match self {
            Self::Whole(pool) => pool.modes.len(),
            Self::Tokens => 1,
        }
    }
}

impl Pool {
    /// Returns the positions of the states to pool in a row of `tokens`, ascending.
    pub fn reads(&self, tokens: usize) -> Vec<usize> {
        let last = tokens.saturating_sub(1);
        let first = self.skip.min(last);
        let ends =
            self.modes.iter().all(|mode| matches!(mode, PoolingMode::First | PoolingMode::Last));
        if !ends {
            return (first..tokens).collect();
        }
        let mut reads: Vec<usize> = self
            .modes
            .iter()
            .map(|mode| if *mode == PoolingMode::First { first } else { last })
            .collect();
        reads.sort_unstable();
        reads.dedup();
        reads
    }

    /// Whether the result is a single state, unchanged.
    pub fn is_one_state(&self) -> bool {
        matches!(self.modes[..], [PoolingMode::First | PoolingMode::Last])
    }

    /// Returns the weights of the `reads` pooled states, or `None` if the mode is not a weighted
    /// sum.
    pub fn weights(&self, mode: PoolingMode, reads: usize) -> Option<Vec<f64>> {
        let one_hot =
            |position: usize| (0..reads).map(|i| f64::from(u8::from(i == position))).collect();
        let uniform = |weight: f64| vec![weight; reads];
        match mode {
            PoolingMode::First => Some(one_hot(0)),
            PoolingMode::Last => Some(one_hot(reads.saturating_sub(1))),
            PoolingMode::Mean => Some(uniform(1. / reads as f64)),
            PoolingMode::MeanSqrt => Some(uniform(1. / (reads as f64).sqrt())),
            PoolingMode::WeightedMean => {
                let positions = self.skip + 1..=self.skip + reads;
                let sum: f64 = positions.clone().map(|position| position as f64).sum();
                Some(positions.map(|position| position as f64 / sum).collect())
            }
            PoolingMode::Max => None,
        }
    }

    /// Returns the weight of each of a row's `tokens` states if the pooled vector is a single
    /// mean, else `None`.
    pub fn mean_weights(&self, tokens: usize) -> Option<Vec<f64>> {
        let [mode @ (PoolingMode::Mean | PoolingMode::MeanSqrt | PoolingMode::WeightedMean)] =
            self.modes[..]
        else {
            return None;
        };
        let reads = self.reads(tokens);
        let mut weights = vec![0.; tokens];
        for (position, weight) in reads.iter().zip(self.weights(mode, reads.len())?) {
            weights[*position] = weight;
        }
        Some(weights)
    }
}

/// A task head: pooling, then the steps in order.
#[derive(Debug, Clone)]
pub struct Head {
    pub pooling: Pooling,
    pub steps: Vec<Step>,
}

/// One step of a head.
#[derive(Debug, Clone)]
pub enum Step {
    Dense(Box<Dense>),
    Norm(LayerNorm),
    /// `x / |x|`
    Unit,
    /// Turns a binary logit `z` into the two logits of a softmax, 0 and `z`.
    Binary,
}

/// `act(map(x)) + residual(x)`
#[derive(Debug, Clone)]
pub struct Dense {
    pub map: Linear,
    pub activation: Option<Activation>,
    pub residual: Residual,
}

/// What is added to the output of a [`Dense`].
#[derive(Debug, Clone)]
pub enum Residual {
    None,
    /// The input.
    Input,
    /// The input through another linear map.
    Map(Box<Linear>),
}

impl Step {
    /// A dense step without a residual.
    pub fn map(map: Linear, activation: Option<Activation>) -> Self {
        Self::Dense(Box::new(Dense { map, activation, residual: Residual::None }))
    }
}

impl Dense {
    /// Whether it is nothing but a linear map.
    pub fn is_map(&self) -> bool {
        self.activation.is_none() && matches!(self.residual, Residual::None)
    }

    fn maps(&self) -> impl Iterator<Item = &Linear> {
        let own = match &self.residual {
            Residual::Map(map) => Some(map.as_ref()),
            Residual::None | Residual::Input => None,
        };
        [&self.map].into_iter().chain(own)
    }
}

impl Head {
    /// Returns all linear maps.
    pub fn maps(&self) -> impl Iterator<Item = &Linear> {
        let dense = self.steps.iter().filter_map(|step| match step {
            Step::Dense(dense) => Some(dense.as_ref()),
            Step::Norm(_) | Step::Unit | Step::Binary => None,
        });
        dense.flat_map(Dense::maps)
    }

    /// Returns all layer norms.
    pub fn norms(&self) -> impl Iterator<Item = &LayerNorm> {
        self.steps.iter().filter_map(|step| match step {
            Step::Norm(norm) => Some(norm),
            Step::Dense(_) | Step::Unit | Step::Binary => None,
        })
    }

    /// Whether the outputs are a smooth function of the states.
    pub fn is_smooth(&self) -> bool {
        let smooth_pooling = match &self.pooling {
            Pooling::Whole(pool) => !pool.modes.contains(&PoolingMode::Max),
            Pooling::Tokens => true,
        };
        let smooth_step = |step: &Step| match step {
            Step::Dense(dense) => dense.activation.is_none_or(Activation::is_smooth),
            Step::Norm(_) | Step::Unit | Step::Binary => true,
        };
        smooth_pooling && self.steps.iter().all(smooth_step)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_and_last_modes_read_only_those_states() {
        let reads =
            |modes: &[PoolingMode], skip, tokens| Pool { modes: modes.into(), skip }.reads(tokens);
        assert_eq!(reads(&[PoolingMode::First], 0, 5), [0]);
        assert_eq!(reads(&[PoolingMode::Last, PoolingMode::First], 2, 5), [2, 4]);
        assert_eq!(reads(&[PoolingMode::Last, PoolingMode::First], 0, 1), [0]);
        assert_eq!(reads(&[PoolingMode::First, PoolingMode::Max], 3, 5), [3, 4]);
        assert_eq!(
            reads(&[PoolingMode::Mean], 9, 5),
            [4],
            "a row that is all prompt keeps its last token"
        );
    }

    #[test]
    fn weighted_mean_counts_positions_from_the_row_start() {
        let pool = Pool { modes: vec![PoolingMode::WeightedMean], skip: 2 };
        let weights = pool.mean_weights(5).unwrap();
        assert_eq!(weights, [0., 0., 3. / 12., 4. / 12., 5. / 12.]);
        assert_eq!(Pool { modes: vec![PoolingMode::Max], skip: 0 }.mean_weights(5), None);
    }
}
