//! Compares 8-bit products with exact arithmetic, with every instruction set of this processor.

use pulp::Simd;

use super::super::Isa;
use super::super::array::Array;
use super::super::matmul::{Finish, Start};
use super::super::threads::Threads;
use super::quantise::WIDTH;
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

/// How products are computed: what multiplies integers, and what rounds.
type Means = (Int8, Isa);

fn all_means() -> impl Iterator<Item = Means> {
    let of =
        |isa| std::iter::once(Int8::Portable).chain(Int8::of(isa)).map(move |int8| (int8, isa));
    Isa::available().into_iter().flat_map(of)
}

fn map((int8, isa): Means, weight: &Matrix) -> Map {
    Map::new(int8, isa, &weight.concat(), weight[0].len())
}

fn rounded((_, isa): Means, x: &Matrix) -> Rounded {
    Rounded::of(isa, &array(x))
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

fn products(means: Means, weight: &Matrix, x: &Matrix) -> Matrix {
    rows(&map(means, weight).forward(Threads(1), &rounded(means, x), Start::Zero, &Same))
}

/// Numbers of 8 bits are not rounded, and every sum is exact.
#[test]
fn products_of_integers_are_exact() {
    for (means, (count, input, out)) in
        all_means().flat_map(|means| SIZES.map(|size| (means, size)))
    {
        // Every block reaches from 0 to 255, and that of an output's weights up to 127.
        let activation = |i, k| if k % WIDTH == 0 { 255. } else { number(i, k, 1, 256) };
        let weight = |j, k| if k % WIDTH == 0 { 127. } else { number(j, k, 2, 255) - 127. };
        let (x, w) = (matrix(count, input, activation), matrix(out, input, weight));
        let (bias, onto) = (
            matrix(1, out, |i, j| number(i, j, 3, 9)),
            matrix(count, out, |i, j| number(i, j, 4, 9)),
        );
        let (bias_array, onto_array) = (array(&bias), array(&onto));
        let start = Start::BiasOnto(bias_array.row(0), &onto_array);
        let actual = map(means, &w).forward(Threads(1), &rounded(means, &x), start, &Twice);
        for (i, row) in rows(&actual).iter().enumerate() {
            for (j, actual) in row.iter().enumerate() {
                let sum: i64 = x[i].iter().zip(&w[j]).map(|(x, w)| *x as i64 * *w as i64).sum();
                let exact = 2 * (sum + bias[0][j] as i64 + onto[i][j] as i64);
                assert_eq!(*actual as i64, exact, "{i} {j} of {count} {input} {out}");
            }
        }
    }
}

/// Each number is off by at most half a level.
#[test]
fn errors_are_within_half_a_level_of_each_number() {
    for (means, (count, input, out)) in
        all_means().flat_map(|means| SIZES.map(|size| (means, size)))
    {
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
        for (i, row) in products(means, &w, &x).iter().enumerate() {
            for (j, actual) in row.iter().enumerate() {
                let (mut exact, mut bound) = (0., 0.);
                for (x, w) in x[i].chunks(WIDTH).zip(w[j].chunks(WIDTH)) {
                    let high = x.iter().fold(0f32, |max, x| max.max(*x));
                    let low = x.iter().fold(0f32, |min, x| min.min(*x));
                    let half_x = f64::from(high - low) / 510.;
                    let half_w = f64::from(w.iter().fold(0f32, |max, w| max.max(w.abs()))) / 254.;
                    for (x, w) in x.iter().zip(w) {
                        let (x, w) = (f64::from(*x), f64::from(*w));
                        exact += x * w;
                        bound += x.abs() * half_w + w.abs() * half_x + half_x * half_w;
                    }
                }
                let error = (f64::from(*actual) - exact).abs();
                // Activations below 1e-30 count as zero.
                assert!(error <= bound * 1.001 + 1e-28, "{i} {j}: {error} > {bound}");
            }
        }
    }
}

#[test]
fn a_row_is_the_same_alone_with_others_and_on_any_number_of_threads() {
    // Enough work for four threads.
    let x = matrix(60, 300, |i, k| number(i, k, 7, 2001) / 1000. - 1.);
    let weight = matrix(1000, 300, |j, k| number(j, k, 8, 2001) / 1000. - 1.);
    for means in all_means() {
        let map = map(means, &weight);
        let run = |threads, x: &[Vec<f32>]| {
            let x = rounded(means, &x.to_vec());
            rows(&map.forward(Threads(threads), &x, Start::Zero, &Same))
        };
        let alone: Matrix =
            x.iter().map(|row| run(1, std::slice::from_ref(row)).remove(0)).collect();
        for count in [2, 11, 12, 13, 25, 60] {
            for threads in [1, 2, 7] {
                assert_eq!(run(threads, &x[..count]), alone[..count]);
            }
        }
    }
}

/// Numbers that are not finite.
const WRONG: [f32; 3] = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY];

#[test]
fn what_is_not_finite_is_not_finite_in_the_result() {
    let weight = matrix(20, 30, |j, k| number(j, k, 9, 100) - 50.);
    for (means, wrong) in all_means().flat_map(|means| WRONG.map(|wrong| (means, wrong))) {
        for place in [0, 15, 16, 29] {
            let mut x = matrix(3, 30, |i, k| number(i, k, 10, 100));
            x[1][place] = wrong;
            let y = products(means, &weight, &x);
            assert!(y[1].iter().all(|y| !y.is_finite()), "{wrong} at {place}");
            assert!(y[0].iter().chain(&y[2]).all(|y| y.is_finite()));
            let mut weight = weight.clone();
            weight[4][place] = wrong;
            x[1][place] = 1.;
            let y = products(means, &weight, &x);
            assert!(y.iter().all(|row| !row[4].is_finite() && row[5].is_finite()));
        }
    }
}

/// What multiplies integers does not matter, only what rounds.
#[test]
fn instructions_and_their_portable_form_agree_to_the_last_bit() {
    let x = matrix(25, 258, |i, k| number(i, k, 11, 2001) / 1000. - 1.);
    let weight = matrix(65, 258, |j, k| number(j, k, 12, 2001) / 1000. - 1.);
    for (int8, isa) in all_means() {
        let portable = products((Int8::Portable, isa), &weight, &x);
        assert_eq!(products((int8, isa), &weight, &x), portable, "{} {}", int8.name(), isa.name());
    }
}

#[test]
fn only_avx512_has_faster_products() {
    for isa in Isa::available() {
        assert!(Int8::of(isa).is_none() || isa.name() == "avx512");
    }
}
