//! Concepts in states that are made up, where the answer is known.

use super::*;
use crate::random::Generator;

const WIDTH: usize = 8;

/// Returns states of normal noise; those with the concept are shifted along the first coordinate.
fn states(generator: &mut Generator, concept: &[bool], shift: f64) -> Vec<Vec<f64>> {
    let state = |own: &bool| {
        let mut state: Vec<f64> = (0..WIDTH).map(|_| generator.normal()).collect();
        state[0] += if *own { shift } else { 0. };
        state
    };
    concept.iter().map(state).collect()
}

fn lists(with: usize, without: usize) -> Vec<bool> {
    [vec![true; with], vec![false; without]].concat()
}

/// The gradient of a scalar that increases with the coordinate, by an amount that differs from text
/// to text.
fn gradients(generator: &mut Generator, coordinate: usize, texts: usize) -> Vec<Vec<f64>> {
    let gradient = |_| {
        let mut gradient: Vec<f64> = (0..WIDTH).map(|_| 0.3 * generator.normal()).collect();
        gradient[coordinate] += 1.;
        gradient
    };
    (0..texts).map(gradient).collect()
}

#[test]
fn a_shift_is_found_where_it_is() {
    let mut generator = Generator::stream(1, 0);
    let concept = lists(12, 9);
    let layer = |generator: &mut Generator, shift: f64| Measured {
        states: states(generator, &concept, shift),
        gradients: gradients(generator, 0, concept.len()),
    };
    let measured = [layer(&mut generator, 0.), layer(&mut generator, 8.)];
    let learned = learn(&measured, &concept, 0);
    assert_eq!(learned.best, Some(2));
    let [first, second] = &learned.layers[..] else { panic!("two layers") };
    let axis = second.axis.as_ref().unwrap();
    for separation in [second.mean_difference, second.logistic] {
        assert_eq!((separation.hits, separation.count, separation.auc), (21, 21, 1.));
    }
    assert!(first.mean_difference.auc < 0.8, "{first:?}");
    assert!(second.tcav.score == 1. && second.tcav.is_significant(), "{second:?}");
    assert!(second.tcav.sensitivity > 0.8);
    for direction in &learned.directions[1] {
        assert!(direction[0] > 0.9 && (norm(direction) - 1.).abs() < 1e-12, "{direction:?}");
    }
    let mean = |side: bool| {
        let own = measured[1].states.iter().zip(&concept).filter(|(_, own)| **own == side);
        let positions: Vec<f64> = own.map(|(state, _)| axis.position(state)).collect();
        positions.iter().sum::<f64>() / positions.len() as f64
    };
    assert!((mean(true) - 1.).abs() < 1e-12 && (mean(false) + 1.).abs() < 1e-12);
}

/// The scalar falls along the concept, and does not depend on it.
#[test]
fn the_test_has_two_sides_and_knows_what_does_not_matter() {
    let mut generator = Generator::stream(2, 0);
    let concept = lists(10, 10);
    let states = states(&mut generator, &concept, 6.);
    let along = gradients(&mut generator, 0, 20);
    let against: Vec<Vec<f64>> =
        along.iter().map(|gradient| gradient.iter().map(|x| -x).collect()).collect();
    let tcav = |gradients: Vec<Vec<f64>>| {
        let measured = [Measured { states: states.clone(), gradients }];
        learn(&measured, &concept, 3).layers[0].tcav
    };
    let (up, down) = (tcav(along), tcav(against));
    assert_eq!((up.score, down.score), (1., 0.));
    assert_eq!(up.p_value, down.p_value);
    assert!(up.is_significant());
    let elsewhere = gradients(&mut generator, 5, 20);
    assert!(!tcav(elsewhere).is_significant());
    let nothing = tcav(vec![vec![0.; WIDTH]; 20]);
    assert_eq!((nothing.score, nothing.p_value), (0.5, 1.));
}

/// Lists of texts of one kind: the test errs in one of twenty cases, for all layers together.
#[test]
fn random_lists_are_rarely_significant() {
    let (cases, mut wrong) = (300, 0);
    for case in 0..cases {
        let mut generator = Generator::stream(4, case);
        let concept = lists(6, 7);
        let layer = |generator: &mut Generator| Measured {
            states: states(generator, &concept, 0.),
            gradients: gradients(generator, 0, 13),
        };
        let measured = [layer(&mut generator), layer(&mut generator), layer(&mut generator)];
        let learned = learn(&measured, &concept, case);
        wrong += u64::from(learned.layers.iter().any(|layer| layer.tcav.is_significant()));
    }
    // Binomial with 300 cases and 0.05: 15 are expected, 27 exceeded once in a thousand times.
    assert!((2..=27).contains(&wrong), "{wrong} of {cases}");
}

#[test]
fn equal_texts_have_no_direction() {
    let concept = lists(5, 5);
    let measured = [Measured { states: vec![vec![1.; 3]; 10], gradients: vec![vec![1.; 3]; 10] }];
    let learned = learn(&measured, &concept, 0);
    assert!(learned.best.is_none());
    let layer = &learned.layers[0];
    assert!(layer.axis.is_none());
    assert_eq!(layer.mean_difference.auc, 0.5);
    assert_eq!(layer.tcav.score, 0.5);
    assert_eq!(learned.directions[0], [vec![0.; 3], vec![0.; 3]]);
}

#[test]
fn folds_have_equal_shares_of_both_lists() {
    for (with, without) in [(5, 5), (7, 12), (128, 5)] {
        let concept = lists(with, without);
        let folds = folds(&concept, 9);
        for side in [true, false] {
            let size = |fold: usize| {
                folds.iter().zip(&concept).filter(|(own, is)| **own == fold && **is == side).count()
            };
            let sizes: Vec<usize> = (0..FOLDS).map(size).collect();
            let (least, most) = (sizes.iter().min().unwrap(), sizes.iter().max().unwrap());
            assert!(*least > 0 && most - least <= 1, "{sizes:?}");
        }
    }
}
