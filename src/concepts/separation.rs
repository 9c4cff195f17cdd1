//! How well directions separate texts that they were not fitted to.

use super::fit::Rule;
use super::gram::Products;
use crate::explanation::Separation;
use crate::random::Generator;

/// Number of parts; each is held out once.
pub const FOLDS: usize = 5;

/// Divides texts into parts with equal shares of both lists, up to one text. Returns the part of
/// each text.
pub fn folds(concept: &[bool], seed: u64) -> Vec<usize> {
    let mut generator = Generator::stream(seed, 0);
    let mut folds = vec![0; concept.len()];
    let mut next = 0;
    for side in [true, false] {
        let own: Vec<usize> = (0..concept.len()).filter(|&text| concept[text] == side).collect();
        for chosen in generator.choose(own.len(), own.len()) {
            folds[own[chosen]] = next % FOLDS;
            next += 1;
        }
    }
    folds
}

/// Fits `rule` to all parts but one, and judges the texts of that one.
pub fn separation(
    products: &Products,
    rule: Rule,
    folds: &[usize],
    concept: &[bool],
) -> Separation {
    let mut values = vec![0.; concept.len()];
    for fold in 0..FOLDS {
        let members: Vec<usize> = (0..folds.len()).filter(|&text| folds[text] != fold).collect();
        let fit = rule(products, &members, concept);
        for text in (0..folds.len()).filter(|&text| folds[text] == fold) {
            values[text] = fit.value(products, text);
        }
    }
    let is_right =
        |(value, concept): (&f64, &bool)| if *concept { *value > 0. } else { *value < 0. };
    let hits = values.iter().zip(concept).filter(|(value, concept)| is_right((value, concept)));
    Separation { hits: hits.count(), count: concept.len(), auc: auc(&values, concept) }
}

/// Returns the share of pairs of a text with the concept and another one in which the first has the
/// higher value. Ties count half.
fn auc(values: &[f64], concept: &[bool]) -> f64 {
    let of = |side: bool| {
        values.iter().zip(concept).filter(move |(_, own)| **own == side).map(|(value, _)| *value)
    };
    let pair = |a: f64, b: f64| f64::from(u8::from(a > b)) + 0.5 * f64::from(u8::from(a == b));
    let pairs = of(true).flat_map(|a| of(false).map(move |b| pair(a, b)));
    pairs.sum::<f64>() / (of(true).count() * of(false).count()) as f64
}
