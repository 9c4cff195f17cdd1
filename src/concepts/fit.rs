//! The directions that separate texts with a concept from others.

use super::gram::Products;
use super::logistic;

/// A linear function of a state x, `Σ w_i ⟨x_i, x⟩ + intercept`, where x_i are the texts' states.
#[derive(Debug, Clone, PartialEq)]
pub struct Fit {
    /// One per text; they add up to 0.
    pub weights: Vec<f64>,
    pub intercept: f64,
}

impl Fit {
    /// Returns the value for the text of this index.
    pub fn value(&self, products: &Products, text: usize) -> f64 {
        let terms = products.row(text).iter().zip(&self.weights);
        terms.map(|(product, weight)| product * weight).sum::<f64>() + self.intercept
    }
}

/// How a direction is fitted to the texts that `members` lists; `concept` says which of all texts
/// have the concept.
pub type Rule = fn(&Products, &[usize], &[bool]) -> Fit;

/// Returns the weights of the difference of the two means.
pub fn difference(members: &[usize], concept: &[bool]) -> Vec<f64> {
    let with = members.iter().filter(|&&text| concept[text]).count();
    let (own, other) = (1. / with as f64, -1. / (members.len() - with) as f64);
    let mut weights = vec![0.; concept.len()];
    for &text in members {
        weights[text] = if concept[text] { own } else { other };
    }
    weights
}

/// The difference of the two means, scaled such that the function is 1 at the mean of the texts with
/// the concept and -1 at the other one.
pub fn mean_difference(products: &Products, members: &[usize], concept: &[bool]) -> Fit {
    let mut weights = difference(members, concept);
    let along = products.times(&weights);
    let ends = [true, false].map(|side| {
        let own = members.iter().filter(|&&text| concept[text] == side);
        own.clone().map(|&text| along[text]).sum::<f64>() / own.count() as f64
    });
    let half = (ends[0] - ends[1]) / 2.;
    // Equal means have no direction.
    let scale = if half > 0. { 1. / half } else { 0. };
    weights.iter_mut().for_each(|weight| *weight *= scale);
    Fit { weights, intercept: -scale * (ends[0] + ends[1]) / 2. }
}

/// Logistic regression with the penalty `½‖w‖²` on states that are scaled to a mean variance of 1 per
/// coordinate: scikit-learn's `LogisticRegression` with `C=1`. The intercept is not penalised.
pub fn logistic(products: &Products, members: &[usize], concept: &[bool]) -> Fit {
    let count = members.len() as f64;
    let sum: f64 = members.iter().map(|&text| products.at(text, text)).sum();
    let pairs = members.iter().flat_map(|&a| members.iter().map(move |&b| products.at(a, b)));
    let variance = (sum / count - pairs.sum::<f64>() / (count * count)) / products.width() as f64;
    let scale = if variance > 0. { 1. / variance } else { 0. };
    let kernel = |a: usize, b: usize| scale * products.at(members[a], members[b]);
    let labels: Vec<bool> = members.iter().map(|&text| concept[text]).collect();
    let (own, intercept) = logistic::fit(kernel, &labels);
    let mut weights = vec![0.; concept.len()];
    for (&text, weight) in members.iter().zip(own) {
        weights[text] = scale * weight;
    }
    Fit { weights, intercept }
}
