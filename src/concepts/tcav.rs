//! Testing with concept activation vectors (Kim et al. 2018, arXiv:1711.11279): whether the explained
//! scalar depends on a concept's direction more consistently than on directions of random splits of
//! the same texts.

use std::cmp::Ordering;

use super::fit::difference;
use super::gram::Products;
use crate::explanation::Tcav;
use crate::random::Generator;
use crate::rows::dot;

/// Number of random splits that the concept is compared with.
pub const SPLITS: usize = 999;

/// One layer's products of states with states, and of gradients with states.
pub struct Responses {
    pub states: Products,
    pub gradients: Products,
}

/// How the scalars of all texts change along a direction.
#[derive(Debug, Clone, Copy)]
struct Response {
    /// Texts whose scalar increases count 2, those whose scalar stays count 1.
    increases: usize,
    texts: usize,
    /// The mean derivative along the difference of the means.
    change: f64,
}

impl Response {
    fn score(self) -> f64 {
        self.increases as f64 / (2 * self.texts) as f64
    }

    /// Compares how far the scores are from one half. Near a linear head all derivatives have one
    /// sign, along any direction, and all scores are 0 or 1; then the mean derivative decides, which
    /// is how much the scalar changes on the way from one mean to the other.
    fn strength(&self, other: &Self) -> Ordering {
        let distance = |one: &Self| one.increases.abs_diff(one.texts);
        let by_score = distance(self).cmp(&distance(other));
        by_score.then(self.change.abs().total_cmp(&other.change.abs()))
    }
}

impl Responses {
    /// Returns the response along the difference of means of a split.
    fn along(&self, split: &[bool]) -> Response {
        let derivatives = self.gradients.times(&weights(split));
        let count = |derivative: &f64| match derivative.total_cmp(&0.) {
            Ordering::Greater => 2,
            // -0 is less than 0.
            _ if *derivative == 0. => 1,
            Ordering::Less | Ordering::Equal => 0,
        };
        Response {
            increases: derivatives.iter().map(count).sum(),
            texts: split.len(),
            change: derivatives.iter().sum::<f64>() / split.len() as f64,
        }
    }

    /// Returns the distance between the means of a split.
    fn distance(&self, split: &[bool]) -> f64 {
        let weights = weights(split);
        dot(&weights, &self.states.times(&weights)).max(0.).sqrt()
    }
}

fn weights(split: &[bool]) -> Vec<f64> {
    let all: Vec<usize> = (0..split.len()).collect();
    difference(&all, split)
}

/// Returns the score of each layer, with its p-value.
///
/// The test is exact for a target that does not depend on how the texts are split: if the lists were
/// a random split, every split would be as likely. It is two-sided. All layers are compared with the
/// same splits, and each p-value is adjusted for the smallest one of all layers (Westfall & Young
/// 1993, min P).
pub fn scores(layers: &[Responses], concept: &[bool], seed: u64) -> Vec<Tcav> {
    let splits = splits(concept, seed);
    // `[layers][splits]`, the concept's own first.
    let responses: Vec<Vec<Response>> = layers
        .iter()
        .map(|layer| splits.iter().map(|split| layer.along(split)).collect())
        .collect();
    let shares: Vec<Vec<f64>> = responses.iter().map(|layer| shares_as_strong(layer)).collect();
    let smallest: Vec<f64> = (0..splits.len())
        .map(|split| shares.iter().map(|layer| layer[split]).fold(1., f64::min))
        .collect();
    let adjusted = |share: f64| {
        smallest.iter().filter(|other| **other <= share).count() as f64 / splits.len() as f64
    };
    let tcav = |((layer, responses), shares): ((&Responses, &Vec<Response>), &Vec<f64>)| {
        let distance = layer.distance(concept);
        let change = responses[0].change;
        Tcav {
            score: responses[0].score(),
            sensitivity: if distance > 0. { change / distance } else { 0. },
            p_value: adjusted(shares[0]),
        }
    };
    layers.iter().zip(&responses).zip(&shares).map(tcav).collect()
}

/// Returns the concept's own split and random ones with the same sizes.
fn splits(concept: &[bool], seed: u64) -> Vec<Vec<bool>> {
    let mut generator = Generator::stream(seed, 1);
    let (with, count) = (concept.iter().filter(|own| **own).count(), concept.len());
    let random = |_| {
        let mut split = vec![false; count];
        generator.choose(with, count).into_iter().for_each(|text| split[text] = true);
        split
    };
    std::iter::once(concept.to_vec()).chain((0..SPLITS).map(random)).collect()
}

/// Returns, for each response, the share of all responses that are at least as strong.
fn shares_as_strong(responses: &[Response]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..responses.len()).collect();
    order.sort_by(|&a, &b| responses[b].strength(&responses[a]));
    let mut shares = vec![0.; responses.len()];
    let equal = |a: &usize, b: &usize| responses[*a].strength(&responses[*b]) == Ordering::Equal;
    let mut end = 0;
    for group in order.chunk_by(equal) {
        end += group.len();
        group.iter().for_each(|&index| shares[index] = end as f64 / responses.len() as f64);
    }
    shares
}
