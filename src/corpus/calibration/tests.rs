use super::*;
use crate::corpus::Embedded;

/// Returns samples of which the rows `held` are held out.
fn local(rows: &[f32], width: usize, labels: &[u32], held: &[u32]) -> Local {
    let embedded = Embedded {
        width,
        vectors: rows.to_vec(),
        labels: labels.to_vec(),
        predicted: labels.to_vec(),
        probabilities: vec![1.; labels.len()],
        ..Embedded::default()
    };
    Local::new(&[], embedded, held)
}

/// Draws vectors of two labels around two centres; the classes overlap.
fn draws(generator: &mut Generator, count: usize, width: usize) -> (Vec<f32>, Vec<u32>) {
    let (mut rows, mut labels) = (Vec::new(), Vec::new());
    for _ in 0..count {
        let label = u32::from(generator.uniform() < 0.4);
        let centre = if label == 1 { 0.8 } else { -0.2 };
        rows.extend((0..width).map(|index| {
            let shift = if index < 3 { centre } else { 0.3 };
            (generator.normal() + shift) as f32
        }));
        labels.push(label);
    }
    (rows, labels)
}

/// For fresh draws from the same distribution, the true label's p-value is at most e with a
/// probability close to e.
#[test]
fn coverage_is_nominal_for_exchangeable_draws() {
    let (width, mut generator) = (6, Generator::stream(11, 0));
    let (rows, labels) = draws(&mut generator, 6_000, width);
    let held = draw(&labels);
    let samples = local(&rows, width, &labels, &held);
    let calibration = Calibration::new(&samples, held, &|_, _| {}).unwrap();
    let (fresh, right) = draws(&mut generator, 6_000, width);
    let mut values = [Vec::new(), Vec::new()];
    for (query, label) in fresh.chunks_exact(width).zip(&right) {
        let value = calibration.credibility(&samples.search(query), *label as usize).unwrap();
        values[*label as usize].push(value.unwrap());
    }
    for (label, values) in values.iter().enumerate() {
        for level in [0.05, 0.1, 0.2, 0.5] {
            let rejected = values.iter().filter(|value| **value <= level).count();
            let share = rejected as f64 / values.len() as f64;
            // Three standard deviations, from the fresh draws and the calibration samples.
            let held = calibration.of_label[label].len() as f64;
            let deviation = (level * (1. - level) * (1. / values.len() as f64 + 1. / held)).sqrt();
            assert!((share - level).abs() < 3. * deviation, "label {label}: {share} at {level}");
        }
    }
}

/// P-values computed by hand, for vectors given by their angles.
#[test]
fn p_values_match_a_hand_computed_case() {
    let degrees: [f32; 8] = [0., 10., 20., 30., 90., 100., 110., 120.];
    let rows: Vec<f32> = degrees
        .iter()
        .flat_map(|angle| [angle.to_radians().cos(), angle.to_radians().sin()])
        .collect();
    let labels = [0, 0, 0, 0, 1, 1, 1, 1];
    // Held out: 0 and 30 of label 0, 100 and 120 of label 1. The others are 10, 20; 90, 110.
    let samples = local(&rows, 2, &labels, &[0, 3, 5, 7]);
    let distance = |a: f64, b: f64| 1. - (a - b).to_radians().cos();
    let ratio = |x: f64, own: [f64; 2], other: [f64; 2]| {
        let mean = |of: [f64; 2]| (distance(x, of[0]) + distance(x, of[1])) / 2.;
        mean(own) / mean(other)
    };
    let compared = compare_all(&samples, &[0, 3, 5, 7]).unwrap();
    let expected = [
        ratio(0., [10., 20.], [90., 110.]),
        ratio(30., [10., 20.], [90., 110.]),
        ratio(100., [90., 110.], [10., 20.]),
        ratio(120., [90., 110.], [10., 20.]),
    ];
    for ((found, _), expected) in compared.iter().zip(expected) {
        assert!((found - expected).abs() < 1e-6, "{found} {expected}");
    }
    // The five nearest to 0 degrees are 10, 20, 30, 90, 100.
    let near = [10_f64, 20., 30., 90., 100.].map(|angle| angle.to_radians().cos());
    assert!((compared[0].1 - near.iter().sum::<f64>() / 5.).abs() < 1e-6);

    let (nonconformity, density) = compared.into_iter().unzip();
    let parts = (vec![0, 3, 5, 7], nonconformity, density);
    let calibration = Calibration::of_parts(parts, |row| labels[row]);
    let credibility = |angle: f32, label| {
        let query = [angle.to_radians().cos(), angle.to_radians().sin()];
        calibration.credibility(&samples.search(&query), label).unwrap()
    };
    // At the centre of its label it conforms better than both held samples: (2 + 1) / (2 + 1).
    assert_eq!(credibility(15., 0), Some(1.));
    // Between the labels it conforms worse than both held samples: (0 + 1) / (2 + 1).
    assert_eq!(credibility(57., 0), Some(1. / 3.));
    assert_eq!(credibility(57., 1), Some(1. / 3.));
    assert_eq!(credibility(57., 2), None);
}

#[test]
fn credibility_needs_two_labels() {
    let rows = [1., 0., 0., 1., 1., 1., 1., 2.];
    let labels = [0; 4];
    let held = draw(&labels);
    let samples = local(&rows, 2, &labels, &held);
    let calibration = Calibration::new(&samples, held, &|_, _| {}).unwrap();
    assert_eq!(calibration.credibility(&samples.search(&[1., 0.]), 0).unwrap(), None);
    assert!(calibration.typicality([1.].into_iter()).is_some());
}

#[test]
fn half_of_each_label_is_drawn_deterministically() {
    let labels: Vec<u32> = (0..100).map(|row| u32::from(row % 4 == 0)).collect();
    let held = draw(&labels);
    let count = |label| held.iter().filter(|row| labels[**row as usize] == label).count();
    assert_eq!((count(0), count(1)), (37, 12));
    assert_eq!(held, draw(&labels));
    assert!(held.is_sorted() && held.windows(2).all(|pair| pair[0] != pair[1]));
    let many = vec![0; 50_000];
    assert_eq!(draw(&many).len(), MAX_HELD);
}
