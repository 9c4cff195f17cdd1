//! From hidden states to outputs: which states are read, how they become one
//! vector, and the steps after that.

use super::{Activation, LayerNorm, Linear};

/// Which hidden states a head reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pooling {
    /// One vector of a row's states.
    Whole(Pool),
    /// Each by itself, of the tokens that a row names.
    Tokens,
}

/// How a row's states become one vector: by each way, side by side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pool {
    pub ways: Vec<Way>,
    /// Tokens at the beginning of each row that do not count.
    pub skip: usize,
}

/// A way to make one vector of n (Reimers & Gurevych 2019).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    First,
    Last,
    /// Their sum by n.
    Mean,
    /// Their sum by the square root of n.
    MeanSqrt,
    /// Weighted with their places in the row, counted from 1.
    WeightedMean,
    /// The largest number of each dimension.
    Max,
}

impl Pooling {
    pub fn by(way: Way) -> Self {
        Self::Whole(Pool { ways: vec![way], skip: 0 })
    }

    /// How many vectors of a state's size lie side by side in what it gives.
    pub fn ways(&self) -> usize {
        match self {
            Self::Whole(pool) => pool.ways.len(),
            Self::Tokens => 1,
        }
    }
}

impl Pool {
    /// The places of the states that it reads in a row of `tokens`, ascending.
    pub fn reads(&self, tokens: usize) -> Vec<usize> {
        let last = tokens.saturating_sub(1);
        let first = self.skip.min(last);
        let ends = self.ways.iter().all(|way| matches!(way, Way::First | Way::Last));
        if !ends {
            return (first..tokens).collect();
        }
        let mut reads: Vec<usize> =
            self.ways.iter().map(|way| if *way == Way::First { first } else { last }).collect();
        reads.sort_unstable();
        reads.dedup();
        reads
    }

    /// Whether it gives the one state that it reads.
    pub fn is_one_state(&self) -> bool {
        matches!(self.ways[..], [Way::First | Way::Last])
    }

    /// The weight of each of the `reads` states that it reads in a sum; none where it
    /// is no sum.
    pub fn weights(&self, way: Way, reads: usize) -> Option<Vec<f64>> {
        let at = |place: usize| (0..reads).map(|i| f64::from(u8::from(i == place))).collect();
        let all = |weight: f64| vec![weight; reads];
        match way {
            Way::First => Some(at(0)),
            Way::Last => Some(at(reads.saturating_sub(1))),
            Way::Mean => Some(all(1. / reads as f64)),
            Way::MeanSqrt => Some(all(1. / (reads as f64).sqrt())),
            Way::WeightedMean => {
                let places = self.skip + 1..=self.skip + reads;
                let sum: f64 = places.clone().map(|place| place as f64).sum();
                Some(places.map(|place| place as f64 / sum).collect())
            }
            Way::Max => None,
        }
    }

    /// The weight of each of a row's `tokens` states, where the vector is their mean
    /// in some way and nothing else.
    pub fn mean_weights(&self, tokens: usize) -> Option<Vec<f64>> {
        let [way @ (Way::Mean | Way::MeanSqrt | Way::WeightedMean)] = self.ways[..] else {
            return None;
        };
        let reads = self.reads(tokens);
        let mut weights = vec![0.; tokens];
        for (place, weight) in reads.iter().zip(self.weights(way, reads.len())?) {
            weights[*place] = weight;
        }
        Some(weights)
    }
}

/// From hidden states to logits: the pooled ones, through each step.
#[derive(Debug, Clone)]
pub struct Head {
    pub pooling: Pooling,
    pub steps: Vec<Step>,
}

/// One step from a vector to the next.
#[derive(Debug, Clone)]
pub enum Step {
    Dense(Box<Dense>),
    Norm(LayerNorm),
    /// `x / |x|`
    Unit,
    /// One logit z of a yes or no as the two that a softmax takes, 0 and z.
    Binary,
}

/// `act(map(x)) + residual(x)`
#[derive(Debug, Clone)]
pub struct Dense {
    pub map: Linear,
    pub activation: Option<Activation>,
    pub residual: Residual,
}

/// What is added to a step's output.
#[derive(Debug, Clone)]
pub enum Residual {
    None,
    /// Its input.
    Input,
    /// Its input through a map of its own.
    Map(Box<Linear>),
}

impl Step {
    /// A map with nothing added.
    pub fn map(map: Linear, activation: Option<Activation>) -> Self {
        Self::Dense(Box::new(Dense { map, activation, residual: Residual::None }))
    }
}

impl Dense {
    fn maps(&self) -> impl Iterator<Item = &Linear> {
        let own = match &self.residual {
            Residual::Map(map) => Some(map.as_ref()),
            Residual::None | Residual::Input => None,
        };
        [&self.map].into_iter().chain(own)
    }
}

impl Head {
    /// Every map.
    pub fn maps(&self) -> impl Iterator<Item = &Linear> {
        let dense = self.steps.iter().filter_map(|step| match step {
            Step::Dense(dense) => Some(dense.as_ref()),
            Step::Norm(_) | Step::Unit | Step::Binary => None,
        });
        dense.flat_map(Dense::maps)
    }

    /// Every norm with weights.
    pub fn norms(&self) -> impl Iterator<Item = &LayerNorm> {
        self.steps.iter().filter_map(|step| match step {
            Step::Norm(norm) => Some(norm),
            Step::Dense(_) | Step::Unit | Step::Binary => None,
        })
    }

    /// Whether outputs change smoothly with the states.
    pub fn is_smooth(&self) -> bool {
        let pooled = match &self.pooling {
            Pooling::Whole(pool) => !pool.ways.contains(&Way::Max),
            Pooling::Tokens => true,
        };
        let step = |step: &Step| match step {
            Step::Dense(dense) => dense.activation.is_none_or(Activation::is_smooth),
            Step::Norm(_) | Step::Unit | Step::Binary => true,
        };
        pooled && self.steps.iter().all(step)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_alone_are_read_where_nothing_else_is() {
        let reads = |ways: &[Way], skip, tokens| Pool { ways: ways.into(), skip }.reads(tokens);
        assert_eq!(reads(&[Way::First], 0, 5), [0]);
        assert_eq!(reads(&[Way::Last, Way::First], 2, 5), [2, 4]);
        assert_eq!(reads(&[Way::Last, Way::First], 0, 1), [0]);
        assert_eq!(reads(&[Way::First, Way::Max], 3, 5), [3, 4]);
        assert_eq!(reads(&[Way::Mean], 9, 5), [4], "one is left of a row that is all prompt");
    }

    #[test]
    fn places_are_the_rows_own() {
        let pool = Pool { ways: vec![Way::WeightedMean], skip: 2 };
        let weights = pool.mean_weights(5).unwrap();
        assert_eq!(weights, [0., 0., 3. / 12., 4. / 12., 5. / 12.]);
        assert_eq!(Pool { ways: vec![Way::Max], skip: 0 }.mean_weights(5), None);
    }
}
