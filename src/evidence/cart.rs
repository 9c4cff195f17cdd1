//! Classification trees over binary features: CART (Breiman et al. 1984) with weighted Gini
//! impurity, grown depth first like scikit-learn's DecisionTreeClassifier.

/// A training example.
#[derive(Debug, Clone, PartialEq)]
pub struct Observation {
    /// `[features]`
    pub present: Box<[bool]>,
    pub class: usize,
    pub weight: f64,
}

/// A tree or subtree.
#[derive(Debug, Clone, PartialEq)]
pub enum Node {
    /// The weight of each class, `[classes]`.
    Leaf(Vec<f64>),
    Split {
        feature: usize,
        absent: Box<Node>,
        present: Box<Node>,
    },
}

/// Limits on the size of a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// The most splits per path.
    pub depth: usize,
    /// The fewest observations per leaf.
    pub leaf: usize,
}

/// Smaller differences in impurity count as rounding errors.
const EPSILON: f64 = 1e-12;

/// Grows a tree. The first of equally good features is used.
pub fn grow(observations: &[&Observation], classes: usize, size: Size) -> Node {
    let weights = weights(observations, classes);
    let split = match size.depth {
        0 => None,
        _ if impurity(&weights) <= EPSILON => None,
        _ => best(observations, classes, size.leaf),
    };
    let Some(feature) = split else { return Node::Leaf(weights) };
    let (present, absent): (Vec<&Observation>, Vec<&Observation>) =
        observations.iter().partition(|observation| observation.present[feature]);
    let below = Size { depth: size.depth - 1, ..size };
    Node::Split {
        feature,
        absent: Box::new(grow(&absent, classes, below)),
        present: Box::new(grow(&present, classes, below)),
    }
}

/// Returns the feature whose split has the lowest impurity, if both sides have `leaf` observations.
fn best(observations: &[&Observation], classes: usize, leaf: usize) -> Option<usize> {
    let features = observations.first().map_or(0, |first| first.present.len());
    let mut best: Option<(f64, usize)> = None;
    for feature in 0..features {
        let (mut present, mut absent) = (vec![0.; classes], vec![0.; classes]);
        let mut count = 0;
        for observation in observations {
            let is_present = observation.present[feature];
            count += usize::from(is_present);
            let side = if is_present { &mut present } else { &mut absent };
            side[observation.class] += observation.weight;
        }
        if count.min(observations.len() - count) < leaf.max(1) {
            continue;
        }
        let after = total(&present) * impurity(&present) + total(&absent) * impurity(&absent);
        if best.is_none_or(|(lowest, _)| after < lowest - EPSILON) {
            best = Some((after, feature));
        }
    }
    best.map(|(_, feature)| feature)
}

fn weights(observations: &[&Observation], classes: usize) -> Vec<f64> {
    let mut weights = vec![0.; classes];
    observations.iter().for_each(|one| weights[one.class] += one.weight);
    weights
}

fn total(weights: &[f64]) -> f64 {
    weights.iter().sum()
}

/// Computes the Gini impurity, `1 - Σ p²`.
fn impurity(weights: &[f64]) -> f64 {
    let total = total(weights);
    match total > 0. {
        true => 1. - weights.iter().map(|weight| (weight / total).powi(2)).sum::<f64>(),
        false => 0.,
    }
}

/// Returns the class with the largest weight, the first if several are equal.
pub fn majority(weights: &[f64]) -> usize {
    let heavier = |best: usize, i: usize| if weights[i] > weights[best] { i } else { best };
    (0..weights.len()).fold(0, heavier)
}

/// A leaf and the path to it: features, and whether each must be present.
#[derive(Debug, Clone, PartialEq)]
pub struct Leaf {
    pub conditions: Vec<(usize, bool)>,
    /// `[classes]`
    pub weights: Vec<f64>,
}

impl Node {
    /// Returns the predicted class.
    pub fn class(&self, present: &[bool]) -> usize {
        match self {
            Self::Leaf(weights) => majority(weights),
            Self::Split { feature, absent, present: with } => match present[*feature] {
                true => with.class(present),
                false => absent.class(present),
            },
        }
    }

    /// Merges splits whose two sides are leaves of the same class.
    pub fn simplified(self) -> Self {
        let Self::Split { feature, absent, present } = self else { return self };
        match (absent.simplified(), present.simplified()) {
            (Self::Leaf(a), Self::Leaf(b)) if majority(&a) == majority(&b) => {
                Self::Leaf(a.iter().zip(&b).map(|(a, b)| a + b).collect())
            }
            (absent, present) => {
                Self::Split { feature, absent: Box::new(absent), present: Box::new(present) }
            }
        }
    }

    /// Returns all leaves, the present side of each split first.
    pub fn leaves(&self) -> Vec<Leaf> {
        let (mut leaves, mut stack) = (Vec::new(), vec![(self, Vec::new())]);
        while let Some((node, conditions)) = stack.pop() {
            match node {
                Self::Leaf(weights) => leaves.push(Leaf { conditions, weights: weights.clone() }),
                Self::Split { feature, absent, present } => {
                    let with = |is_present| {
                        let mut conditions = conditions.clone();
                        conditions.push((*feature, is_present));
                        conditions
                    };
                    stack.push((absent.as_ref(), with(false)));
                    stack.push((present.as_ref(), with(true)));
                }
            }
        }
        leaves
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `a AND NOT b`, with a mislabelled observation of low weight.
    #[test]
    fn tree_finds_a_rule_and_merges_leaves() {
        let mut observations = Vec::new();
        for bits in 0..16_usize {
            let present: Box<[bool]> = (0..4).map(|bit| bits >> bit & 1 == 1).collect();
            let class = usize::from(present[0] && !present[1]);
            observations.push(Observation { present, class, weight: 1. });
        }
        let wrong = Observation { weight: 0.25, class: 0, ..observations[1].clone() };
        observations.push(wrong);
        let all: Vec<&Observation> = observations.iter().collect();
        let tree = grow(&all, 2, Size { depth: 4, leaf: 1 });
        assert!(observations[..16].iter().all(|one| tree.class(&one.present) == one.class));
        let leaves = tree.simplified().leaves();
        let conditions: Vec<_> = leaves.iter().map(|leaf| leaf.conditions.clone()).collect();
        let expected = [vec![(0, true), (1, true)], vec![(0, true), (1, false)], vec![(0, false)]];
        assert_eq!(conditions, expected);
        assert_eq!(leaves[1].weights, [0.25, 4.]);
    }
}
