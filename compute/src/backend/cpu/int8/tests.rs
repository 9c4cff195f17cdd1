//! Compares 8-bit products with exact arithmetic. Nothing is tested where the processor has no
//! instructions for them.

use pulp::Simd;

use super::super::Isa;
use super::super::array::Array;
use super::super::matmul::{Finish, Start};
use super::super::threads::Threads;
use super::vnni::MAX_INPUT;
use super::*;

type Matrix = Vec<Vec<f32>>;

/// Rows, inputs, outputs: sizes that do not fill groups, registers, tiles or panels.
const SIZES: [(usize, usize, usize); 6] =
    [(1, 1, 1), (3, 5, 17), (14, 7, 40), (2, 258, 33), (25, 160, 48), (13, 64, 65)];

/// Reproducible integers from 0 to `below` - 1.
fn number(i: usize, j: usize, seed: usize, below: usize) -> f32 {
    let hash = (i * 7_919 + j * 104_729 + seed * 1_299_709 + 17).wrapping_mul(2_654_435_761);
    ((hash >> 8) % below) as f32
}

fn matrix(rows: usize, columns: usize, number: impl Fn(usize, usize) -> f32) -> Matrix {
    (0..rows).map(|i| (0..columns).map(|j| number(i, j)).collect()).collect()
}

fn array(matrix: &Matrix) -> Array {
    let mut array = Array::zeros(matrix.len(), matrix[0].len());
    for (i, row) in matrix.iter().enumerate() {
        array.row_mut(i)[..row.len()].copy_from_slice(row);
    }
    array
}

fn rows(array: &Array) -> Matrix {
    (0..array.rows).map(|i| array.row(i)[..array.width].to_vec()).collect()
}

fn vnni() -> Option<Vnni> {
    Vnni::of(Isa::best())
}

fn map(vnni: Vnni, weight: &Matrix) -> Map {
    Map::new(vnni, &weight.concat(), weight[0].len()).unwrap()
}

struct Same;

impl Finish for Same {
    fn finish<S: Simd>(&self, _: S, _: usize, _: usize, sum: S::f32s) -> (S::f32s, S::f32s) {
        (sum, sum)
    }
}

struct Twice;

impl Finish for Twice {
    fn finish<S: Simd>(&self, simd: S, _: usize, _: usize, sum: S::f32s) -> (S::f32s, S::f32s) {
        (simd.add_f32s(sum, sum), sum)
    }
}

fn products(vnni: Vnni, weight: &Matrix, x: &Matrix) -> Matrix {
    rows(&map(vnni, weight).forward(Threads(1), &array(x), Start::Zero, &Same))
}

/// Numbers of 8 bits are not rounded, and every sum is exact.
#[test]
fn products_of_integers_are_exact() {
    let Some(vnni) = vnni() else { return };
    for (count, input, out) in SIZES {
        // Every row reaches from 0 to 255, and every weight's output up to 127.
        let activation = |i, k| if k == 0 { 255. } else { number(i, k, 1, 256) };
        let weight = |j, k| if k == 0 { 127. } else { number(j, k, 2, 255) - 127. };
        let (x, w) = (matrix(count, input, activation), matrix(out, input, weight));
        let (bias, onto) = (
            matrix(1, out, |i, j| number(i, j, 3, 9)),
            matrix(count, out, |i, j| number(i, j, 4, 9)),
        );
        let (bias_array, onto_array) = (array(&bias), array(&onto));
        let start = Start::BiasOnto(bias_array.row(0), &onto_array);
        let actual = map(vnni, &w).forward(Threads(1), &array(&x), start, &Twice);
        for (i, row) in rows(&actual).iter().enumerate() {
            for (j, actual) in row.iter().enumerate() {
                let sum: i64 = x[i].iter().zip(&w[j]).map(|(x, w)| *x as i64 * *w as i64).sum();
                let exact = 2 * (sum + bias[0][j] as i64 + onto[i][j] as i64);
                assert_eq!(*actual as i64, exact, "{i} {j} of {count} {input} {out}");
            }
        }
    }
}

#[test]
fn the_longest_sum_does_not_overflow() {
    let Some(vnni) = vnni() else { return };
    let (weight, x) = (vec![vec![127.; MAX_INPUT]], vec![vec![255.; MAX_INPUT]]);
    let exact = (255 * 127 * MAX_INPUT) as f32;
    assert_eq!(products(vnni, &weight, &x), [[exact]]);
    assert!(Map::new(vnni, &vec![1.; MAX_INPUT + 1], MAX_INPUT + 1).is_none());
}

/// Each number is off by at most half a level.
#[test]
fn errors_are_within_half_a_level_of_each_number() {
    let Some(vnni) = vnni() else { return };
    for (count, input, out) in SIZES {
        let scales = [1., 1e-3, 1e4, 0., 1e-35, 1e30];
        let activation = |i: usize, k: usize| {
            let outlier = if (i + k) % 50 == 7 { 100. } else { 1. };
            // Some rows have one sign only.
            let low = if i % 4 == 3 { 0. } else { 500. };
            (number(i, k, 5, 1001) - low) / 1000. * outlier * scales[i % scales.len()]
        };
        let weight = |j: usize, k: usize| match j % 7 {
            6 => 0.,
            _ => (number(j, k, 6, 1001) - 500.) / 4000.,
        };
        let (x, w) = (matrix(count, input, activation), matrix(out, input, weight));
        for (i, row) in products(vnni, &w, &x).iter().enumerate() {
            let high = x[i].iter().fold(0f32, |max, x| max.max(*x));
            let low = x[i].iter().fold(0f32, |min, x| min.min(*x));
            let half_x = f64::from(high - low) / 510.;
            for (j, actual) in row.iter().enumerate() {
                let half_w = f64::from(w[j].iter().fold(0f32, |max, w| max.max(w.abs()))) / 254.;
                let pairs = || x[i].iter().zip(&w[j]).map(|(x, w)| (f64::from(*x), f64::from(*w)));
                let exact: f64 = pairs().map(|(x, w)| x * w).sum();
                let bound: f64 = pairs()
                    .map(|(x, w)| x.abs() * half_w + w.abs() * half_x + half_x * half_w)
                    .sum();
                let error = (f64::from(*actual) - exact).abs();
                // Activations below 1e-30 count as zero.
                assert!(error <= bound * 1.001 + 1e-28, "{i} {j}: {error} > {bound}");
            }
        }
    }
}

#[test]
fn a_row_is_the_same_alone_with_others_and_on_any_number_of_threads() {
    let Some(vnni) = vnni() else { return };
    let x = matrix(40, 100, |i, k| number(i, k, 7, 2001) / 1000. - 1.);
    let map = map(vnni, &matrix(300, 100, |j, k| number(j, k, 8, 2001) / 1000. - 1.));
    let run =
        |threads, x: &Matrix| rows(&map.forward(Threads(threads), &array(x), Start::Zero, &Same));
    let alone: Matrix = x.iter().map(|row| run(1, &vec![row.clone()]).remove(0)).collect();
    for count in 1..=x.len() {
        let some = x[..count].to_vec();
        assert_eq!(run(1, &some), alone[..count]);
        assert_eq!(run(2, &some), alone[..count]);
        assert_eq!(run(7, &some), alone[..count]);
    }
}

#[test]
fn what_is_not_finite_is_not_finite_in_the_result() {
    let Some(vnni) = vnni() else { return };
    let weight = matrix(20, 30, |j, k| number(j, k, 9, 100) - 50.);
    for wrong in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        for place in [0, 15, 16, 29] {
            let mut x = matrix(3, 30, |i, k| number(i, k, 10, 100));
            x[1][place] = wrong;
            let y = products(vnni, &weight, &x);
            assert!(y[1].iter().all(|y| !y.is_finite()), "{wrong} at {place}");
            assert!(y[0].iter().chain(&y[2]).all(|y| y.is_finite()));
            let mut weight = weight.clone();
            weight[4][place] = wrong;
            x[1][place] = 1.;
            let y = products(vnni, &weight, &x);
            assert!(y.iter().all(|row| !row[4].is_finite() && row[5].is_finite()));
        }
    }
}

#[test]
fn other_instruction_sets_have_no_such_products() {
    assert!(Vnni::of(Isa::Portable).is_none());
}
